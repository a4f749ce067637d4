"""A ledger in PostgreSQL: how it is named, and every way in which it can't be used."""

import logging
import socket
from contextlib import closing

import psycopg
import pytest
from click.testing import CliRunner
from ifs_bi_core.errors import ConfigError, ExitCode
from ifs_bi_core.http.policies import Attempt
from ifs_bi_core.ledger import accounts, database, postgresql
from ifs_bi_core.ledger.accounts import VERSIONS
from ifs_bi_core.ledger.command import ledger as command
from ifs_bi_core.ledger.database import LedgerError
from ifs_bi_core.ledger.history import balance, runs
from ifs_bi_core.ledger.keys import key_text
from ifs_bi_core.ledger.outcomes import State
from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_core.ledger.trail import TrailRow
from sqlalchemy import event, func, select, text

ROW = TrailRow(key_text({"OrderNo": 1}, ["OrderNo"]), payload="{}")
ATTEMPT = Attempt("orders page 1", "GET", 200, None, 0.25, 0, 1_000, "request-1")


def refusal(*args, **kwargs):
    with pytest.raises(ConfigError) as caught:
        Ledger.open(*args, **kwargs)
    assert caught.value.exit_code is ExitCode.WRONG_CONFIGURATION
    return without_secrets(str(caught.value))


def without_secrets(said):
    assert said.startswith("The ledger postgresql://")
    assert "\n" not in said
    assert not any(part in said for part in ("pass-of", "the:ledger", "40the"))
    return said


def opened(*args, **kwargs):
    return closing(Ledger.open(*args, **kwargs))


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_every_way_to_write_the_address_leads_to_the_ledger(tmp_path, postgres_url, scheme):
    with opened(postgres_url.replace("postgresql", scheme, 1), tmp_path) as ledger:
        ledger.begin_run("target", "1", run="R").end(0)
    with opened(postgres_url, tmp_path, create=False) as ledger:
        assert [part.run for part in runs(ledger)] == ["R"]


def test_the_address_may_name_a_socket_and_what_libpq_knows(tmp_path, postgres):
    name = postgres.database()
    url = f"{postgres.socket_url(name)}&application_name=ledger-of-the-team&sslmode=disable"
    with opened(url, tmp_path) as ledger, ledger.database.read() as connection:
        asked = "SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()"
        assert connection.execute(text(asked)).scalar() == "ledger-of-the-team"


def test_the_ledger_is_asked_on_the_command_line(tmp_path, postgres_url, monkeypatch):
    with opened(postgres_url, tmp_path) as ledger:
        ledger.begin_run("target-powerbi", "1", run="R").end(0)
    monkeypatch.setenv("WHERE", postgres_url)
    answer = CliRunner().invoke(command, ["runs", "--ledger-url", "env:WHERE", "--state-dir", str(tmp_path)])
    assert answer.exit_code == 0
    assert "target-powerbi" in answer.output


WRONG = {
    "no server": (lambda server, name: server.url(name, port=closed_port()), "Connection refused"),
    "wrong password": (lambda server, name: server.url(name).replace(server.escaped, "pass-of-nobody"), "password"),
    "no password": (lambda server, name: server.url(name).replace(f":{server.escaped}", ""), "password"),
    "no such user": (lambda server, name: server.url(name).replace("team", "nobody"), "nobody"),
    "no such database": (lambda server, name: server.url(name + "x"), "does not exist"),
    "no such host": (lambda server, name: server.url(name).replace("127.0.0.1", "a..b"), "label"),
    "no such option": (lambda server, name: server.url(name) + "?sslmod=require", "sslmod"),
}


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@pytest.mark.parametrize("wrong", WRONG)
def test_an_address_that_leads_nowhere_is_refused_with_what_to_check(tmp_path, postgres, wrong, monkeypatch):
    monkeypatch.delenv("PGPASSWORD", raising=False)
    address, words = WRONG[wrong]
    said = refusal(address(postgres, postgres.database()), tmp_path)
    assert words in said
    assert "user, password and name in ledger_url" in said


def test_a_password_in_the_query_of_the_address_is_not_told(tmp_path, postgres):
    said = refusal(f"postgresql://127.0.0.1:{closed_port()}/ledger?user=team&password={postgres.escaped}", tmp_path)
    assert "/ledger can't be used" in said


