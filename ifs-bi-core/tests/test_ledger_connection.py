"""A ledger whose server or network fails in the middle: the run stops before the batch is sent, and the next one recovers."""

import socket
import threading
from contextlib import closing, contextmanager, suppress
from dataclasses import replace

import pytest
from ifs_bi_core.errors import ConfigError, ExitCode
from ifs_bi_core.http.policies import Attempt
from ifs_bi_core.ledger import postgresql
from ifs_bi_core.ledger.accounts import ATTEMPTS
from ifs_bi_core.ledger.database import LedgerError
from ifs_bi_core.ledger.history import balance
from ifs_bi_core.ledger.outcomes import State
from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_core.ledger.trail import TrailRow
from sqlalchemy import select

ROW = TrailRow('{"OrderNo":"1"}', payload="{}")
ATTEMPT = Attempt("orders page 1", "GET", 200, None, 0.25, 0, 1_000, "request-1")


def opened(*args, **kwargs):
    return closing(Ledger.open(*args, **kwargs))


class Relay:
    """Stands between a client and the server, and does what networks do."""

    def __init__(self, port):
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.swallow = None  # the server's answers, from the first question with these bytes on
        self.swallowed = threading.Event()
        self.cut: bytes | None = None  # the connection, at the first question with these bytes
        self._sockets = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            self._sockets += client, server
            silent = threading.Event()
            threading.Thread(target=self._ask, args=(client, server, silent), daemon=True).start()
            threading.Thread(target=self._answer, args=(server, client, silent), daemon=True).start()

    def _ask(self, client, server, silent):
        with closing_both(client, server):
            while asked := client.recv(1 << 16):
                if self.swallow and self.swallow in asked:
                    silent.set()
                if self.cut and self.cut in asked:
                    self.cut = None
                    return
                server.sendall(asked)

    def _answer(self, server, client, silent):
        with closing_both(client, server):
            while answer := server.recv(1 << 16):
                if not silent.is_set():
                    client.sendall(answer)
                else:
                    self.swallowed.set()

    def hang_up(self):
        """Break every connection, and take no new one."""
        for connection in (self._listener, *self._sockets):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()


@contextmanager
def closing_both(*connections):
    with suppress(OSError):
        yield
    for connection in connections:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def relay(postgres):
    made = Relay(postgres.port)
    yield made
    made.hang_up()


def test_a_server_that_falls_silent_is_given_up_before_the_batch_is_sent(tmp_path, postgres, relay, monkeypatch):
    url = postgres.url(postgres.database(), port=relay.port)
    monkeypatch.setattr(postgresql, "SILENCE_TIMEOUT_SECONDS", 0.3)
    with opened(url, tmp_path) as ledger:
        batch = ledger.begin_run("target", "1").write_batch("orders", "warehouse", [ROW])
        relay.swallow = b"INSERT INTO batch_events"
        with pytest.raises(LedgerError, match=r"no answer for 0\.3 seconds") as caught:
            batch.pushing()
        assert "pass-of" not in str(caught.value)
        assert batch.fates.rest is State.WRITTEN
        relay.swallow = None
        batch.pushing()  # over a new connection
    with opened(url, tmp_path) as ledger:
        [found] = ledger.unanswered("warehouse", "orders")
        assert found.pushes == 1


def test_a_server_that_falls_silent_after_the_password_is_refused(tmp_path, postgres, relay, monkeypatch):
    monkeypatch.setattr(postgresql, "SILENCE_TIMEOUT_SECONDS", 0.3)
    relay.swallow = b"version()"  # the first question of every connection
    with pytest.raises(LedgerError, match=r"no answer for 0\.3 seconds"):
        Ledger.open(postgres.url(postgres.database(), port=relay.port), tmp_path)


@pytest.mark.parametrize("question", [b"BEGIN", b"pg_advisory_xact_lock", b"COMMIT"])
def test_a_connection_that_breaks_while_the_ledger_is_opened_is_no_wrong_setting(tmp_path, postgres, relay, question):
    url = postgres.url(postgres.database(), port=relay.port)
    relay.cut = question
    with pytest.raises(LedgerError, match="server closed the connection") as caught:
        Ledger.open(url, tmp_path)
    assert caught.value.exit_code is ExitCode.FAILED
    with opened(url, tmp_path):
        assert relay.cut is None


