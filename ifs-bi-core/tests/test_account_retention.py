"""Who removes what is old: the process whose settings say how long it is kept, and a tap where nobody's do."""

import os
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from ifs_bi_core.errors import ExitCode
from ifs_bi_core.ledger import history
from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_core.singer.account import RUN_ID, Account

NOW = datetime.now(UTC)
TWO_DAYS_AGO = (NOW - timedelta(days=2)).timestamp()
KEPT = {"retain_payload_days": 30, "retain_trail_days": 1000}


@pytest.fixture(autouse=True)
def no_name_from_outside(monkeypatch):
    monkeypatch.delenv(RUN_ID, raising=False)


def ended(plugin, state_dir, **settings):
    with Account(plugin, "1.0", {"state_dir": str(state_dir), **settings}).closing(lambda: ExitCode.DONE):
        pass


def old_run(state_dir):
    with closing(Ledger.open(None, state_dir, clock=lambda: NOW - timedelta(days=500))) as ledger:
        ledger.begin_run("tap-small", "1.0", run="old").end(ExitCode.DONE)


def known_runs(state_dir):
    with closing(Ledger.open(None, state_dir, create=False)) as ledger:
        return {part.run for part in history.runs(ledger)}


def test_a_tap_leaves_what_a_target_keeps_to_the_settings_of_the_target(tmp_path):
    stray = tmp_path / "batches" / "s" / "stray.parquet.writing"
    stray.parent.mkdir(parents=True)
    stray.touch()
    os.utime(stray, (TWO_DAYS_AGO, TWO_DAYS_AGO))
    old_run(tmp_path)
    ended("tap-small", tmp_path)
    assert stray.exists()
    assert "old" in known_runs(tmp_path)
    ended("target-small", tmp_path, **KEPT)  # on the same day: the tap has not taken its turn
    assert not stray.exists()
    assert "old" in known_runs(tmp_path)


def test_where_no_target_keeps_anything_a_tap_forgets_its_own_old_runs(tmp_path):
    old_run(tmp_path)
    ended("tap-small", tmp_path)
    assert "old" not in known_runs(tmp_path)