def test_the_password_is_in_no_log_and_no_row(tmp_path, postgres, postgres_url, caplog):
    caplog.set_level(logging.DEBUG)
    with opened(postgres_url, tmp_path) as ledger:
        run = ledger.begin_run("target", "1")
        batch = run.write_batch("orders", "warehouse", [ROW])
        batch.unknown(f"{postgres.password} {postgres_url}")
        with ledger.database.read() as connection:
            [reason] = connection.execute(text("SELECT reason FROM batch_events WHERE reason <> ''")).scalars()
    assert "pass-of" not in caplog.text + reason


def test_a_server_that_takes_no_connection_is_given_up(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it listens, and never answers
        url = f"postgresql://team@127.0.0.1:{silent.getsockname()[1]}/ledger?connect_timeout=2"
        assert "timeout expired" in refusal(url, tmp_path)


def test_a_user_who_may_only_read_asks_the_ledger_and_writes_nothing(tmp_path, postgres):
    name = postgres.database()
    with opened(postgres.url(name), tmp_path) as ledger:
        ledger.begin_run("target", "1", run="R").end(0)
    with postgres.admin(name) as admin:
        admin.execute("DROP ROLE IF EXISTS reader")
        admin.execute("CREATE ROLE reader LOGIN")
        admin.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
        reader = postgres.socket_url(name).replace("team", "reader")
        with opened(reader, tmp_path, create=False) as ledger:
            assert [part.run for part in runs(ledger)] == ["R"]
        said = refusal(reader, tmp_path)
        assert "can't be written to by this user: permission denied for table" in said
        assert "INSERT" in said
        admin.execute("GRANT INSERT ON ALL TABLES IN SCHEMA public TO reader")
        with opened(reader, tmp_path) as ledger:
            ledger.begin_run("target", "1", run="S").end(0)
        admin.execute("DROP OWNED BY reader")


def test_a_server_that_only_reads_is_refused(tmp_path, postgres):
    name = postgres.database()
    with opened(postgres.url(name), tmp_path):
        pass
    with postgres.admin() as admin:
        admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    assert "read-only transaction" in refusal(postgres.url(name), tmp_path)
    with opened(postgres.url(name), tmp_path, create=False) as ledger:
        assert runs(ledger) == []


def test_tables_of_somebody_else_are_not_taken_for_the_ledgers(tmp_path, postgres):
    name = postgres.database()
    with postgres.admin(name) as admin:
        admin.execute("CREATE TABLE pages (title text)")
    said = refusal(postgres.url(name), tmp_path)
    assert "Make a database for the ledger alone" in said
    assert "is empty" in refusal(postgres.url(name), tmp_path, create=False)


def test_a_ledger_that_lost_a_table_is_refused(tmp_path, postgres):
    name = postgres.database()
    with opened(postgres.url(name), tmp_path):
        pass
    with postgres.admin(name) as admin:
        admin.execute("DROP TABLE batch_events")
    assert "is damaged or no ledger" in refusal(postgres.url(name), tmp_path)


def test_a_ledger_of_a_newer_version_is_refused_and_an_older_one_brought_forward(tmp_path, postgres_url, monkeypatch):
    def add_a_column(connection):
        connection.execute(text("ALTER TABLE pages ADD COLUMN delta_link TEXT"))

    newest = max(accounts.MIGRATIONS)
    with opened(postgres_url, tmp_path) as ledger:
        ledger.begin_run("target", "1").write_batch("orders", "warehouse", [ROW])
    with monkeypatch.context() as patched:
        patched.setattr(database, "MIGRATIONS", accounts.MIGRATIONS | {newest + 1: add_a_column})
        with opened(postgres_url, tmp_path) as ledger, ledger.database.read() as connection:
            assert connection.execute(select(func.max(VERSIONS.c.version))).scalar() == newest + 1
            assert len(ledger.unanswered("warehouse", "orders")) == 1
    assert f"is of version {newest + 1}" in refusal(postgres_url, tmp_path)


def test_a_step_that_fails_leaves_the_ledger_at_the_version_before(tmp_path, postgres_url, monkeypatch):
    def fails(connection):
        connection.execute(text("ALTER TABLE pages ADD COLUMN delta_link TEXT"))
        connection.execute(text("SELECT 1 / 0"))

    with opened(postgres_url, tmp_path):
        pass
    with monkeypatch.context() as patched:
        patched.setattr(database, "MIGRATIONS", accounts.MIGRATIONS | {max(accounts.MIGRATIONS) + 1: fails})
        assert "division by zero" in refusal(postgres_url, tmp_path)
    with opened(postgres_url, tmp_path) as ledger, ledger.database.read() as connection:
        asked = "SELECT count(*) FROM information_schema.columns WHERE column_name = 'delta_link'"
        assert connection.execute(text(asked)).scalar() == 0


def test_a_ledger_that_somebody_holds_is_refused_and_stops_a_run_before_the_batch_is_sent(tmp_path, postgres):
    name = postgres.database()
    with opened(postgres.url(name), tmp_path, lock_timeout_seconds=0.05) as ledger:
        batch = ledger.begin_run("target", "1").write_batch("orders", "warehouse", [ROW])
        with postgres.admin(name) as holder, holder.transaction():
            holder.execute("LOCK TABLE batch_events IN ACCESS EXCLUSIVE MODE")
            said = "is locked by another session for more than 0.05 seconds"
            assert said in refusal(postgres.url(name), tmp_path, lock_timeout_seconds=0.05)
            with pytest.raises(LedgerError, match=said):
                batch.pushing()
        assert batch.fates.rest is State.WRITTEN
        batch.pushing()


def test_a_process_that_hangs_while_it_makes_the_ledger_does_not_hold_up_others_for_ever(tmp_path, postgres):
    name = postgres.database()
    with postgres.admin(name) as hanging, hanging.transaction():
        hanging.execute("SELECT pg_advisory_xact_lock(%s)", [postgresql._MIGRATION_LOCK])
        said = refusal(postgres.url(name), tmp_path, lock_timeout_seconds=0.05)
    assert "is locked by another session" in said


def test_a_statement_that_takes_too_long_is_given_up(tmp_path, postgres_url, monkeypatch):
    with opened(postgres_url, tmp_path) as ledger:
        monkeypatch.setattr(postgresql, "STATEMENT_TIMEOUT_SECONDS", 0.05)
        with pytest.raises(LedgerError, match="took too long over a statement"), ledger.database.read() as connection:
            connection.execute(text("SELECT pg_sleep(60)"))


def test_a_full_disk_of_the_server_is_told_of(tmp_path, postgres_url):
    with opened(postgres_url, tmp_path) as ledger:
        raised = "DO $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$"
        with pytest.raises(LedgerError, match="the disk of its server is full"), ledger.database.write() as connection:
            connection.execute(text(raised))


def test_every_commit_waits_for_the_disk_whatever_the_server_does_by_itself(tmp_path, postgres):
    name = postgres.database()
    with postgres.admin() as admin:
        admin.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    with opened(postgres.url(name), tmp_path) as ledger, ledger.database.write(durable=True) as connection:
        assert connection.execute(text("SHOW synchronous_commit")).scalar() == "on"


def test_the_order_of_the_tables_is_that_of_characters_and_not_of_a_language(tmp_path, postgres_url):
    with opened(postgres_url, tmp_path) as ledger:
        run = ledger.begin_run("tap", "1", run="R")
        for stream in ("b", "a-c", "B", "ab"):
            run.page(stream, number=1, rows=1, query="x")
        run.flush()
        assert list(balance(ledger, "R").pulled) == ["B", "a-c", "ab", "b"]


def test_a_batch_costs_few_questions_of_the_server(tmp_path, postgres_url):
    asked = []
    with opened(postgres_url, tmp_path) as ledger:
        run = ledger.begin_run("target", "1")
        event.listen(ledger.database._engine, "before_cursor_execute", lambda *said: asked.append(said[2]))
        batch = run.write_batch("orders", "warehouse", [ROW] * 1_000)
        batch.pushing()
        batch.acknowledged()
    assert len(asked) == 3 * 1 + 5  # three transactions with their limits, and an insert for each table of each


def test_a_server_too_busy_for_another_connection_is_told_of(tmp_path, postgres):
    name = postgres.database()
    with postgres.admin() as admin:
        admin.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 1")
        with psycopg.connect(postgres.socket_url(name)):
            assert "too many connections" in refusal(postgres.url(name), tmp_path)
