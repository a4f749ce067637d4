"""What a process tells the ledger of itself: which run it belongs to, and how it ended."""

import os
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from ifs_bi_core.errors import ConfigError, ExitCode, IfsBiError
from ifs_bi_core.ledger import history
from ifs_bi_core.ledger.accounts import BATCH_EVENTS, BATCHES
from ifs_bi_core.ledger.retention import prune_destination
from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_core.ledger.trail import TrailRow
from ifs_bi_core.singer.account import RUN_ID, Account
from sqlalchemy import update

HOUR = 3600.0


@pytest.fixture(autouse=True)
def no_name_from_outside(monkeypatch):
    monkeypatch.delenv(RUN_ID, raising=False)


@pytest.fixture
def begun(tmp_path):
    """Begins the account of a process."""
    return lambda **settings: Account(
        "target-small", "1.2", {"state_dir": str(tmp_path), "retain_trail_days": 400, **settings}
    )


def ended(account, code=ExitCode.DONE):
    with account.closing(lambda: code):
        pass


def processes(state_dir):
    ledger = Ledger.open(None, state_dir, create=False)
    try:
        return history.runs(ledger)
    finally:
        ledger.close()


def test_a_process_without_a_name_for_its_run_makes_one(tmp_path, begun):
    ended(begun())
    ended(begun())
    second, first = processes(tmp_path)
    assert first.run != second.run
    assert (first.plugin, first.version, first.pid) == ("target-small", "1.2", os.getpid())


def test_a_run_is_called_as_meltano_calls_it(tmp_path, begun, monkeypatch):
    monkeypatch.setenv(RUN_ID, "5a1f8a1e-6a3c-4f0e-9d5e-0b8a6c1f2d3e")
    ended(begun())
    assert [process.run for process in processes(tmp_path)] == ["5a1f8a1e-6a3c-4f0e-9d5e-0b8a6c1f2d3e"]


def test_the_process_before_it_in_the_pipe_gives_the_name(tmp_path, begun, monkeypatch):
    monkeypatch.setenv(RUN_ID, "outside")
    account = begun()
    account.join("from-the-tap")
    account.begin()
    account.join("too-late")
    ended(account)
    assert [process.run for process in processes(tmp_path)] == ["from-the-tap"]


@pytest.mark.parametrize("name", [None, "", 7, ["a"], "two words", "a/b", "x" * 65, "line\n"])
def test_what_can_be_no_name_is_none(tmp_path, begun, monkeypatch, name):
    monkeypatch.setenv(RUN_ID, "outside")
    account = begun()
    account.join(name)
    ended(account)
    assert [process.run for process in processes(tmp_path)] == ["outside"]


def test_what_can_be_no_name_is_none_outside_too(tmp_path, begun, monkeypatch):
    monkeypatch.setenv(RUN_ID, "../../etc")
    ended(begun())
    [process] = processes(tmp_path)
    assert "/" not in process.run


@pytest.mark.parametrize("code", [ExitCode.DONE, ExitCode.DEAD_LETTERS])
def test_the_ledger_holds_how_a_run_ended(tmp_path, begun, code):
    ended(begun(), code)
    assert [process.exit_code for process in processes(tmp_path)] == [code]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (IfsBiError("no answer"), ExitCode.FAILED),
        (ConfigError("no such table"), ExitCode.WRONG_CONFIGURATION),
        (SystemExit("a signal came"), ExitCode.FAILED),
        (KeyboardInterrupt(), ExitCode.FAILED),
        (ZeroDivisionError(), ExitCode.FAILED),
    ],
)
def test_the_ledger_holds_how_a_run_broke_off(tmp_path, begun, error, code):
    account = begun()
    with pytest.raises(type(error)) as raised, account.closing(lambda: ExitCode.DONE):
        raise error
    assert raised.value is error
    assert [process.exit_code for process in processes(tmp_path)] == [code]


def test_a_process_that_can_t_tell_how_it_ended_has_failed(tmp_path, begun):
    def unable():
        raise ConfigError("The vault can't be opened.")

    account = begun()
    with pytest.raises(ConfigError, match="vault"), account.closing(unable):
        pass
    assert [process.exit_code for process in processes(tmp_path)] == [ExitCode.WRONG_CONFIGURATION]


def test_the_error_that_ended_a_run_is_told_also_where_the_ledger_is_gone(tmp_path, begun):
    account = begun()
    account.begin()
    account.ledger.close()
    for file in tmp_path.glob("ledger.db*"):
        file.unlink()
    tmp_path.joinpath("ledger.db").mkdir()
    with pytest.raises(IfsBiError, match="no answer"), account.closing(lambda: ExitCode.DONE):
        raise IfsBiError("no answer")


def test_a_run_that_the_ledger_can_t_end_is_not_done(tmp_path, begun):
    account = begun()
    account.begin()
    account.ledger.close()
    for file in tmp_path.glob("ledger.db*"):
        file.unlink()
    tmp_path.joinpath("ledger.db").mkdir()
    with pytest.raises(IfsBiError, match=r"ledger\.db"):
        ended(account)


