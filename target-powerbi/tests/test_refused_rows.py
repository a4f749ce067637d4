"""Rows that Power BI refuses although they look right: they alone are dead letters, and the kept rows know nothing of them."""

from __future__ import annotations

import contextlib
import io
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


def test_an_update_that_is_refused_in_the_rewrite_is_a_dead_letter_and_the_others_arrive(pipe):
    pipe.feed(pipe.schema(), pipe.order(1), pipe.order(2))
    narrowed(pipe)
    assert pipe.feed(pipe.schema(), pipe.order(1, HALF), pipe.order(2, 7), pipe.state(1)) == '{"bookmark":1}\n'
    assert pipe.code == ExitCode.DEAD_LETTERS
    assert pipe.amounts() == {"2": 7}
    [(key, reason)] = pipe.dead()
    assert "1" in str(key)
    assert "is not a whole number" in reason
    pipe.feed(pipe.schema(), pipe.order(1, 2), pipe.state(2))
    assert pipe.amounts() == {"1": 2, "2": 7}


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


EVERYTHING = {
    "OrderNo": {"type": "string"},
    "Amount": {"type": ["number", "null"], "multipleOf": 0.01, "scale": 2},
    "Rate": {"type": ["number", "null"]},
    "Count": {"type": ["integer", "null"]},
    "Ordered": {"type": ["string", "null"], "format": "date"},
    "Changed": {"type": ["string", "null"], "format": "date-time"},
    "Text": {"type": ["string", "null"]},
    "Open": {"type": ["boolean", "null"]},
}
GOOD = b'{"OrderNo":"%d","Amount":1}'


def fed(pipe, *rows: bytes, **changes) -> str:
    """Run the target over rows as they stand on the line, JSON or not; the second of them is bad in these tests."""
    lines = [pipe.lines(pipe.schema(properties=EVERYTHING))]
    lines += [b'{"type":"RECORD","stream":"orders","record":%s}\n' % row for row in rows]
    target = pipe.target(**changes)
    out = io.StringIO()
    with contextlib.redirect_stdout(out), target.account.closing(target.exit_code):
        target.listen(io.BytesIO(b"".join([*lines, pipe.lines(pipe.state(1))])))
    pipe.code = target.exit_code()
    target.close()
    return out.getvalue()


BAD = (
    (
        b'{"OrderNo":"2","Text":"%s"}' % (b"x" * 4001),
        "Text has 4,001 characters, and a string in Power BI holds 4,000",
    ),
    (b'{"OrderNo":"2","Amount":"many"}', "data.Amount must be number or null"),
    (b'{"OrderNo":"2","Open":1}', "data.Open must be boolean or null"),
    (b'{"Amount":2}', "its key OrderNo is missing or null"),
    (b'{"OrderNo":null,"Amount":2}', "its key OrderNo is missing or null"),
    (b'{"OrderNo":"2","Amount":NaN}', "it holds NaN, which is no number of JSON"),
    (b'{"OrderNo":"2","Rate":-Infinity}', "it holds -Infinity, which is no number of JSON"),
    (
        b'{"OrderNo":"2","Ordered":"1850-01-01"}',
        "Ordered is '1850-01-01', and the calendar of Power BI begins 1899-12-30",
    ),
    (b'{"OrderNo":"2","Changed":"10000-01-01T00:00:00Z"}', "which is no date or timestamp of ISO 8601"),
    (b'{"OrderNo":"2","Changed":"2026-11-20T12:00:00.1234567Z"}', "and Power BI keeps no more than milliseconds"),
    (b'{"OrderNo":"2","Text":{"a":[1]}}', "data.Text must be string or null"),
    (b'{"OrderNo":"2","Amount":{"a":1}}', "data.Amount must be number or null"),
    (
        b'{"OrderNo":"2","Count":9007199254740993}',
        "Count is 9007199254740993, beyond the integers that Power BI shows",
    ),
    (b'{"OrderNo":"2","Rate":0.12345678901234567890}', "which has more digits than a Double keeps"),
    (b'{"OrderNo":"2","Amount":123456789012345678901234567.89}', "and a Decimal in Power BI has 28 digits"),
)


@pytest.mark.parametrize("write_mode", ["mirror", "signed", "append"])
def test_every_kind_of_bad_row_is_a_dead_letter_with_its_sentence_and_good_rows_arrive(pipe, write_mode):
    rows = [part for number, (bad, _) in enumerate(BAD, 100) for part in (GOOD % number, bad)]
    assert fed(pipe, *rows, write_mode=write_mode) == '{"bookmark":1}\n'
    assert pipe.code == ExitCode.DEAD_LETTERS
    assert [shown["OrderNo"] for shown in pipe.rows()] == [str(number) for number in range(100, 100 + len(BAD))]
    reasons = [reason for _, reason in pipe.dead()]
    assert len(reasons) == len(BAD)
    for bad, sentence in BAD:
        assert any(sentence in reason for reason in reasons), bad


def test_a_value_that_no_column_is_named_for_is_left_out_and_said(pipe, caplog):
    fed(pipe, GOOD % 1, b'{"OrderNo":"2","Amount":1,"Colour":"red"}', GOOD % 3)
    assert pipe.code == ExitCode.DONE
    assert pipe.amounts() == {"1": 1, "2": 1, "3": 1}
    assert "rows have properties that the SCHEMA does not name, and that have no column: Colour." in caplog.text


def test_a_nested_value_of_a_property_of_any_kind_arrives_as_json(pipe):
    properties = {"OrderNo": {"type": "string"}, "Lines": {"type": ["array", "null"]}, "Any": {}}
    row = pipe.record({"OrderNo": "1", "Lines": [{"No": 1, "Net": HALF}], "Any": {"a": None}})
    pipe.feed(pipe.schema(properties=properties), row)
    assert pipe.rows() == [{"OrderNo": "1", "Lines": '[{"No":1,"Net":0.5}]', "Any": '{"a":null}'}]


@pytest.mark.parametrize(
    ("kind", "digits", "shown"),
    [
        ("String", "0.12345678901234567890", "0.12345678901234567890"),
        ("Double", "0.12345678901234567890", 0.12345678901234568),
        ("Decimal", "0.12345678901234567890", None),
        ("String", "123456789012345678901234567.89", "123456789012345678901234567.89"),
    ],
)
def test_a_number_beyond_its_column_arrives_as_the_setting_chooses(pipe, kind, digits, shown):
    tables = {"orders": {"columns": {"Rate": {"type": kind}}}}
    fed(pipe, GOOD % 1, b'{"OrderNo":"2","Rate":%s}' % digits.encode(), tables=tables)
    found = {row["OrderNo"]: row.get("Rate") for row in pipe.rows()}
    assert found == ({"1": None, "2": shown} if shown is not None else {"1": None})
    assert pipe.code == (ExitCode.DONE if shown is not None else ExitCode.DEAD_LETTERS)
