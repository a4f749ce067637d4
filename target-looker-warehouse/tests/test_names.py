import pytest
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.errors import ContractBrokenError
from target_looker_warehouse.names import folded, names_for, suffixed

names = st.lists(st.text("aAbBéÉ \0", max_size=3), unique=True, max_size=8)


def test_names_are_kept_as_they_are():
    spellings = ["OrderNo", "select", "a b", 'say "no"', "été", "_sdc_deleted_at", "1st", "x" * 300]
    assert names_for(spellings, []) == {name: name for name in spellings}


def test_of_names_that_differ_in_case_alone_the_first_keeps_its_spelling():
    assert names_for(["OrderNo", "ORDERNO", "orderno"], []) == {
        "OrderNo": "OrderNo",
        "ORDERNO": "ORDERNO_206b5913",
        "orderno": "orderno_3e7f9d00",
    }


def test_letters_beyond_ascii_have_no_case_for_duckdb():
    assert names_for(["é", "É"], []) == {"é": "é", "É": "É"}


def test_a_name_that_no_warehouse_can_hold_gets_one():
    assert names_for(["", "a\0b"], []) == {"": suffixed(""), "a\0b": suffixed("a\0b")}
    assert suffixed("a\0b").startswith("a_b_")


@given(names, names)
def test_names_are_told_apart_and_mean_the_same_in_the_next_run_whatever_its_order(first, second):
    chosen = names_for(first, [])
    assert len({folded(name) for name in chosen.values()}) == len(first)
    later = names_for([*second, *(name for name in first if name not in second)], list(chosen.values()))
    assert {name: later[name] for name in first} == chosen


def test_two_names_that_mean_one_column_of_the_table_are_refused():
    with pytest.raises(ContractBrokenError, match="can't be told apart"):
        names_for(["A", suffixed("A")], ["a", suffixed("A")])
