"""What a service has to be told stays in the ledger until it is told."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_core.ledger.accounts import MIGRATIONS, NOTIFICATION_EVENTS
from ifs_bi_core.ledger.notifications import Notification, pending
from ifs_bi_core.ledger.retention import prune
from ifs_bi_core.ledger.runs import Ledger
from sqlalchemy import select

NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)
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


WORDS = st.tuples(st.sampled_from("abc"), st.sampled_from(list(Notification)), st.integers(0, 900))


@settings(max_examples=25, deadline=None)
@given(st.lists(WORDS, max_size=12), st.integers(0, 900))
def test_what_is_old_is_forgotten_and_the_same_items_stay_pending(tmp_path_factory, words, days):
    """Days are those on which it was said: clocks of several machines need not agree."""
    now = [NOON]
    with closing(Ledger.open(None, tmp_path_factory.mktemp("ledger"), clock=lambda: now[0])) as ledger:
        run = ledger.begin_run("target", "1")
        for item, state, day in words:
            now[0] = NOON + timedelta(days=day)
            run.notification(LOOKER, [item], state)
        before, now[0] = items(ledger), NOON + timedelta(days=900)
        prune(ledger, retain_trail_days=days)
        assert items(ledger) == before
        with ledger.database.read() as connection:
            left = connection.execute(select(NOTIFICATION_EVENTS.c.item, NOTIFICATION_EVENTS.c.at)).fetchall()
    limit = NOON + timedelta(days=900 - days)
    recent = [(item, day) for item, _, day in words if NOON + timedelta(days=day) >= limit]
    kept = [(item, (datetime.fromisoformat(at) - NOON).days) for item, at in left]
    assert set(recent) <= set(kept)
    old = [item for item, day in kept if NOON + timedelta(days=day) < limit]
    assert len(old) == len(set(old)), "of an item nothing old stays but its last word"
    assert set(old) <= set(before) | {item for item, _ in recent}


def test_what_a_service_was_told_long_ago_is_forgotten_though_it_was_told_often(tmp_path):
    now = [NOON]
    with closing(Ledger.open(None, tmp_path, clock=lambda: now[0])) as ledger:
        run = ledger.begin_run("target", "1")
        for day in range(10):
            now[0] = NOON + timedelta(days=day)
            run.notification(LOOKER, ["a"], Notification.DUE)
            run.notification(LOOKER, ["a"], Notification.TOLD)
        prune(ledger, retain_trail_days=3)
        with ledger.database.read() as connection:
            left = connection.execute(select(NOTIFICATION_EVENTS.c.at)).scalars().all()
        assert [datetime.fromisoformat(at).day for at in left] == [12, 12, 13, 13, 14, 14, 15, 15]
