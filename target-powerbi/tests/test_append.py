"""`append`: every version of a row is a row."""

from __future__ import annotations

import contextlib
import logging

import pytest
from ifs_bi_core.errors import IfsBiError
from target_powerbi.delivery import Delivery
from target_powerbi.target import TargetPowerBI


@pytest.fixture
def appending(pipe):
    pipe.config["write_mode"] = "append"
    return pipe


def test_every_version_and_every_deletion_is_a_row(appending):
    schema = appending.schema(properties=VERSIONED)
    appending.feed(schema, appending.order(1, 1, _ifs_row_version="2026-11-20T12:00:00.000000Z"))
    appending.feed(schema, appending.order(1, 2, _ifs_row_version="2026-11-20T13:00:00.000000Z"), appending.gone(1))
    assert [row.get("Amount") for row in appending.rows()] == [1, 2, None]
    assert [str(row.get("_sdc_deleted_at")) for row in appending.rows()][-1] == "2026-11-20 12:00:00"
    assert not appending.calls("DELETE")


def test_metadata_columns_are_added_where_they_are_asked_for(appending):
    appending.feed(appending.schema(), appending.order(1), add_record_metadata=True)
    (row,) = appending.rows()
    assert row["_sdc_received_at"]
    assert row["_sdc_sequence"] > 0


def test_a_full_refresh_takes_nothing_out_and_says_so_once(appending, caplog):
    appending.feed(appending.schema(), appending.order(1) | {"version": 1})
    with caplog.at_level(logging.INFO):
        appending.feed(
            appending.schema(), appending.activate(2), appending.order(2) | {"version": 2}, appending.activate(2)
        )
    assert len(appending.rows()) == 2
    assert caplog.text.count("orders: a full refresh takes no row out of the table") == 1


def test_a_lost_answer_doubles_no_row(appending):
    appending.feed(appending.schema(), appending.order(1))
    appending.fault("reset", method="POST", path="*/rows", after=True)
    appending.feed(appending.schema(), appending.order(2), appending.order(3))
    assert [row["OrderNo"] for row in appending.rows()] == ["1", "2", "3"]


def test_rows_of_a_run_whose_state_never_left_are_not_doubled_by_the_next(appending):
    first = [appending.schema(), appending.order(1), appending.order(2)]
    appending.feed(*first)
    for fault in ({"kind": "reset"}, {"kind": "reset", "after": True}, {"kind": "status", "status": 400}):
        appending.fault("status", status=403, method="POST", path="*/executeQueries", times=None)
        appending.fault(method="POST", path="*/rows", skip=1, times=None, **fault)
        with pytest.raises(IfsBiError):
            appending.feed(appending.schema(), appending.order(3), appending.order(4), batch_size_rows=1)
        appending.world.faults.clear()
    appending.feed(appending.schema(), appending.order(3), appending.order(4), batch_size_rows=1)
    assert [row["OrderNo"] for row in appending.rows()] == ["1", "2", "3", "4"]
    appending.feed(appending.schema(), appending.order(1, 7))
    assert not appending.calls("DELETE")
    assert len(appending.rows()) == 5


class Killed(BaseException):
    """The end of a process."""


@contextlib.contextmanager
def killed(monkeypatch, owner, method, after):
    """The feeding inside ends when it comes to that method, or has just done it."""
    does = getattr(owner, method)

    def end(*arguments):
        if after:
            does(*arguments)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(owner, method, end)
        with pytest.raises(Killed):
            yield


MOMENTS = {
    "before it notes that its state leaves": (Delivery, "settle", False),
    "just before its state leaves": (TargetPowerBI, "_write_state_message", False),
    "just after": (TargetPowerBI, "_write_state_message", True),
}


def shown(pipe):
    return [(row["OrderNo"], row.get("Amount")) for row in pipe.came()]


