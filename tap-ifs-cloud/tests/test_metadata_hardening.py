"""$metadata comes from outside: whatever is sent, nothing is expanded, nothing is fetched, and memory stays bounded."""

import socket
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.errors import ContractBrokenError
from tap_ifs_cloud.metadata import LARGEST_DOCUMENT, Metadata, parse

HEAD = '<edmx:Edmx xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>'
FOOT = "</edmx:DataServices></edmx:Edmx>"


def edmx(inner, doctype=""):
    schema = f'<Schema xmlns="http://docs.oasis-open.org/odata/ns/edm" Namespace="N">{inner}</Schema>'
    return f'<?xml version="1.0"?>{doctype}{HEAD}{schema}{FOOT}'.encode()


def laughs(depth):
    entities = '<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, depth))
    return f"<!DOCTYPE x [{entities}]>"


@pytest.mark.parametrize(
    "doctype",
    [
        laughs(30),
        f'<!DOCTYPE x [<!ENTITY a "{"x" * 100_000}">]>',
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:1/p.dtd"> %p;]>',
        '<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd">',
        "<!DOCTYPE x []>",
    ],
)
def test_a_document_type_is_refused_before_anything_of_it_is_read(doctype):
    reference = '<EntityType Name="&a;"/>' if "ENTITY a" in doctype else ""
    with pytest.raises(ContractBrokenError, match=r"orders: \$metadata is no EDMX document"):
        parse(edmx(reference, doctype), "orders")


def test_no_external_entity_is_asked_for():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        callers = []

        def listen():
            try:
                callers.append(server.accept())
            except TimeoutError:
                callers.append(None)

        listener = threading.Thread(target=listen)
        listener.start()
        doctype = f'<!DOCTYPE x [<!ENTITY a SYSTEM "http://127.0.0.1:{port}/a">]>'
        with pytest.raises(ContractBrokenError):
            parse(edmx('<EntityType Name="&a;"/>&a;', doctype), "orders")
        listener.join()
    assert callers == [None]


def test_more_than_fifty_million_bytes_are_not_even_looked_at():
    with pytest.raises(ContractBrokenError, match=r"\$metadata has 50,000,001 bytes, and more than 50,000,000 are not"):
        parse(edmx("") + b" " * (LARGEST_DOCUMENT + 1 - len(edmx(""))), "orders")


BOUNDED = """
import resource
from tap_ifs_cloud.metadata import LARGEST_DOCUMENT, parse

properties = "".join(f'<Property Name="Property{n}" Type="Edm.Decimal" Precision="10" Scale="2"/>' for n in range(60))
kind = '<EntityType Name="T%d"><Key><PropertyRef Name="Id"/></Key>' + properties + "</EntityType>"
inner = "".join(kind % number for number in range(LARGEST_DOCUMENT // (len(kind) + 4)))
document = ('<?xml version="1.0"?><Schema xmlns="x" Namespace="N">' + inner + "</Schema>").encode()
del inner
assert 0.95 * LARGEST_DOCUMENT < len(document) <= LARGEST_DOCUMENT
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
resource.setrlimit(resource.RLIMIT_AS, (before * 1024 + 250_000_000,) * 2)
print(len(parse(document, "large").entity_types))
"""