def test_without_a_ledger_nothing_begins(tmp_path, begun):
    tmp_path.joinpath("file").write_text("no folder")
    with pytest.raises(ConfigError, match="can't be written to"):
        begun(state_dir=str(tmp_path / "file"))
    tmp_path.joinpath("ledger.db").write_text("no database, and longer than the head of one" * 9)
    with pytest.raises(ConfigError, match="is damaged or no ledger"):
        begun()


def left_behind(state_dir):
    """A file that a killed process left two days ago."""
    stray = state_dir / "batches" / "s" / "stray.parquet.writing"
    stray.parent.mkdir(parents=True, exist_ok=True)
    stray.touch()
    aged(stray, 48)
    return stray


def aged(file, hours):
    os.utime(file, (time.time() - hours * HOUR,) * 2)


def test_old_files_are_looked_for_once_a_day(tmp_path, begun):
    stray, done = left_behind(tmp_path), tmp_path / ".pruned"
    ended(begun())
    assert not stray.exists()
    left_behind(tmp_path)
    aged(done, 23)
    ended(begun())
    assert stray.exists()
    aged(done, 25)
    ended(begun())
    assert not stray.exists()


def test_a_run_is_done_also_where_old_files_can_t_be_removed(tmp_path, begun, caplog):
    tmp_path.joinpath(".pruned").symlink_to("nowhere/at/all")
    ended(begun())
    assert [process.exit_code for process in processes(tmp_path)] == [ExitCode.DONE]
    assert "was not removed" in caplog.text


def test_settings_without_a_value_are_the_default_ones(tmp_path, begun):
    ended(begun(retain_payload_days=None, retain_trail_days=None, ledger_url=None))
    assert [process.exit_code for process in processes(tmp_path)] == [ExitCode.DONE]


def test_a_destination_is_pruned_once_a_day_and_each_on_its_own(tmp_path, begun):
    account, told = begun(), []
    for _ in range(2):
        account.prune_destination("here", lambda at: told.append(("here", at)))
    account.prune_destination("there", lambda at: told.append(("there", at)))
    assert [place for place, _ in told] == ["here", "there"]
    for mark in tmp_path.glob(".pruned-*"):
        aged(mark, 25)
    account.prune_destination("here", lambda at: told.append(("here", at)))
    assert [place for place, _ in told] == ["here", "there", "here"]
    ended(account)


@pytest.mark.parametrize(("days", "kept"), [(None, 400), (90, 90), (0, 30)])
def test_a_destination_keeps_what_is_no_older_than_the_trails_and_a_month_in_any_case(begun, days, kept):
    account, told = begun(retain_trail_days=days), []
    account.prune_destination("here", told.append)
    [at] = told
    assert abs(account.ledger.clock() - timedelta(days=kept) - at) < timedelta(minutes=5)
    ended(account)


@pytest.mark.parametrize("ends", ["pushing", "unknown", "acknowledged"])
def test_a_destination_keeps_what_is_younger_than_a_batch_without_an_answer(tmp_path, ends):
    may, told = datetime(2024, 5, 6, 12, tzinfo=UTC), []
    now = [may]
    with closing(Ledger.open(None, tmp_path, clock=lambda: now[0])) as ledger:
        for stream, place, days in (("b", "elsewhere", -1), ("a", "here", 0), ("b", "here", 1)):
            now[0] = may + timedelta(days=days)
            batch = ledger.begin_run("target", "1").write_batch(stream, place, [TrailRow("1", payload="{}")])
            batch.pushing()
            if ends == "acknowledged":
                batch.acknowledged()
            elif ends == "unknown":
                batch.unknown("nobody can tell")
    now[0] += timedelta(days=1000)
    with closing(Ledger.open(None, tmp_path, clock=lambda: now[0])) as ledger:
        prune_destination(ledger, "here", told.append, retain_trail_days=400)
    assert told == [now[0] - timedelta(days=400) if ends == "acknowledged" else may]


def test_nothing_is_forgotten_where_the_ledger_has_no_time_of_a_batch_without_an_answer(tmp_path, begun, caplog):
    account, told = begun(), []
    batch = account.run.write_batch("a", "here", [TrailRow("1", payload="{}")])
    batch.pushing()
    with account.ledger.database.write() as connection:
        connection.execute(update(BATCH_EVENTS).values(at="yesterday"))
        connection.execute(update(BATCHES).values(part="of another process"))
    account.prune_destination("here", told.append)
    assert told == []
    assert "was not removed: What happened to a batch without an answer has no time in the ledger: " in caplog.text
    ended(account)


def test_a_destination_that_could_not_be_pruned_is_a_warning_and_is_due_again(begun, caplog):
    account, told = begun(), []

    def forget(at):
        raise IfsBiError(f"Nothing before {at:%Y} can be removed.")

    account.prune_destination("here", forget)
    assert "What is older than it has to be was not removed: Nothing before 20" in caplog.text
    account.prune_destination("here", told.append)
    assert len(told) == 1
    ended(account)
