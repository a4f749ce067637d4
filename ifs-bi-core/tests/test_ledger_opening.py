"""A ledger that can't be used is refused with a sentence of its own, before anything is sent."""

import errno
import os
import resource
import shutil
import sqlite3
import sys
from pathlib import Path

import pytest
from ifs_bi_core.errors import ConfigError, ExitCode
from ifs_bi_core.ledger import accounts, database, sqlite
from ifs_bi_core.ledger.accounts import VERSIONS
from ifs_bi_core.ledger.database import LedgerError
from ifs_bi_core.ledger.outcomes import State
from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_core.ledger.trail import TrailRow
from ifs_bi_core.redaction import REDACTOR
from sqlalchemy import create_engine, event, select, text

ROW = TrailRow('{"OrderNo":"1"}', payload="{}")


@pytest.fixture(scope="module")
def written_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    ledger = Ledger.open(None, folder)
    run = ledger.begin_run("target", "1")
    for _ in range(300):
        run.write_batch("orders", "warehouse", [ROW]).pushing()
    run.end(0)
    ledger.close()
    return folder


@pytest.fixture
def written(written_once, tmp_path):
    """The state folder of a run that ended."""
    shutil.copytree(written_once, tmp_path, dirs_exist_ok=True)
    return tmp_path


def refusal(*args, **kwargs):
    with pytest.raises(ConfigError) as caught:
        Ledger.open(*args, **kwargs)
    assert caught.value.exit_code is ExitCode.WRONG_CONFIGURATION
    return str(caught.value)