def test_the_largest_document_fits_into_bounded_memory():
    ran = subprocess.run([sys.executable, "-c", BOUNDED], capture_output=True, text=True, timeout=120, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert int(ran.stdout) > 10_000


def test_base_types_without_end_are_refused():
    def kinds(number):
        return "".join(f'<EntityType Name="T{n}" BaseType="N.T{n + 1}"/>' for n in range(number))

    assert len(parse(edmx(kinds(15)), "orders").entity_types) == 15
    with pytest.raises(ContractBrokenError, match=r"N\.T0 has more than 16 base types"):
        parse(edmx(kinds(2000)), "orders")


def test_types_that_are_each_other_s_base_are_read():
    circle = (
        '<EntityType Name="A" BaseType="N.B"><Property Name="P"/></EntityType><EntityType Name="B" BaseType="N.A"/>'
    )
    types = parse(edmx(circle), "orders").entity_types
    assert {name: list(kind.properties) for name, kind in types.items()} == {"N.A": ["P"], "N.B": []}


@given(
    st.recursive(
        st.just(""),
        lambda inner: st.builds(
            "<{0} Name='{1}' Type='{2}'>{3}{4}</{0}>".format,
            st.sampled_from(
                ["EntityType", "Property", "EnumType", "Member", "Key", "PropertyRef", "EntitySet", "Schema", "x"]
            ),
            st.sampled_from(["A", "B", ""]),
            st.sampled_from(["Edm.String", "N.A", "Collection(N.B)", ""]),
            inner,
            inner,
        ),
    )
)
def test_elements_in_any_place_never_end_in_anything_but_values_or_a_sentence(inner):
    said = "orders: $metadata "
    try:
        assert isinstance(parse(edmx(inner), "orders"), Metadata)
    except ContractBrokenError as error:
        said = str(error)
    assert said.startswith("orders: $metadata ")


@pytest.mark.parametrize(
    "name",
    ["", "No eq 1 or Company", "a'b", 'a"b', "a(b", "a,b", "a/b", "a&#10;b", "a&#x202e;b", "../a", "a%20b", "N" * 129],
)
@pytest.mark.parametrize("kind", ["Property", "NavigationProperty"])
def test_a_property_whose_name_would_be_more_than_a_name_in_a_condition_is_refused(name, kind):
    escaped = name.replace('"', "&quot;")
    with pytest.raises(ContractBrokenError, match="is no name of a property"):
        parse(edmx(f'<EntityType Name="A"><{kind} Name="{escaped}" Type="Edm.String"/></EntityType>'), "orders")


@pytest.mark.parametrize("name", ["OrderNo", "Cf$_Größe", "_a", "b.c", "d-e", "順序"])
def test_names_of_custom_fields_and_of_other_languages_are_names(name):
    parsed = parse(edmx(f'<EntityType Name="A"><Property Name="{name}"/></EntityType>'), "orders")
    assert list(parsed.entity_types["N.A"].properties) == [name]


def test_a_precision_or_scale_without_end_counts_as_none():
    declared = f'<Property Name="P" Type="Edm.Decimal" Precision="{"9" * 5000}" Scale="999999999"/>'
    prop = parse(edmx(f'<EntityType Name="A">{declared}</EntityType>'), "orders").entity_types["N.A"].properties["P"]
    assert (prop.precision, prop.scale) == (None, None)


@given(st.binary(max_size=200), st.integers(0, 300))
def test_any_damage_ends_in_values_or_in_a_sentence(noise, place):
    document = edmx('<EntityType Name="A"><Property Name="P"/></EntityType>')
    said = "orders: $metadata "
    try:
        parse(document[:place] + noise + document[place:], "orders")
    except ContractBrokenError as error:
        said = str(error)
    assert said.startswith("orders: $metadata ")


def test_enums_and_collections_are_known():
    metadata = parse(
        edmx(
            '<EntityType Name="A"><Property Name="P" Type="N.E"/><NavigationProperty Name="XArray" Type="Collection(N.A)"/>'
            '</EntityType><ComplexType Name="C"><Property Name="No"/></ComplexType>'
            '<EnumType Name="E"><Member Name="One"/><Member Name="Two"/></EnumType>'
        ),
        "orders",
    )
    assert metadata.enums == {"N.E": ("One", "Two")}
    kind = metadata.entity_types["N.A"]
    assert (kind.properties["P"].is_enum, list(kind.properties), kind.collections, kind.references) == (
        True,
        ["P"],
        {"XArray": "N.A"},
        {},
    )
