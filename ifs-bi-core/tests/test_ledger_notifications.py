"""What a service has to be told stays in the ledger until it is told."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_core.ledger.accounts import MIGRATIONS, NOTIFICATION_EVENTS
from ifs_bi_core.ledger.notifications import Notification, pending
from ifs_bi_core.ledger.runs import Ledger

LOOKER = "https://looker.example.com"


def items(ledger, destination=LOOKER):
    return [found.item for found in pending(ledger, destination)]


def test_what_is_due_outlives_the_process_and_is_gone_when_it_was_told(tmp_path):
    with closing(Ledger.open(None, tmp_path)) as ledger:
        run = ledger.begin_run("target", "1", run="first")
        run.notification(LOOKER, ["a", "b"], Notification.DUE)
    with closing(Ledger.open(None, tmp_path)) as ledger:
        found = pending(ledger, LOOKER)
        assert [(one.item, one.run) for one in found] == [("a", "first"), ("b", "first")]
        run = ledger.begin_run("target", "1", run="second")
        run.notification(LOOKER, ["a"], Notification.TOLD)
        run.notification(LOOKER, ["b"], Notification.DROPPED, "refused")
        assert items(ledger) == []
        run.notification(LOOKER, ["a"], Notification.DUE)
        assert [(one.item, one.run) for one in pending(ledger, LOOKER)] == [("a", "second")]


def test_services_do_not_see_each_others_items(tmp_path):
    with closing(Ledger.open(None, tmp_path)) as ledger:
        run = ledger.begin_run("target", "1")
        run.notification(LOOKER, ["a"], Notification.DUE)
        run.notification("elsewhere", ["a"], Notification.TOLD)
        assert items(ledger) == ["a"]
        assert items(ledger, "elsewhere") == []


def test_a_ledger_from_before_gets_the_table_and_keeps_what_it_has(tmp_path):
    with closing(Ledger.open(None, tmp_path)) as ledger:
        ledger.begin_run("target", "1", run="old").end(0)
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        connection.execute(f"DROP TABLE {NOTIFICATION_EVENTS.name}")
        connection.execute("DELETE FROM ledger_versions WHERE version > 1")
        connection.commit()
    with closing(Ledger.open(None, tmp_path)) as ledger:
        ledger.begin_run("target", "1").notification(LOOKER, ["a"], Notification.DUE)
        assert items(ledger) == ["a"]
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        assert connection.execute("SELECT max(version) FROM ledger_versions").fetchone() == (max(MIGRATIONS),)
        assert connection.execute("SELECT count(*) FROM run_events WHERE run = 'old'").fetchone() == (2,)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(list(Notification))), max_size=12))
def test_an_item_is_pending_when_its_last_word_is_that_it_is_due(tmp_path_factory, events):
    with closing(Ledger.open(None, tmp_path_factory.mktemp("ledger"))) as ledger:
        run = ledger.begin_run("target", "1")
        last = {}
        for item, state in events:
            run.notification(LOOKER, [item], state)
            last[item] = state
        assert set(items(ledger)) == {item for item, state in last.items() if state is Notification.DUE}
