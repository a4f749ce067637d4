"""``$metadata``, the service document and the catalogue of projections."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from ifs_bi_sandbox.data.model import EntitySet, Projection, Property, Reference
from ifs_bi_sandbox.ifs.catalogue import Catalogue

if TYPE_CHECKING:
    from conftest import Tenant

SERVICE = "PurchaseOrderHandling.svc"
ENTITY = "int/ifsapplications/entity/v1"
EDM = "{http://docs.oasis-open.org/odata/ns/edm}"


def schema(tenant: Tenant) -> ET.Element:
    root = ET.fromstring(tenant.get(f"{SERVICE}/$metadata").content)
    assert root.tag == "{http://docs.oasis-open.org/odata/ns/edmx}Edmx"
    found = root.find(f".//{EDM}Schema")
    assert found is not None
    return found


def attributes(parent: ET.Element, tag: str) -> dict[str, dict[str, str]]:
    return {child.attrib["Name"]: dict(child.attrib) for child in parent.findall(f"{EDM}{tag}")}


def entity_type(tenant: Tenant, name: str) -> ET.Element:
    found = schema(tenant).find(f"{EDM}EntityType[@Name='{name}']")
    assert found is not None
    return found


def test_the_namespace_is_the_projections(tenant: Tenant) -> None:
    assert schema(tenant).attrib["Namespace"] == "IfsApp.PurchaseOrderHandling"


def test_every_number_is_a_decimal_and_facets_stand_only_where_the_facts_show_them(tenant: Tenant) -> None:
    properties = attributes(entity_type(tenant, "PurchaseOrder"), "Property")
    assert properties["TotalAmount"] == {
        "Name": "TotalAmount",
        "Type": "Edm.Decimal",
        "Precision": "20",
        "Scale": "2",
    }
    assert properties["Cost"] == {"Name": "Cost", "Type": "Edm.Decimal"}
    assert properties["NoteId"] == {"Name": "NoteId", "Type": "Edm.Decimal", "Scale": "0"}


def test_properties_have_their_types_and_facets(tenant: Tenant) -> None:
    properties = attributes(entity_type(tenant, "PurchaseOrder"), "Property")
    assert properties["OrderNo"] == {
        "Name": "OrderNo",
        "Type": "Edm.String",
        "Nullable": "false",
        "MaxLength": "12",
    }
    assert properties["OrderDate"]["Type"] == "Edm.Date"
    assert properties["ChangedDate"]["Type"] == "Edm.DateTimeOffset"
    assert properties["Confirmed"]["Type"] == "Edm.Boolean"
    assert properties["OrderKind"]["Type"] == "IfsApp.PurchaseOrderHandling.OrderKind"
    assert properties["Objstate"]["Type"] == "IfsApp.PurchaseOrderHandling.PurchaseOrderState"
    assert list(properties)[:4] == ["luname", "keyref", "Objstate", "Objgrants"]
    assert "Objstate" not in attributes(entity_type(tenant, "PurchaseOrderLine"), "Property")


def test_keys_enums_navigation_and_sets_are_declared(tenant: Tenant) -> None:
    line_key = entity_type(tenant, "PurchaseOrderLine").find(f"{EDM}Key")
    assert line_key is not None
    assert list(attributes(line_key, "PropertyRef")) == ["OrderNo", "LineItemNo"]
    enums = schema(tenant).findall(f"{EDM}EnumType")
    assert {enum.attrib["Name"]: list(attributes(enum, "Member")) for enum in enums} == {
        "PurchaseOrderState": ["Planned", "Released", "Closed"],
        "OrderKind": ["Normal", "Rush"],
    }
    navigation = attributes(entity_type(tenant, "PurchaseOrder"), "NavigationProperty")
    assert navigation["VendorNoRef"]["Type"] == "IfsApp.PurchaseOrderHandling.Reference_Supplier"
    assert navigation["LinesArray"]["Type"] == "Collection(IfsApp.PurchaseOrderHandling.PurchaseOrderLine)"
    container = schema(tenant).find(f"{EDM}EntityContainer")
    assert container is not None
    assert attributes(container, "EntitySet")["PurchaseOrderSet"]["EntityType"] == (
        "IfsApp.PurchaseOrderHandling.PurchaseOrder"
    )


def test_metadata_has_an_etag_and_is_not_sent_again(tenant: Tenant) -> None:
    first = tenant.get(f"{SERVICE}/$metadata")
    assert first.headers["Content-Type"] == "application/xml"
    second = tenant.get(f"{SERVICE}/$metadata", If_None_Match=first.headers["ETag"])
    assert (second.status_code, second.content) == (304, b"")
    other = tenant.get("LedgerItemEntity.svc/$metadata", ENTITY)
    assert other.headers["ETag"] != first.headers["ETag"]


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_service_document_has_no_kind(tenant: Tenant, slash: str) -> None:
    assert tenant.get(SERVICE + slash).json() == {
        "@odata.context": tenant.address(f"{SERVICE}/$metadata"),
        "value": [
            {"name": "PurchaseOrderSet", "url": "PurchaseOrderSet"},
            {"name": "PurchaseOrderLines", "url": "PurchaseOrderLines"},
            {"name": "Reference_Supplier", "url": "Reference_Supplier"},
        ],
    }


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["PurchaseOrderHandling", "LedgerItemEntity"]),
        ("$filter=contains(Name,'Order')", ["PurchaseOrderHandling"]),
        ("$filter=Categories eq 'StandardEntity'", ["LedgerItemEntity"]),
        ("$filter=Categories eq 'Premium'", []),
        ("$orderby=Name&$top=1", ["LedgerItemEntity"]),
        ("$orderby=Name&$top=5&$skip=1", ["PurchaseOrderHandling"]),
        ("$select=Name", ["PurchaseOrderHandling", "LedgerItemEntity"]),
    ],
)
def test_the_catalogue_lists_projections(tenant: Tenant, query: str, names: list[str]) -> None:
    rows = tenant.get(f"AllProjections.svc/Projections?{query}").json()["value"]
    assert sorted(row["Name"] for row in rows) == sorted(names)


def test_the_catalogue_leaves_out_what_the_tenant_does_not_have(tenant: Tenant) -> None:
    tenant.world.switches.missing_projections = ["PurchaseOrderHandling"]
    assert tenant.get("AllProjections.svc/Projections/$count").text == "1"


def test_the_rest_of_a_service_is_not_implemented(tenant: Tenant) -> None:
    assert tenant.get(f"{SERVICE}/$openapi?V3").status_code == 501
    assert tenant.send("POST", f"{SERVICE}/$batch").status_code == 501


def test_navigation_never_leaves_its_service() -> None:
    away = (Reference("XRef", "XSet", (("Id", "Id"),)),)
    here = EntitySet("P", "ASet", "A", "a", ("Id",), (Property("Id"),), "A", away)
    there = EntitySet("Q", "XSet", "X", "x", ("Id",), (Property("Id"),), "X")
    catalogue = Catalogue([Projection("P", "Standard", "", (here,)), Projection("Q", "Standard", "", (there,))])
    service = catalogue.find("main", "projection", "P")
    assert service is not None
    assert service.layouts["ASet"].references == {}
    assert b"XRef" not in service.metadata


def test_facts_that_do_not_fit_together_are_told_at_the_start() -> None:
    bad_key = EntitySet("P", "ASet", "A", "a", ("Id",), (Property("Name"),), "A")
    with pytest.raises(ValueError, match=r"P\.ASet names Id"):
        Catalogue([Projection("P", "Standard", "", (bad_key,))])
    bad_reference = EntitySet(
        "P", "ASet", "A", "a", ("Id",), (Property("Id"),), "A", (Reference("XRef", "XSet", (("Id", "Id"),)),)
    )
    with pytest.raises(ValueError, match=r"P\.ASet\.XRef: no set XSet"):
        Catalogue([Projection("P", "Standard", "", (bad_reference,))])
    bad_enum = EntitySet("P", "ASet", "A", "a", ("Id",), (Property("Id", "Enum", enum="E"),), "A")
    with pytest.raises(ValueError, match=r"P\.ASet names E"):
        Catalogue([Projection("P", "Standard", "", (bad_enum,))])
    with pytest.raises(ValueError, match="Two projections"):
        Catalogue([Projection("P", "Standard", ""), Projection("P", "Premium", "")])
