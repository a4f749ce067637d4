"""Rows that a table doesn't take, because somebody put a constraint on it: they alone are dead letters."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ifs_bi_core.errors import ExitCode
from ifs_bi_core.ledger import history
from singer_lines import INTEGER, STRING, record, schema

ORDERS = schema("orders", ["id"], id=INTEGER, x=STRING)
KEYLESS = schema("orders", [], id=INTEGER, x=STRING)
CONSTRAINTS = {
    "NOT NULL": (
        "id BIGINT, x VARCHAR NOT NULL",
        [None, None],
        r"(?i)violates not-null constraint|NOT NULL constraint failed",
    ),
    "UNIQUE": (
        "id BIGINT, x VARCHAR UNIQUE",
        ["taken", "taken"],
        "Duplicate key|duplicate key value violates unique constraint",
    ),
    "CHECK": (
        "id BIGINT, x VARCHAR CHECK (x <> 'bad')",
        ["bad", "bad"],
        "CHECK constraint failed|violates check constraint",
    ),
}


def constrained(box, columns: str) -> None:
    """A table that somebody else made, with a row in it."""
    box.run(f"CREATE TABLE orders ({columns}); INSERT INTO orders VALUES (0, 'taken')")


def keys(*ids: int) -> list[str]:
    return [f'{{"id":"{number}"}}' for number in ids]


@pytest.mark.parametrize("lines", [ORDERS, KEYLESS], ids=["with key", "without key"])
@pytest.mark.parametrize("load_method", ["upsert", "append-only"])
@pytest.mark.parametrize("name", CONSTRAINTS)
def test_a_constraint_refuses_single_rows_of_a_batch_and_the_others_arrive(box, name, load_method, lines):
    columns, (one, other), reason = CONSTRAINTS[name]
    constrained(box, columns)
    values = {1: "a", 2: one, 3: "b", 4: "c", 5: "d", 6: "e", 7: other, 8: "f"}
    rows = [record("orders", {"id": number, "x": value}) for number, value in values.items()]
    assert box.feed(lines, *rows, load_method=load_method) == ExitCode.DEAD_LETTERS
    assert {int(row["id"]) for row in box.rows("orders")} == {0, 1, 3, 4, 5, 6, 8}
    assert [key for key, _ in box.dead()] == (keys(2, 7) if lines is ORDERS else [None, None])
    assert all("table 'orders' does not take it: " in said for _, said in box.dead())
    assert all(re.search(reason, said) for _, said in box.dead())


def test_the_ledger_says_which_rows_of_the_batch_were_refused_and_why(box):
    constrained(box, CONSTRAINTS["CHECK"][0])
    box.feed(ORDERS, *(record("orders", {"id": n, "x": "bad" if n == 2 else "good"}) for n in (1, 2, 3)))
    with box.ledger() as ledger:
        [run] = history.runs(ledger)
        [batch] = history.show(ledger, run.run).batches
        balance = history.balance(ledger, run.run)
    assert batch.rows == {"acknowledged": 2, "refused": 1}
    assert (run.status, batch.pushes) == ("dead rows", 1)
    assert balance.holds
    assert (balance.streams[0].read, balance.streams[0].acknowledged, balance.streams[0].dead) == (3, 2, 1)


def test_a_refused_row_leaves_the_row_of_its_key_as_it_was(box):
    constrained(box, CONSTRAINTS["CHECK"][0])
    assert box.feed(ORDERS, record("orders", {"id": 0, "x": "bad"})) == ExitCode.DEAD_LETTERS
    assert box.rows("orders") == [{"id": "0", "x": "taken"}]
    assert [key for key, _ in box.dead()] == keys(0)


def test_an_update_of_a_row_that_a_unique_column_holds_is_no_duplicate(box):
    constrained(box, CONSTRAINTS["UNIQUE"][0])
    assert box.feed(ORDERS, record("orders", {"id": 0, "x": "taken"})) == ExitCode.DONE
    assert box.rows("orders") == [{"id": "0", "x": "taken"}]


def test_values_and_constraints_refuse_rows_of_one_batch_side_by_side(box):
    constrained(box, CONSTRAINTS["CHECK"][0])
    rows = [{"id": 1, "x": "a"}, {"id": 2**70, "x": "b"}, {"id": 3, "x": "bad"}, {"id": 4, "x": "c"}]
    box.feed(ORDERS, *(record("orders", row) for row in rows))
    assert {row["id"] for row in box.rows("orders")} == {"0", "1", "4"}
    reasons = dict(box.dead())
    assert set(reasons) == set(keys(2**70, 3))
    assert "is no integer of 64 bits" in reasons[keys(2**70)[0]]
    assert re.search(CONSTRAINTS["CHECK"][2], reasons[keys(3)[0]])


def test_a_dead_letter_is_delivered_when_the_constraint_is_gone_and_the_row_comes_again(box):
    constrained(box, CONSTRAINTS["CHECK"][0])
    lines = [ORDERS, record("orders", {"id": 1, "x": "bad"})]
    assert box.feed(*lines) == ExitCode.DEAD_LETTERS
    box.run("DROP TABLE orders")
    assert box.feed(*lines) == ExitCode.DONE
    assert box.rows("orders") == [{"id": "1", "x": "bad"}]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bad=st.sets(st.integers(0, 39)), batch_size_rows=st.integers(1, 50))
def test_exactly_the_refused_rows_are_dead_letters(new_box, bad, batch_size_rows):
    box = new_box()
    constrained(box, "id BIGINT, x VARCHAR CHECK (x <> 'bad')")
    rows = [record("orders", {"id": n + 1, "x": "bad" if n in bad else "good"}) for n in range(40)]
    box.feed(ORDERS, *rows, batch_size_rows=batch_size_rows)
    arrived = {int(row["id"]) - 1 for row in box.rows("orders")} - {-1}
    assert arrived == set(range(40)) - bad
    assert sorted(key or "" for key, _ in box.dead()) == sorted(keys(*(n + 1 for n in bad)))
