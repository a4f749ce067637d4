"""What a run delivered, and rows of a batch that leave one by one."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ifs_bi_core.errors import ConfigError
from ifs_bi_core.ledger.database import LedgerError
from ifs_bi_core.ledger.delivered import delivered, streams
from ifs_bi_core.ledger.keys import key_text
from ifs_bi_core.ledger.outcomes import State
from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_core.ledger.stories import find
from ifs_bi_core.ledger.trail import TrailRow


def row(number, version="1", *, deleted=False):
    return TrailRow(key_text({"OrderNo": number}, ["OrderNo"]), version, deleted=deleted, payload="{}")


def told(ledger, run="R", stream="orders"):
    return [(record.key["OrderNo"], record.row_version) for record in delivered(ledger, run, stream)]


def test_what_a_destination_confirmed_was_delivered(tmp_path, open_ledger):
    ledger = open_ledger(tmp_path)
    run = ledger.begin_run("target", "1", run="R")
    first = run.write_batch("orders", "warehouse", [row(1), row(2), row(3), row(4, deleted=True)])
    first.pushing()
    first.refused("too long", [1])
    first.acknowledged()
    run.write_batch("orders", "warehouse", [row(5)]).pushing()
    run.write_batch("orders", "warehouse", [row(6)]).withdrawn("the run ended")
    run.write_batch("lines", "warehouse", [TrailRow("", payload="{}")]).acknowledged()
    run.end(1)
    other = ledger.begin_run("target", "1", run="S")
    other.write_batch("orders", "warehouse", [row(7)]).acknowledged()
    assert told(ledger) == [("1", "1"), ("3", "1")]
    assert told(ledger, stream="lines") == []
    assert streams(ledger, "R") == {"lines": 1, "orders": 6}
    with pytest.raises(ConfigError, match="no run T"):
        streams(ledger, "T")


outcomes = st.sampled_from(["acknowledged", "refused", "unknown", "withdrawn"])
batches = st.lists(st.lists(st.tuples(st.integers(0, 5), outcomes, st.booleans()), min_size=1, max_size=6), max_size=5)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches)
def test_a_record_was_delivered_if_its_last_row_was(tmp_path_factory, carried):
    ledger = Ledger.open(None, tmp_path_factory.mktemp("state"))
    run = ledger.begin_run("target", "1", run="R")
    last = {}
    for number, rows in enumerate(carried):
        batch = run.write_batch(
            "orders", "warehouse", [row(key, f"{number}-{at}", deleted=gone) for at, (key, _, gone) in enumerate(rows)]
        )
        for at, (key, outcome, gone) in enumerate(rows):
            reason = () if outcome == "acknowledged" else ("because",)
            getattr(batch, outcome)(*reason, positions=[at])
            last[str(key)] = (f"{number}-{at}", outcome == "acknowledged" and not gone)
    expected = {(key, version) for key, (version, arrived) in last.items() if arrived}
    found = told(ledger)
    ledger.close()
    assert len(found) == len(set(found))
    assert set(found) == expected


def test_a_batch_file_that_is_gone_is_told(tmp_path, open_ledger):
    ledger = open_ledger(tmp_path)
    batch = ledger.begin_run("target", "1", run="R").write_batch("orders", "warehouse", [row(1)])
    batch.acknowledged()
    batch.file.unlink()
    with pytest.raises(LedgerError, match="is not there"):
        told(ledger)


def test_rows_of_a_batch_may_leave_one_by_one_with_a_note(tmp_path, open_ledger):
    ledger = open_ledger(tmp_path)
    batch = ledger.begin_run("target", "1", run="R").write_batch("orders", "warehouse", [row(1), row(2), row(3)])
    batch.pushing([1], note="for version 7")
    batch.acknowledged([1])
    batch.pushing([2])
    [again] = open_ledger(tmp_path).unanswered("warehouse", "orders")
    assert [again.fates.of(position) for position in range(3)] == [State.WRITTEN, State.ACKNOWLEDGED, State.PUSHING]
    [story] = find(ledger, "orders", {"OrderNo": 2})
    assert [(moment.what, moment.note) for moment in story.moments][1:] == [
        ("pushing", "for version 7"),
        ("acknowledged", None),
    ]
