"""Operations as text, and what fits an entity set."""

import json
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.errors import ConfigError, RowRejectedError
from ifs_bi_core.singer.lines import decode, encode
from tap_ifs_cloud.entities import BUILT_IN, Entity
from tap_ifs_cloud.metadata import Property
from tap_ifs_cloud.write_back.operations import SCHEMA, Given, Kind, Operation, operation_of
from tap_ifs_cloud.write_back.operations import given as operation_in
from tap_ifs_cloud.write_back.resources import Resource, entity_named
from tap_ifs_cloud.write_back.task import Task

ORDERS = Resource(
    name="purchase_orders",
    url="https://a/P.svc/OrderSet",
    entity_type="IfsApp.P.Order",
    key=(Property("OrderNo", "Edm.String"), Property("LineNo", "Edm.Decimal")),
    properties={
        prop.name: prop
        for prop in (
            Property("OrderNo", "Edm.String"),
            Property("LineNo", "Edm.Decimal"),
            Property("Amount", "Edm.Decimal"),
            Property("Count", "Edm.Int32"),
            Property("Note", "Edm.String"),
            Property("Done", "Edm.Boolean"),
            Property("Day", "Edm.Date"),
            Property("At", "Edm.DateTimeOffset"),
            Property("State", "IfsApp.P.State", is_enum=True),
            Property("Tags", "Edm.String", is_collection=True),
        )
    },
)

numbers = st.decimals(allow_nan=False, allow_infinity=False, places=9) | st.integers(-(2**62), 2**62)
scalars = st.none() | st.booleans() | st.text() | numbers
members = st.dictionaries(st.text(min_size=1), scalars, min_size=1)
keys = st.dictionaries(st.text("abc", min_size=1), st.text(), min_size=1)


@st.composite
def operations(draw):
    kind = draw(st.sampled_from(Kind))
    values = draw(st.dictionaries(st.text("xyz", min_size=1), scalars, min_size=kind is not Kind.ACTION))
    return Operation(
        kind=kind,
        entity=draw(st.text(min_size=1)),
        key={} if kind is Kind.CREATE else draw(keys),
        values={} if kind is Kind.DELETE else values,
        action=draw(st.text(min_size=1)) if kind is Kind.ACTION else None,
        version=None if kind is Kind.CREATE else draw(st.none() | st.text(min_size=1)),
        id=draw(st.none() | st.text(min_size=1, max_size=200)),
    )


@given(operations())
def test_an_operation_survives_its_line_with_every_digit(operation):
    line = Given(operation, {"dead_letter": {"id": "x", "row": 1}}).line(operation)
    found = operation_in(line + b"\n", 1)
    assert found.operation == operation
    assert found.message["dead_letter"] == {"id": "x", "row": 1}
    assert operation_in(encode(operation.record()), 1).operation == operation


@pytest.mark.parametrize("line", [b"\n", b"  ", SCHEMA, b'{"type":"STATE","value":{}}'])
def test_what_is_no_operation_and_no_flaw_is_passed_over(line):
    assert operation_in(line, 1) is None


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ([], "no JSON object"),
        ({"entity": "e", "key": {"A": "1"}}, "has to have one of set, create, delete, action, and has none"),
        ({"entity": "e", "key": {"A": "1"}, "set": {"B": 1}, "delete": True}, "and has set and delete"),
        ({"key": {"A": "1"}, "delete": True}, "it has no entity"),
        ({"entity": "e", "key": {"A": "1"}, "set": {}}, "set is empty"),
        ({"entity": "e", "set": {"B": 1}}, "key has to be a JSON object"),
        ({"entity": "e", "key": {"A": None}, "delete": True}, "A of its key is null"),
        ({"entity": "e", "key": {"A": "1"}, "set": {"A": "2"}}, "it sets A, which is of the key"),
        ({"entity": "e", "key": {"A": "1"}, "set": {"B": [1]}}, "B in set is no text"),
        ({"entity": "e", "key": {"A": "1"}, "delete": "yes"}, "delete has to be true"),
        ({"entity": "e", "key": {"A": "1"}, "create": {"B": 1}}, "an operation with `create` has no key"),
        ({"entity": "e", "key": {"A": "1"}, "action": ""}, "action has to be a text"),
        ({"entity": "e", "key": {"A": "1"}, "action": "Go", "parameters": [1]}, "parameters is no JSON object"),
        ({"entity": "e", "key": {"A": "1"}, "delete": True, "id": "x" * 201}, "more than 200 characters"),
        ({"entity": "e", "key": {"A": "1"}, "delete": True, "colour": 1}, "has no colour"),
    ],
)
def test_a_flaw_is_told_with_its_line(said, reason):
    with pytest.raises(ConfigError) as caught:
        operation_in(json.dumps(said).encode(), 17)
    assert "Line 17 of the input" in str(caught.value)
    assert reason in str(caught.value)


@given(st.binary(max_size=60))
def test_no_line_breaks_more_than_itself(line):
    with suppress(ConfigError):
        operation_in(line, 1)


@given(st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8))
def test_no_object_breaks_more_than_itself(said):
    with suppress(TypeError, ValueError):
        operation_of(decode(encode({"entity": "e", "key": said, "set": said})))


