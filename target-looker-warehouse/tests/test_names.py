import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.errors import ContractBrokenError
from target_looker_warehouse.dialects.duckdb import DUCKDB
from target_looker_warehouse.dialects.postgresql import POSTGRESQL
from target_looker_warehouse.names import later_columns, names_for, suffixed

SHORT = replace(DUCKDB, name_bytes=11)
names = st.lists(st.text("aAbBéÉ \0", max_size=3), unique=True, max_size=8)


def test_names_are_kept_as_they_are():
    spellings = ["OrderNo", "select", "a b", 'say "no"', "été", "_sdc_deleted_at", "1st", "x" * 300]
    assert names_for(spellings, [], DUCKDB) == {name: name for name in spellings}


def test_of_names_that_differ_in_case_alone_the_first_keeps_its_spelling():
    assert names_for(["OrderNo", "ORDERNO", "orderno"], [], DUCKDB) == {
        "OrderNo": "OrderNo",
        "ORDERNO": "ORDERNO_206b5913",
        "orderno": "orderno_3e7f9d00",
    }


def test_letters_beyond_ascii_have_no_case_for_duckdb():
    assert names_for(["é", "É"], [], DUCKDB) == {"é": "é", "É": "É"}


def test_a_name_that_no_warehouse_can_hold_gets_one():
    for dialect in (DUCKDB, POSTGRESQL):
        assert names_for(["", "a\0b"], [], dialect) == {"": suffixed("", dialect), "a\0b": suffixed("a\0b", dialect)}
        assert suffixed("a\0b", dialect).startswith("a_b_")


@given(names, names, st.sampled_from([DUCKDB, POSTGRESQL, SHORT]))
def test_names_are_told_apart_and_mean_the_same_in_the_next_run_whatever_its_order(first, second, dialect):
    chosen = names_for(first, [], dialect, system=dialect.system_columns)
    assert len({dialect.folded(name) for name in chosen.values()}) == len(first)
    assert all(dialect.holds(name) for name in chosen.values())
    later = names_for([*second, *(name for name in first if name not in second)], list(chosen.values()), dialect)
    assert {name: later[name] for name in first} == chosen


def test_two_names_that_mean_one_column_of_the_table_are_refused():
    with pytest.raises(ContractBrokenError, match="can't be told apart"):
        names_for(["A", suffixed("A", DUCKDB)], ["a", suffixed("A", DUCKDB)], DUCKDB)


def test_names_that_differ_in_case_alone_are_two_names_for_postgresql():
    assert names_for(["OrderNo", "ORDERNO"], [], POSTGRESQL) == {"OrderNo": "OrderNo", "ORDERNO": "ORDERNO"}


@pytest.mark.parametrize(
    ("name", "kept"), [("x" * 63, 63), ("x" * 64, 54), ("é" * 31, 31), ("é" * 32, 27), ("a" + "€" * 30, 18)]
)
def test_a_name_that_is_too_long_for_postgresql_is_cut_between_letters_and_told_apart(name, kept):
    [chosen] = names_for([name], [], POSTGRESQL).values()
    assert len(chosen.encode()) <= 63
    assert chosen == (name if kept == len(name) else name[:kept] + chosen[-9:])
    assert names_for([name + "1", name + "2"], [], POSTGRESQL).values() != {chosen}


def test_a_column_is_not_named_as_the_system_names_its_own():
    assert names_for(["xmin"], [], POSTGRESQL, system=POSTGRESQL.system_columns) == {
        "xmin": suffixed("xmin", POSTGRESQL)
    }


UPPER, LOWERED = (replace(POSTGRESQL, identifier_case=case) for case in ("upper", "lower"))
PLAIN = replace(DUCKDB, name_pattern=re.compile("[A-Za-z_][A-Za-z0-9_]*"))


def test_names_are_spelled_in_the_case_that_is_asked_for_and_letters_beyond_ascii_stay():
    assert names_for(["OrderNo", "été"], [], UPPER) == {"OrderNo": "ORDERNO", "été": "éTé"}
    assert names_for(["OrderNo"], [], LOWERED) == {"OrderNo": "orderno"}


def test_names_that_are_one_in_the_case_that_is_asked_for_are_told_apart_in_any_order():
    chosen = names_for(["OrderNo", "ORDERNO"], [], UPPER)
    assert chosen == {"OrderNo": "ORDERNO", "ORDERNO": "ORDERNO_206B5913"}
    assert names_for(["ORDERNO", "OrderNo"], list(chosen.values()), UPPER) == chosen


@given(names, st.sampled_from([UPPER, LOWERED]), st.randoms())
def test_names_in_a_case_mean_the_same_in_the_next_run_whatever_its_order(sources, dialect, random):
    chosen = names_for(sources, [], dialect)
    assert len(set(chosen.values())) == len(sources)
    assert names_for(random.sample(sources, len(sources)), list(chosen.values()), dialect) == chosen


@pytest.mark.parametrize(
    ("name", "start"), [("Order no", "Order_no_"), ("1st", "_1st_"), ("", "_"), ("é", "__"), ("_ok", "_ok")]
)
def test_a_character_that_no_name_has_is_an_underscore(name, start):
    [chosen] = names_for([name], [], PLAIN).values()
    assert chosen.startswith(start)
    assert PLAIN.holds(chosen)
    assert (chosen == name) == (name == "_ok")


def test_the_columns_that_came_later_end_where_one_is_missing():
    assert later_columns("amount", {"amount", "amount_v2", "amount_v3", "amount_v5"}, DUCKDB) == [
        "amount_v2",
        "amount_v3",
    ]
    assert later_columns("amount", {"amount", "amount_v3"}, DUCKDB) == []
