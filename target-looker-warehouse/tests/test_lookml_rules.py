"""Each rule finds what it is there for."""

import copy

import pytest
from lookml_projects import PURCHASING, made, trees
from target_looker_warehouse.lookml.rules import broken

ORDERS = "views/_generated/purchase_orders.view.lkml"
LINES = "explores/_generated/purchase_order_lines.explore.lkml"


@pytest.fixture
def files():
    return {
        path: copy.deepcopy(tree)
        for path, tree in trees(made(*PURCHASING)).items()
        if "_generated" in path or "model" in path
    }


def dimension(files, name):
    [found] = [one for one in files[ORDERS]["views"][0]["dimensions"] if one["name"] == name]
    return found


def join(files, name):
    [found] = [one for one in files[LINES]["explores"][0]["joins"] if one["name"] == name]
    return found


def test_what_is_generated_keeps_every_rule(files):
    assert broken(files, []) == []


FAULTS = {
    "a text that ends too early": (lambda f: dimension(f, "company").update(sql="a ;; b"), "does not read back"),
    "a label with quotation marks": (lambda f: dimension(f, "company").update(label='a "b"'), "does not read back"),
    "a field twice": (lambda f: dimension(f, "company").update(name="vendor_no"), "has a field twice"),
    "a name in upper case": (lambda f: dimension(f, "company").update(name="Company"), "no name of LookML"),
    "a field that isn't there": (lambda f: dimension(f, "company").update(sql="${nowhere}"), "names nowhere"),
    "no description": (lambda f: dimension(f, "company").pop("description"), "no label or no description"),
    "no label": (lambda f: dimension(f, "company").pop("label"), "no label or no description"),
    "a label twice": (lambda f: dimension(f, "company").update(label="Supplier no."), "two fields with the label"),
    "two primary keys": (lambda f: dimension(f, "company").update(primary_key="yes"), "two primary keys"),
    "a join without a key": (lambda f: dimension(f, "order_no").pop("primary_key"), "has no primary key"),
    "types that differ": (lambda f: dimension(f, "order_no").update(type="number"), "compares"),
    "a join to no field": (lambda f: join(f, "suppliers").update(sql_on="${suppliers.x} = 1"), "names suppliers.x"),
    "a join to no view": (lambda f: join(f, "suppliers").update({"from": "vendors"}), "has no view vendors"),
    "a datagroup that isn't there": (lambda f: f[LINES]["explores"][0].update(persist_with="x"), "has no datagroup x"),
    "a set with no field": (lambda f: f[ORDERS]["views"][0]["sets"][0]["fields"].append("x"), "which is no field"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(files, fault):
    put_in, said = FAULTS[fault]
    put_in(files)
    assert said in " ".join(broken(files, []))


def test_a_tile_shows_fields_of_its_explore_alone(files):
    tile = {"title": "T", "explore": "suppliers", "fields": ["suppliers.name", "suppliers.nowhere"]}
    assert broken(files, [tile]) == ["Tile 'T' shows suppliers.nowhere, which is no field of its explore."]