def test_who_is_stopped_while_the_ledger_is_closed_leaves_no_traceback(tmp_path, postgres_url, caplog, monkeypatch):
    def stopped(_):
        raise KeyboardInterrupt

    ledger = Ledger.open(postgres_url, tmp_path)
    monkeypatch.setattr("psycopg.Connection.close", stopped)
    with pytest.raises(KeyboardInterrupt):
        ledger.close()
    assert caplog.messages == []


def test_a_connection_that_breaks_is_made_anew_for_the_next_account(tmp_path, postgres):
    name = postgres.database()
    with opened(postgres.url(name), tmp_path) as ledger:
        batch = ledger.begin_run("target", "1").write_batch("orders", "warehouse", [ROW])
        with postgres.admin() as admin:
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        batch.pushing()
        assert balance(ledger, batch.run).streams[0].unknown == 1


@pytest.mark.parametrize("committed", [True, False])
def test_what_waited_is_written_once_whether_or_not_the_broken_connection_had_committed_it(
    tmp_path, postgres, relay, committed, monkeypatch
):
    url = postgres.url(postgres.database(), port=relay.port)
    monkeypatch.setattr(postgresql, "SILENCE_TIMEOUT_SECONDS", 0.3)
    with opened(url, tmp_path) as ledger:
        run = ledger.begin_run("tap", "1")
        for number in range(3):
            run.attempt(replace(ATTEMPT, request_id=f"{number}"), service="IFS Cloud")
        relay.swallow = b"COMMIT\0" if committed else b"INSERT INTO attempts"
        with pytest.raises(LedgerError):
            run.flush()
        assert relay.swallowed.wait(10)
        relay.swallow = None
        run.attempt(replace(ATTEMPT, request_id="later"), service="IFS Cloud")
        run.flush()
        with ledger.database.read() as connection:
            asked = select(ATTEMPTS.c.request_id).order_by(ATTEMPTS.c.id)
            assert list(connection.execute(asked).scalars()) == ["0", "1", "2", "later"]


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_server_that_stops_in_the_middle_stops_the_run_and_the_next_one_recovers(tmp_path, postgres, mode):
    url = postgres.url(postgres.database())
    with opened(url, tmp_path) as ledger:
        run = ledger.begin_run("target", "1", run="R")
        sent, waiting = (run.write_batch("orders", "warehouse", [ROW]) for _ in range(2))
        sent.pushing()
        postgres.stop(mode)
        try:
            for act in (sent.acknowledged, waiting.pushing, lambda: run.end(1)):
                with pytest.raises(LedgerError, match="can't be used") as caught:
                    act()
                assert caught.value.exit_code is ExitCode.FAILED
                assert "pass-of" not in str(caught.value)
            with pytest.raises(ConfigError, match="Check that its server runs"):
                Ledger.open(url, tmp_path)
        finally:
            postgres.start()
    with opened(url, tmp_path) as ledger:
        ledger.begin_run("target", "1", run="S")
        found = ledger.unanswered("warehouse", "orders")
        assert [(batch.id, batch.fates.rest) for batch in found] == [
            (sent.id, State.PUSHING),
            (waiting.id, State.WRITTEN),
        ]
        found[0].acknowledged()
        found[1].withdrawn("it never left")
        assert balance(ledger, "R").holds
        assert ledger.unanswered("warehouse", "orders") == []


def test_a_server_that_restarts_between_two_batches_is_not_noticed(tmp_path, postgres):
    with opened(postgres.url(postgres.database()), tmp_path) as ledger:
        run = ledger.begin_run("target", "1")
        run.write_batch("orders", "warehouse", [ROW]).pushing()
        postgres.stop()
        postgres.start()
        run.write_batch("orders", "warehouse", [ROW]).pushing()
        assert balance(ledger, run.id).streams[0].unknown == 2