def test_a_ledger_is_for_its_owners_eyes_alone(written):
    files = [path for path in written.rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert (written / "batches" / "orders").stat().st_mode & 0o777 == 0o700


def test_a_locked_ledger_is_refused(written):
    holder = sqlite3.connect(written / "ledger.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    said = refusal(None, written, lock_timeout_seconds=0.05)
    assert "is locked by another process for more than 0.05 seconds" in said
    holder.execute("ROLLBACK")
    holder.close()
    Ledger.open(None, written, lock_timeout_seconds=0.05).close()


def test_a_file_that_is_no_ledger_is_refused(tmp_path):
    (tmp_path / "ledger.db").write_bytes(b"these are no pages of a database" * 200)
    assert "is damaged or no ledger" in refusal(None, tmp_path)


@pytest.mark.parametrize("page", range(2, 6))
def test_a_ledger_with_a_damaged_page_that_recovery_needs_is_refused_or_not_affected(written, page):
    with sqlite3.connect(written / "ledger.db") as connection:
        roots = dict(connection.execute("SELECT name, rootpage FROM sqlite_schema WHERE type = 'table'"))
    connection.close()
    needed = [roots[table.name] for table in accounts.RECOVERY_TABLES]
    file = written / "ledger.db"
    content = bytearray(file.read_bytes())
    begin = (needed[page - 2] - 1) * 4096
    content[begin : begin + 4096] = b"\xff" * 4096
    file.write_bytes(content)
    assert "is damaged or no ledger" in refusal(None, written)


def test_a_ledger_cut_short_is_refused(written):
    os.truncate(written / "ledger.db", 4096 * 3)
    assert "is damaged or no ledger" in refusal(None, written)


def test_a_ledger_of_a_newer_version_is_refused_and_left_as_it_is(written, monkeypatch):
    newest = max(accounts.MIGRATIONS)
    with monkeypatch.context() as patched:
        patched.setattr(database, "MIGRATIONS", accounts.MIGRATIONS | {newest + 1: str})
        Ledger.open(None, written).close()
    said = refusal(None, written)
    assert f"is of version {newest + 1}, and this ifs-bi-core knows versions up to {newest}" in said
    assert "pip install --upgrade ifs-bi-core" in said


def test_an_older_ledger_is_brought_forward_and_keeps_what_it_knew(written, monkeypatch):
    def add_a_column(connection):
        connection.execute(text("ALTER TABLE pages ADD COLUMN delta_link TEXT"))

    newest = max(accounts.MIGRATIONS)
    monkeypatch.setattr(database, "MIGRATIONS", accounts.MIGRATIONS | {newest + 1: add_a_column})
    ledger = Ledger.open(None, written)
    with ledger.database.read() as connection:
        assert connection.execute(text("SELECT count(delta_link) FROM pages")).scalar() == 0
        assert list(connection.execute(select(VERSIONS.c.version)).scalars()) == [*accounts.MIGRATIONS, newest + 1]
    assert len(ledger.unanswered("warehouse", "orders")) == 300
    ledger.close()


def test_a_step_that_fails_leaves_the_ledger_at_the_version_before(written, monkeypatch):
    def fails(connection):
        connection.execute(text("ALTER TABLE pages ADD COLUMN delta_link TEXT"))
        connection.execute(text("ALTER TABLE pages ADD COLUMN delta_link TEXT"))

    with monkeypatch.context() as patched:
        patched.setattr(database, "MIGRATIONS", accounts.MIGRATIONS | {max(accounts.MIGRATIONS) + 1: fails})
        assert "duplicate column" in refusal(None, written)
    with sqlite3.connect(written / "ledger.db") as connection:
        assert "delta_link" not in {column[1] for column in connection.execute("PRAGMA table_info(pages)")}
    connection.close()
    Ledger.open(None, written).close()


def test_a_folder_that_can_not_be_written_to_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    said = refusal(None, tmp_path / "file" / "state")
    assert "can't be written to: Not a directory" in said
    assert "state_dir" in said


def test_a_ledger_in_a_folder_that_can_not_be_written_to_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    said = refusal(f"sqlite:///{tmp_path / 'file' / 'ledger.db'}", tmp_path / "state")
    assert "can't be opened for writing" in said


def test_a_full_disk_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", no_space)
    assert "can't be written to: No space left on device" in refusal(None, tmp_path)


def no_space(descriptor):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_database_that_can_not_grow_is_refused(written, monkeypatch):
    create = sqlite.create_engine

    def full(*args, **kwargs):
        engine = create(*args, **kwargs)
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA max_page_count=1"))
        return engine

    def much(connection):
        connection.execute(text("CREATE TABLE more (payload TEXT)"))
        connection.execute(text("INSERT INTO more VALUES (hex(zeroblob(1000000)))"))

    monkeypatch.setattr(sqlite, "create_engine", full)
    monkeypatch.setattr(database, "MIGRATIONS", accounts.MIGRATIONS | {max(accounts.MIGRATIONS) + 1: much})
    assert "can't grow: the disk is full" in refusal(None, written)


def test_a_disk_that_gets_full_in_the_middle_stops_the_run_before_the_batch_is_sent(tmp_path, monkeypatch):
    ledger = Ledger.open(None, tmp_path)
    run = ledger.begin_run("target", "1")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", no_space)
        with pytest.raises(LedgerError, match=r"No space left on device\. Its rows were not sent") as caught:
            run.write_batch("orders", "warehouse", [ROW])
    assert caught.value.exit_code is ExitCode.FAILED
    assert not list(tmp_path.glob("batches/*/*"))
    assert run.write_batch("orders", "warehouse", [ROW]).fates.rest is State.WRITTEN
    ledger.close()


@pytest.fixture
def files_of_100_kb_at_most():
    """The kernel refuses to let any file of this process grow beyond it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_batch_that_does_not_fit_leaves_nothing_behind(tmp_path, request):
    ledger = Ledger.open(None, tmp_path)
    run = ledger.begin_run("target", "1")
    request.getfixturevalue("files_of_100_kb_at_most")
    with pytest.raises(LedgerError, match=r"can't be written: .*Its rows were not sent"):
        run.write_batch("orders", "warehouse", [ROW._replace(payload=os.urandom(100).hex()) for _ in range(2_000)])
    assert not list(tmp_path.glob("batches/*/*"))
    assert ledger.unanswered("warehouse", "orders") == []
    ledger.close()


def test_a_ledger_that_gets_locked_in_the_middle_stops_the_run_before_the_batch_is_sent(tmp_path):
    ledger = Ledger.open(None, tmp_path, lock_timeout_seconds=0.05)
    batch = ledger.begin_run("target", "1").write_batch("orders", "warehouse", [ROW])
    holder = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerError, match="is locked by another process"):
        batch.pushing()
    holder.execute("ROLLBACK")
    holder.close()
    assert batch.fates.rest is State.WRITTEN
    ledger.close()


def test_a_ledger_that_is_not_there_is_not_made_by_asking_it(tmp_path):
    assert "There is no ledger at" in refusal(None, tmp_path / "state", create=False)
    assert not (tmp_path / "state").exists()


def test_an_empty_file_is_no_ledger_to_ask(tmp_path):
    (tmp_path / "ledger.db").write_bytes(b"")
    assert "is empty" in refusal(None, tmp_path, create=False)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ledger.db", "is no address"),
        ("sqlite://", "can't be kept in"),
        ("sqlite:///:memory:", "can't be kept in"),
        ("mysql://localhost/ledger", "begins with 'mysql'"),
        ("postgresql+psycopg2://localhost/ledger", "begins with 'postgresql+psycopg2'"),
        ("postgresql://me@localhost:port/ledger", "is no address"),
    ],
)
def test_an_address_that_is_none_of_a_ledger_is_refused(tmp_path, url, said):
    assert said in refusal(url, tmp_path)


def test_a_postgresql_ledger_without_its_driver_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    said = refusal("postgresql://me:pass-of-postgres@db.example/ledger", tmp_path)
    assert "pip install 'psycopg[binary]>=3.2'" in said
    assert "pass-of-postgres" not in said
    assert "pass-of-postgres" not in REDACTOR.redact("pass-of-postgres")


def test_a_password_with_an_at_sign_of_its_own_is_refused_and_not_told(tmp_path):
    said = refusal("postgresql://me:half@other-half@db.example/ledger", tmp_path)
    assert "as %40" in said
    assert "half" not in said


def test_by_default_the_ledger_lies_in_the_state_folder_of_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Ledger.open().close()
    assert Path(".ifs-bi/ledger.db").exists()
    with create_engine("sqlite:///.ifs-bi/ledger.db").connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
