"""Rows that Power BI refuses although they look right: they alone are dead letters, and the kept rows know nothing of them."""

from __future__ import annotations

import contextlib
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ifs_bi_core.errors import ExitCode, IfsBiError, RowRejectedError
from target_powerbi.kept import Kept, Status

HALF = Decimal("0.5")
NOTES = {"Text": {"type": "string"}, "Amount": {"type": ["number", "null"], "multipleOf": 0.01, "scale": 2}}


def narrowed(pipe, table: str = "orders") -> None:
    """Somebody gave the column another type in the service: it takes whole numbers alone, and the target can't know."""
    pipe.dataset().tables[table].columns["Amount"] = "Int64"


def a_table(pipe) -> None:
    pipe.feed(pipe.schema(), pipe.order(1))
    narrowed(pipe)


def kept_orders(pipe) -> tuple[Status, set[str]]:
    """What the file of the kept rows says of the orders: the table's status, and the rows that it shows."""
    with contextlib.closing(Kept(pipe.kept_file())) as kept:
        return kept.status("orders"), {row.decode() for row in kept.rows("orders")}


def test_one_refused_row_of_a_batch_is_a_dead_letter_and_the_others_arrive(pipe):
    a_table(pipe)
    news = [pipe.order(number, HALF if number == 5 else number) for number in range(2, 10)]
    assert pipe.feed(pipe.schema(), *news, pipe.state(1)) == '{"bookmark":1}\n'
    assert pipe.code == ExitCode.DEAD_LETTERS
    assert pipe.amounts() == {str(number): number for number in (1, 2, 3, 4, 6, 7, 8, 9)}
    [(key, reason)] = pipe.dead()
    assert key == '{"OrderNo":"5"}'
    assert "Power BI answered 400 BadRequest" in reason
    assert "is not a whole number" in reason
    assert pipe.pushes()[-1].rows == {"acknowledged": 7, "refused": 1}


def test_the_kept_rows_agree_with_the_table_after_a_refusal_and_nothing_is_rewritten(pipe):
    a_table(pipe)
    pipe.feed(pipe.schema(), pipe.order(2), pipe.order(3, HALF), pipe.order(4))
    status, rows = kept_orders(pipe)
    assert status is Status.CLEAN
    assert len(rows) == 3
    assert not [row for row in rows if '"3"' in row]
    pipe.feed(pipe.schema(), pipe.order(2), pipe.order(4))
    assert not pipe.calls("POST", "/rows")
    assert not pipe.calls("DELETE")


def test_a_refused_row_is_delivered_when_it_comes_again_and_is_right(pipe):
    a_table(pipe)
    pipe.feed(pipe.schema(), pipe.order(2, HALF))
    pipe.feed(pipe.schema(), pipe.order(2, 7))
    assert pipe.code == ExitCode.DONE
    assert pipe.amounts() == {"1": 1, "2": 7}
    assert not pipe.calls("DELETE")


def test_a_refused_row_ends_the_run_where_that_is_wanted(pipe):
    a_table(pipe)
    with pytest.raises(RowRejectedError, match="is not a whole number"):
        pipe.feed(pipe.schema(), pipe.order(2), pipe.order(3, HALF), pipe.state(1), on_row_error="fail")
    assert pipe.out == ""
    assert pipe.dead() == []
    assert pipe.amounts() == {"1": 1}


def test_a_body_that_is_too_large_for_the_service_is_sent_in_halves(pipe):
    pipe.feed(pipe.schema(), pipe.order(1))
    pipe.fault("status", status=413, method="POST", path="*/rows")
    pipe.feed(pipe.schema(), *(pipe.order(number) for number in range(2, 6)))
    assert pipe.code == ExitCode.DONE
    assert len(pipe.calls("POST", "/rows")) == 3
    assert pipe.amounts() == {str(number): 1 for number in range(1, 6)}


@pytest.mark.parametrize("write_mode", ["mirror", "append"])
def test_a_refused_row_without_a_key_is_a_dead_letter_and_the_others_arrive_once(pipe, write_mode):
    schema = pipe.schema("notes", NOTES, ())
    pipe.feed(schema, pipe.record({"Text": "a", "Amount": 1}, "notes"), write_mode=write_mode)
    narrowed(pipe, "notes")
    news = [{"Text": text, "Amount": HALF if text == "d" else 1} for text in "bcdef"]
    said = pipe.feed(schema, *(pipe.record(row, "notes") for row in news), pipe.state(1), write_mode=write_mode)
    assert said == '{"bookmark":1}\n'
    assert [row["Text"] for row in pipe.rows("notes")] == list("abcef")
    [(key, reason)] = pipe.dead()
    assert key is None
    assert "is not a whole number" in reason
    pipe.feed(schema, pipe.record({"Text": "g"}, "notes"), write_mode=write_mode)
    assert [row["Text"] for row in pipe.rows("notes")] == list("abcefg")


def test_an_update_that_is_refused_in_the_rewrite_ends_the_run_and_is_tried_again(pipe):
    """A rewrite has no batch that could be halved: what is in its way has to be mended at the source."""
    a_table(pipe)
    with pytest.raises(RowRejectedError, match="is not a whole number"):
        pipe.feed(pipe.schema(), pipe.order(1, HALF), pipe.state(1))
    assert pipe.out == ""
    pipe.feed(pipe.schema(), pipe.order(1, 2), pipe.state(2))
    assert pipe.out == '{"bookmark":2}\n'
    assert pipe.amounts() == {"1": 2}


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bad=st.sets(st.integers(0, 19)), size=st.integers(1, 25))
def test_what_was_read_is_shown_or_dead(pipe, bad, size):
    pipe.world.powerbi.clear()
    pipe.config["dataset_name"] = f"Refusing {sorted(bad)} {size}"
    pipe.feed(pipe.schema())
    pipe.feed(pipe.schema(), pipe.order("x"))
    narrowed(pipe)
    before = len(pipe.dead())
    pipe.feed(pipe.schema(), *(pipe.order(n, HALF if n in bad else n) for n in range(20)), batch_size_rows=size)
    shown = pipe.amounts().keys() - {"x"}
    dead = [key for key, _ in pipe.dead()[before:]]
    assert shown == {str(n) for n in range(20)} - {str(n) for n in bad}
    assert sorted(dead) == sorted(f'{{"OrderNo":"{n}"}}' for n in bad)


@pytest.mark.parametrize("times", [1, 2, 3, 4, None])
def test_any_number_of_refusals_leaves_each_row_shown_or_dead_and_never_both(pipe, times):
    pipe.feed(pipe.schema(), pipe.order(1))
    pipe.fault("status", status=400, code="BadRequest", method="POST", path="*/rows", times=times)
    with contextlib.suppress(IfsBiError):
        pipe.feed(pipe.schema(), *(pipe.order(number) for number in range(2, 6)))
    pipe.world.faults.clear()
    dead = {f'{{"OrderNo":"{number}"}}' for number in range(1, 6)} & {key for key, _ in pipe.dead()}
    shown = {f'{{"OrderNo":"{number}"}}' for number in pipe.amounts()}
    assert not shown & dead
    assert shown | dead == {f'{{"OrderNo":"{number}"}}' for number in range(1, 6)}
