"""$metadata as values, and the schema that follows from it."""

from decimal import Decimal

import pytest
from ifs_bi_core.errors import ContractBrokenError
from tap_ifs_cloud.metadata import parse
from tap_ifs_cloud.schema import expanded_properties, json_schema, stream_properties

EDMX = b"""<?xml version="1.0" encoding="UTF-8"?>
<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>
<Schema xmlns="http://docs.oasis-open.org/odata/ns/edm" Namespace="IfsApp.OrderHandling">
  <EnumType Name="OrderState"><Member Name="Planned"/><Member Name="Released"/></EnumType>
  <EntityType Name="Thing"><Key><PropertyRef Name="Id"/></Key>
    <Property Name="Id" Type="Edm.String" Nullable="false"/></EntityType>
  <EntityType Name="Order" BaseType="IfsApp.OrderHandling.Thing">
    <Property Name="luname" Type="Edm.String"/>
    <Property Name="Objstate" Type="IfsApp.OrderHandling.OrderState"/>
    <Property Name="Lines" Type="Edm.Decimal" Precision="10" Scale="0"/>
    <Property Name="Big" Type="Edm.Decimal" Precision="30" Scale="0"/>
    <Property Name="Amount" Type="Edm.Decimal" Precision="15" Scale="2"/>
    <Property Name="Cost" Type="Edm.Decimal"/>
    <Property Name="Rate" Type="Edm.Decimal" Scale="variable"/>
    <Property Name="Day" Type="Edm.Date"/>
    <Property Name="Moment" Type="Edm.DateTimeOffset"/>
    <Property Name="Done" Type="Edm.Boolean"/>
    <Property Name="Blob" Type="Edm.Stream"/>
    <Property Name="Tags" Type="Collection(Edm.String)"/>
    <Property Name="Place" Type="IfsApp.OrderHandling.Address"/>
    <NavigationProperty Name="ThingRef" Type="IfsApp.OrderHandling.Thing"/>
    <NavigationProperty Name="LinesArray" Type="Collection(IfsApp.OrderHandling.Thing)"/>
  </EntityType>
  <EntityContainer Name="c"><EntitySet Name="OrderSet" EntityType="IfsApp.OrderHandling.Order"/></EntityContainer>
</Schema></edmx:DataServices></edmx:Edmx>"""


def order():
    return parse(EDMX, "test").entity_sets["OrderSet"]


def test_keys_and_properties_are_inherited():
    assert order().key == ("Id",)
    assert order().properties["Id"].nullable is False


def test_only_single_references_can_be_expanded():
    metadata = parse(EDMX, "test")
    assert list(expanded_properties(order(), metadata, ["ThingRef"], "x")["ThingRef"]) == ["Id"]
    with pytest.raises(ContractBrokenError, match="x has no reference LinesArray to expand; it has ThingRef"):
        expanded_properties(order(), metadata, ["LinesArray"], "x")


def test_every_type_has_its_place_in_the_schema():
    properties = stream_properties(order(), select=[], key=["Id"], where="x")
    schema = json_schema(properties, key=["Id"], has_etag=True, expanded={})["properties"]
    assert schema == {
        "Id": {"type": ["string"]},
        "Objstate": {"type": ["string", "null"]},
        "Lines": {"type": ["integer", "null"]},
        "Big": {"type": ["number", "null"], "multipleOf": 1, "precision": 30, "scale": 0},
        "Amount": {"type": ["number", "null"], "multipleOf": Decimal("0.01"), "precision": 15, "scale": 2},
        "Cost": {"type": ["number", "null"]},
        "Rate": {"type": ["number", "null"]},
        "Day": {"type": ["string", "null"], "format": "date"},
        "Moment": {"type": ["string", "null"], "format": "date-time"},
        "Done": {"type": ["boolean", "null"]},
        "Tags": {"type": ["array", "null"]},
        "Place": {"type": ["object", "null"]},
        "_ifs_row_version": {"type": ["string", "null"], "format": "date-time"},
        "_ifs_etag": {"type": ["string", "null"]},
        "_sdc_deleted_at": {"type": ["string", "null"], "format": "date-time"},
    }


def test_select_chooses_and_the_key_always_comes_along():
    assert list(stream_properties(order(), select=["Amount", "luname"], key=["Id"], where="x")) == [
        "Id",
        "luname",
        "Amount",
    ]


def test_a_property_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(ContractBrokenError, match=r"x has no property Nope\. It has Id, luname"):
        stream_properties(order(), select=["Nope"], key=["Id"], where="x")


BOMB = b'<!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><x>&b;</x>'
OUTSIDE = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>'


@pytest.mark.parametrize("document", [b"", b"<html><body>Sign in</body>", b"<html/>", b"{}", BOMB, OUTSIDE, b"\xff"])
def test_anything_else_is_refused_with_a_sentence(document):
    with pytest.raises(ContractBrokenError, match=r"orders: \$metadata"):
        parse(document, "orders")