def test_an_entity_is_named_by_its_stream_or_by_its_place():
    known = {entity.name: entity for entity in BUILT_IN}
    assert entity_named("gl_accounts", known).projection == "AccountEntity"
    assert entity_named("A.svc/B", known) == Entity("A.svc/B", "A", "B")
    named = entity_named("int/entity/AccountEntity/AccountSet", known)
    assert (named.endpoint, named.service, named.projection) == ("int", "entity", "AccountEntity")
    for wrong in ("nothing", "A/", "a/b/c", "a/b/c/d/e"):
        with pytest.raises(ConfigError, match="There is no entity"):
            entity_named(wrong, known)


def test_a_record_is_named_by_its_whole_key():
    url = ORDERS.record_url({"LineNo": "1.0", "OrderNo": "a'/b %*ä"})
    assert url == "https://a/P.svc/OrderSet(OrderNo=%27a%27%27%2Fb%20%25%2A%C3%A4%27,LineNo=1.0)"
    for key in ({"OrderNo": "1"}, {"OrderNo": "1", "LineNo": 1, "Note": "x"}, {"OrderNo": "1", "LineNo": "one"}):
        with pytest.raises(RowRejectedError):
            ORDERS.record_url(key)


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_numbers_are_written_with_every_digit_in_both_forms(number):
    values = ORDERS.checked({"Amount": str(number)})
    exact = json.loads(ORDERS.body(values, exact=True))["Amount"]
    plain = json.loads(ORDERS.body(values, exact=False), parse_float=Decimal, parse_int=Decimal)["Amount"]
    assert isinstance(exact, str)
    assert Decimal(exact) == plain == number
    assert ORDERS.differing(values, {"Amount": exact}) == []
    assert ORDERS.differing(values, {"Amount": plain}) == []


@pytest.mark.parametrize(
    ("name", "value", "held"),
    [
        ("Note", "", None),
        ("Note", None, ""),
        ("Note", None, None),
        ("Amount", 5, "5.00"),
        ("At", "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00Z"),
        ("Done", "true", True),
        ("Day", "2026-01-01", "2026-01-01"),
        ("State", "Released", "Released"),
    ],
)
def test_what_ifs_cloud_keeps_is_recognised(name, value, held):
    assert ORDERS.differing(ORDERS.checked({name: value}), {name: held}) == []


@pytest.mark.parametrize(
    ("name", "value", "held"),
    [
        ("Note", "", "x"),
        ("Note", "x", None),
        ("Amount", 0, None),
        ("Done", False, None),
        ("Done", False, True),
        ("Amount", "0.1", "0.10000000000000000001"),
        ("State", "Released", "Planned"),
        ("Day", "2026-01-01", 20260101),
    ],
)
def test_what_differs_is_told(name, value, held):
    values = ORDERS.checked({name: value})
    assert ORDERS.differing(values, {name: held}) == [name]
    assert ORDERS.differing(values, {}) == [name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Amount", "1_000"),
        ("Amount", "NaN"),
        ("Amount", True),
        ("Count", "1.5"),
        ("Done", "TRUE"),
        ("Done", 1),
        ("Day", "2026-02-30"),
        ("At", "2026-01-01T00:00:00"),
        ("At", "noonZ"),
        ("Note", 5),
        ("State", 5),
        ("Tags", "x"),
        ("Other", "x"),
    ],
)
def test_a_value_of_another_type_is_refused_without_repeating_it(name, value):
    with pytest.raises(RowRejectedError) as caught:
        ORDERS.checked({name: value})
    assert repr(value) not in str(caught.value)


def test_a_request_is_what_its_operation_says():
    key = {"OrderNo": "1", "LineNo": 2}

    def request(**said):
        return Task.of(operation_of({"entity": "purchase_orders", **said}), ORDERS).request("W/1", exact=True)

    update = request(key=key, set={"Amount": Decimal("1.10"), "Count": 3})
    assert (update.method, update.headers["If-Match"], update.safe_twice) == ("PATCH", "W/1", False)
    assert update.headers["Content-Type"].endswith("IEEE754Compatible=true")
    assert json.loads(update.body) == {"Amount": "1.10", "Count": 3}
    delete = request(key=key, delete=True)
    assert (delete.method, delete.body, "Content-Type" in delete.headers) == ("DELETE", None, False)
    action = request(key=key, action="Release", parameters={"Sum": Decimal("1.10")})
    assert action.url.endswith("(OrderNo=%271%27,LineNo=2)/IfsApp.P.Order_Release")
    assert (action.method, action.body) == ("POST", b'{"Sum":1.10}')
    assert "IEEE754" not in action.headers["Content-Type"]


def test_a_create_can_be_looked_up_where_its_key_is_whole():
    def task(**values):
        return Task.of(Operation(Kind.CREATE, "purchase_orders", values=values), ORDERS)

    assert task(OrderNo="1", LineNo=2, Note="x").has_key
    assert not task(OrderNo="1", Note="x").has_key
    assert not task(OrderNo="1", LineNo=None).has_key


def test_a_version_is_a_timestamp():
    operation = Operation(Kind.DELETE, "purchase_orders", {"OrderNo": "1", "LineNo": 1}, version="yesterday")
    with pytest.raises(RowRejectedError, match="no timestamp"):
        Task.of(operation, ORDERS)