@pytest.mark.parametrize("batch_size", [1, 2, 100])
@pytest.mark.parametrize("moment", MOMENTS)
def test_versions_of_runs_that_ended_before_their_state_left_are_there_once(appending, monkeypatch, moment, batch_size):
    appending.config["batch_size_rows"] = batch_size
    appending.feed(appending.schema(), appending.order(1, 1), appending.state("old"))
    said = [appending.schema(), appending.order(1, 2), appending.order(2, 2), appending.state("new")]
    for _ in range(2):  # and once more in the run that would have mended it
        with killed(monkeypatch, *MOMENTS[moment]):
            appending.feed(*said)
    appending.feed(*said[:-1], appending.order(1, 4), appending.state("newer"))
    assert sorted(shown(appending)) == [("1", 1), ("1", 2), ("1", 4), ("2", 2)]
    assert {state for push in appending.pushes() for state in push.rows} <= {"acknowledged", "outdated", "unknown"}


@pytest.mark.parametrize("half", [[], [0], [1], [0, 1]], ids=str)
def test_versions_come_once_however_many_runs_of_a_tap_that_is_cut_short_bring_them(appending, half):
    schema = appending.schema()
    news = [appending.order(1, 2), appending.order(2, 2), appending.order(3, 2)]
    appending.feed(schema, appending.order(1, 1), appending.state("old"))
    appending.feed(schema, *news)
    appending.feed(schema, *(news[place] for place in half), appending.state("old"))
    appending.feed(schema, *news, appending.state("new"))
    assert shown(appending) == [("1", 1), ("1", 2), ("2", 2), ("3", 2)]


def test_a_value_that_returns_is_a_version(appending):
    schema = appending.schema()
    for amount in (1, 2, 2, 1):
        appending.feed(schema, appending.order(1, amount))
    appending.feed(schema, *(appending.order(1, amount) for amount in (1, 2, 2, 1, 3)))
    assert shown(appending) == [("1", amount) for amount in (1, 2, 1, 2, 1, 3)]


VERSIONED = {
    "OrderNo": {"type": "string"},
    "Amount": {"type": "integer"},
    "_ifs_row_version": {"type": "string", "format": "date-time"},
}


def test_versions_between_come_again_once_too_where_they_say_of_which_moment_they_are(appending):
    schema = appending.schema(properties=VERSIONED)
    news = [
        appending.order(1, amount, _ifs_row_version=f"2026-11-20T1{hour}:00:00.000000Z")
        for hour, amount in enumerate((5, 6, 5, 6))
    ]
    for size in (1, 2, 100):
        appending.feed(schema, *news, *news[1:], batch_size_rows=size)
    assert shown(appending) == [("1", 5), ("1", 6), ("1", 5), ("1", 6)]


def test_a_row_that_is_gone_is_gone_once_whenever_that_is_found_out(appending):
    schema = appending.schema()
    appending.feed(schema, appending.order(1, 1))
    for day in (1, 2):
        appending.feed(
            schema, appending.gone(1) | {"record": {"OrderNo": "1", "_sdc_deleted_at": f"2026-11-2{day}T12:00:00Z"}}
        )
    appending.feed(schema, appending.order(1, 1))
    assert [str(row.get("_sdc_deleted_at"))[:10] for row in appending.rows()] == ["None", "2026-11-21", "None"]


def test_what_is_known_of_the_delivery_alone_makes_no_version(appending):
    for _ in range(2):
        appending.feed(appending.schema(), appending.order(1), add_record_metadata=True)
    assert len(appending.rows()) == 1


def test_rows_without_a_key_are_all_taken(appending):
    for _ in range(2):
        appending.feed(appending.schema(keys=[]), appending.order(1), appending.order(1))
    assert len(appending.rows()) == 4


def test_a_row_that_was_refused_comes_again_as_a_version(appending):
    appending.feed(appending.schema(), appending.order(1), appending.state("old"))
    appending.fault("status", status=400, code="BadRequest", method="POST", path="*/rows", times=3)
    said = [appending.schema(), appending.order(2), appending.order(9), appending.order(3), appending.order(4)]
    appending.feed(*said, appending.state("new"))
    refused = [key for key, _ in appending.dead()]
    assert len(refused) == 1
    assert len(appending.rows()) == 4
    appending.feed(*said, appending.state("new"))
    assert sorted(row["OrderNo"] for row in appending.rows()) == ["1", "2", "3", "4", "9"]
