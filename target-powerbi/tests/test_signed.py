"""`signed`: append only, and the sums over `_sign` are the source."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.errors import ConfigError, ExitCode, IfsBiError
from target_powerbi.bodies import parts
from target_powerbi.changes import Row
from target_powerbi.signed import Change, cancelling, signed

if TYPE_CHECKING:
    pass

VERSIONED = {
    "OrderNo": {"type": "string"},
    "Amount": {"type": "integer"},
    "_ifs_row_version": {"type": "string", "format": "date-time"},
}
NOTES = {"Text": {"type": "string"}}


@pytest.fixture
def signing(pipe):
    pipe.config["write_mode"] = "signed"
    return pipe


# The rows


@given(st.dictionaries(st.text(min_size=1), st.integers() | st.text() | st.none(), min_size=1))
def test_a_row_and_what_takes_it_back_differ_in_their_sign_alone(row):
    sent = signed(msgspec.json.encode({name: value for name, value in row.items() if name != "_sign"} or {"a": None}))
    taken = cancelling(sent)
    assert msgspec.json.decode(sent)["_sign"] == 1
    assert msgspec.json.decode(taken)["_sign"] == -1
    assert sent.partition(b",")[2] == taken.partition(b",")[2]


CHANGES = st.lists(
    st.builds(
        lambda before, after: (before and Row(signed(before)), Row(after and signed(after))),
        st.none() | st.sampled_from([b'{"a":1}', b'{"b":"long enough to count"}']),
        st.none() | st.sampled_from([b'{"a":2}', b'{"c":"long enough to count too"}']),
    )
)


@given(CHANGES, st.integers(2, 5), st.integers(100, 500))
def test_what_belongs_to_one_key_is_in_one_part_and_nothing_is_lost(pairs, most_rows, most_bytes):
    changes = [Change(str(place), before, after) for place, (before, after) in enumerate(pairs)]
    divided = list(parts(changes, Change.rows, most_rows=most_rows, most_bytes=most_bytes))
    assert [change for part in divided for change in part] == changes
    for part in divided:
        rows = [row for change in part for row in change.rows()]
        assert len(rows) <= most_rows
        assert len(part) == 1 or sum(map(len, rows)) <= most_bytes


# One run after another


def test_a_first_run_fills_the_table_with_rows_that_count(signing):
    assert signing.feed(signing.schema(), signing.order(1), signing.order(2), signing.state(1)) == '{"bookmark":1}\n'
    assert [row["_sign"] for row in signing.came()] == [1, 1]
    assert signing.counting() == {"1": 1, "2": 1}


def test_the_same_stream_twice_sends_no_row_the_second_time(signing):
    messages = [signing.schema(), signing.order(1), signing.order(2), signing.order(1, 5), signing.state(1)]
    signing.feed(*messages)
    for _ in range(2):  # within the stream order 1 changes, and changes back: the batch comes to nothing
        assert signing.feed(*messages) == '{"bookmark":1}\n'
        assert not signing.calls("POST", "/rows")


def test_a_change_is_two_rows_a_delete_is_one_and_a_new_row_is_one(signing):
    signing.feed(signing.schema(), *(signing.order(n, n, Lines=n) for n in (1, 2, 3)))
    signing.feed(signing.schema(), signing.order(1, 10, Lines=1), signing.gone(2), signing.order(4, 4), signing.gone(9))
    news = [(row["_sign"], row["OrderNo"], row["Amount"]) for row in signing.came()[3:]]
    assert news == [(-1, "1", 1), (1, "1", 10), (-1, "2", 2), (1, "4", 4)]
    assert signing.counting() == {"1": 10, "3": 3, "4": 4}
    assert not signing.calls("DELETE")


def test_one_percent_changed_sends_at_most_two_rows_each(signing):
    rows = [signing.order(n, n) for n in range(2_000)]
    signing.feed(signing.schema(), *rows)
    signing.feed(signing.schema(), *(signing.order(n, -1) if n % 100 == 0 else row for n, row in enumerate(rows)))
    assert len(signing.came()) - 2_000 == 40
    assert len(signing.calls("POST", "/rows")) == 1
    assert not signing.calls("DELETE")


def test_old_and_new_of_a_key_travel_together_even_where_a_post_takes_one_row(signing):
    signing.feed(signing.schema(), signing.order(1, 1), signing.order(2, 2))
    signing.feed(signing.schema(), signing.order(1, 10), signing.order(2, 20), signing.order(3, 30), batch_size_rows=1)
    *_, before_last, last = signing.moments()
    assert before_last == {"1": 10, "2": 20}
    assert last == {"1": 10, "2": 20, "3": 30}
    assert len(signing.calls("POST", "/rows")) == 3


def test_an_older_version_changes_nothing(signing):
    schema = signing.schema(properties=VERSIONED)
    at = {hour: {"_ifs_row_version": f"2026-11-20T{hour}:00:00.000000Z"} for hour in (11, 12, 13)}
    signing.feed(schema, signing.order(1, 2, **at[12]))
    signing.feed(schema, signing.order(1, 1, **at[11]), signing.gone(1, **at[11]))
    assert not signing.calls("POST", "/rows")
    signing.feed(schema, signing.order(1, 3, **at[13]))
    assert signing.counting() == {"1": 3}


def test_a_key_that_was_gone_may_come_again(signing):
    signing.feed(signing.schema(), signing.order(1))
    signing.feed(signing.schema(), signing.gone(1))
    assert signing.counting() == {}
    signing.feed(signing.schema(), signing.order(1, 7))
    assert signing.counting() == {"1": 7}


def test_a_full_refresh_takes_out_what_it_did_not_bring(signing):
    def refresh(version, *orders):
        rows = [signing.order(number) | {"version": version} for number in orders]
        return signing.feed(signing.schema(), *rows, signing.activate(version), signing.state(version))

    refresh(1, 1, 2, 3)
    refresh(2, 1, 2, 3)
    assert not signing.calls("POST", "/rows")
    refresh(3, 1, 3, 4)
    assert signing.counting() == {"1": 1, "3": 1, "4": 1}
    assert [row["_sign"] for row in signing.came()] == [1, 1, 1, 1, -1]
    assert not signing.calls("DELETE")
    refresh(4, 1, 3, 4)
    assert not signing.calls("POST", "/rows")


def test_a_column_that_is_new_does_not_keep_old_rows_from_being_taken_back(signing):
    signing.feed(signing.schema(), signing.order(1, 1), signing.order(2, 2))
    wider = signing.schema().get("schema")["properties"] | {"Extra": {"type": "boolean"}}
    signing.feed(signing.schema(properties=wider), signing.order(1, 1, Extra=True), signing.gone(2))
    assert signing.sums(signing.came()) == {(("Amount", 1), ("Extra", True), ("OrderNo", "1")): 1}


def test_rows_without_keys_are_added_and_taken_back_by_a_refresh_or_when_their_state_never_left(signing):
    notes = signing.schema("notes", NOTES, ())

    def said(*texts, **more):
        return [signing.record({"Text": text}, "notes", **more) for text in texts]

    def texts():
        return sorted(
            dict(content)["Text"]
            for content, times in signing.sums(signing.came("notes")).items()
            for _ in range(times)
        )

    signing.feed(notes, *said("a", "b"))
    signing.feed(notes, *said("a"))
    assert texts() == ["a", "a", "b"]
    signing.fault("status", status=403, method="POST", path="*/rows", skip=1)
    with pytest.raises(IfsBiError):
        signing.feed(notes, *said("c", "d"), batch_size_rows=1)
    assert texts() == ["a", "a", "b", "c"]
    signing.feed(notes, *said("c", "d"))
    assert texts() == ["a", "a", "b", "c", "d"]
    signing.feed(notes, *said("e", version=7), signing.activate(7, "notes"))
    assert texts() == ["e"]
    assert not signing.calls("DELETE")


def test_a_change_that_power_bi_refuses_is_a_dead_letter_and_the_old_row_goes_on_counting(signing):
    signing.feed(signing.schema(), signing.order(1, 1), signing.order(2, 2))
    signing.fault("status", status=400, code="BadRequest", method="POST", path="*/rows", times=None)
    signing.feed(signing.schema(), signing.order(1, 10))
    assert signing.code == ExitCode.DEAD_LETTERS
    assert [key for key, _ in signing.dead()] == ['{"OrderNo":"1"}']
    assert signing.counting() == {"1": 1, "2": 2}
    signing.world.faults.clear()
    signing.fault("status", status=400, code="BadRequest", method="POST", path="*/rows")
    signing.feed(signing.schema(), signing.order(1, 11), signing.order(2, 22), signing.gone(3), signing.order(4, 44))
    assert signing.code == ExitCode.DONE, "refused once, and taken in halves"
    assert signing.counting() == {"1": 11, "2": 22, "4": 44}


# Rows that cancel each other


def test_a_table_of_mostly_cancelled_rows_is_written_anew_when_told(signing, caplog):
    signing.feed(signing.schema(), *(signing.order(n, 1) for n in range(4)))
    with caplog.at_level(logging.INFO):
        signing.feed(signing.schema(), *(signing.order(n, 2) for n in range(2)))
        assert "cancel each other" not in caplog.text
        signing.feed(signing.schema(), *(signing.order(n, 3) for n in range(2)))
    assert len(signing.came()) == 12
    assert "orders: 8 of the 12 rows in table 'orders' cancel each other. To write it anew without them:" in caplog.text
    assert "ifs-bi powerbi compact --table orders" in caplog.text
    before = signing.counting()
    target = signing.target()
    assert target.run.delivery.compact("orders") == 8
    with pytest.raises(ConfigError, match="No rows of a stream 'never seen' were delivered"):
        target.run.delivery.compact("never seen")
    target.close()
    assert len(signing.came()) == 4
    assert signing.counting() == before
    signing.feed(signing.schema(), signing.order(0, 9))
    assert signing.counting() == before | {"0": 9}


def test_a_compaction_that_is_broken_off_is_finished_by_the_next_run(signing):
    signing.feed(signing.schema(), *(signing.order(n, 1) for n in range(3)))
    signing.feed(signing.schema(), signing.order(1, 2), signing.gone(2))
    target = signing.target()
    signing.fault("status", status=403, method="POST", path="*/rows")
    with pytest.raises(IfsBiError):
        target.run.delivery.compact("orders")
    target.close()
    assert signing.came() == []
    signing.feed(signing.schema())
    assert signing.counting() == {"0": 1, "1": 2}
    assert len(signing.came()) == 2
