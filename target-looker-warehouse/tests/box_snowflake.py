"""Snowflake as far as it can be tried here: the vendor's own connector, over the wire, against the server of fakesnow."""

from __future__ import annotations

import re
import signal
import subprocess
from contextlib import closing
from functools import cached_property
from itertools import count
from pathlib import Path
from threading import Thread, Timer
from typing import TYPE_CHECKING, Any

import emulator_gaps
import pytest
from boxes import Box, canonical
from snowflake import connector
from target_looker_warehouse.dialects.snowflake import SNOWFLAKE

if TYPE_CHECKING:
    from collections.abc import Iterator

PYTHON = Path(__file__).parents[2] / ".envs" / "fakesnow" / "bin" / "python"
_START_SECONDS = 60

GAPS = emulator_gaps.SNOWFLAKE.cases
"""Cases of the conformance suite that fakesnow can't run, with the reason; golden SQL stands in for them."""

OTHERWISE = {
    "numbers widen and keep their values": {
        "s": [{"id": "1", "n": str(2**62)}, {"id": "2", "n_v2": "0.01"}, {"id": "3", "n": "7"}]
    },
}
"""Tables of cases that Snowflake, whose NUMBER keeps the decimals that it has, leaves otherwise."""


class Fakesnow:
    """The server, for all tests of a session. Its databases are in memory, and come into being when they are named."""

    password = "pass-of@the:snow/1"
    escaped = "pass-of%40the%3Asnow%2F1"

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [PYTHON, Path(__file__).with_name("fakesnow_server.py")],
            stdout=subprocess.DEVNULL,  # a line for each request
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env={"TMPDIR": str(folder), "HOME": str(folder)},
        )
        self._numbers = count(1)
        late = Timer(_START_SECONDS, self._process.kill)
        late.start()
        said = []
        for line in self._process.stderr:
            said.append(line)
            if running := re.search(r"Uvicorn running on http://127\.0\.0\.1:(\d+)", line):
                self.port = int(running[1])
                break
        else:
            raise AssertionError(f"fakesnow did not start: {''.join(said)}")
        late.cancel()
        Thread(target=self._process.stderr.read, daemon=True).start()  # a full pipe would stop it

    def database(self) -> str:
        """The name of a new and empty database."""
        return f"TEST{next(self._numbers)}"

    def url(self, database: str, port: int | None = None, **more: str) -> str:
        options = {
            "host": "127.0.0.1",
            "port": str(port or self.port),
            "protocol": "http",
            "network_timeout": "5",
        } | more
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return f"snowflake://team:{self.escaped}@fakesnow/{database}?{query}"

    def connect(self, database: str) -> connector.SnowflakeConnection:
        return connector.connect(
            user="reader",
            password="anything",
            account="fakesnow",
            database=database,
            schema="PUBLIC",
            host="127.0.0.1",
            port=self.port,
            protocol="http",
            network_timeout=5,
            paramstyle="qmark",
        )

    def close(self) -> None:
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class SnowflakeBox(Box):
    """A database of its own."""

    dialect = SNOWFLAKE
    main = "PUBLIC"

    def __init__(self, folder: Path, server: Fakesnow) -> None:
        self.server = server
        self.database = server.database()
        super().__init__(folder, server.url(self.database))
        self.config |= {"identifier_case": "keep", "views": False}  # tests that are about these say otherwise

    @cached_property
    def _reader(self) -> connector.SnowflakeConnection:
        """One session for all that a test looks at: each takes a tenth of a second."""
        return self.server.connect(self.database)

    def query(self, text: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with closing(self._reader.cursor()) as cursor:
            return cursor.execute(re.sub(r"\$\d", "?", text) if parameters else text, parameters or None).fetchall()

    def run(self, text: str) -> None:
        self.query(text)

    def rows(self, table: str, schema: str | None = None) -> list[dict[str, str]]:
        """The rows; what looks like JSON is text here, and is shown as other warehouses' JSON."""
        found = super().rows(table, schema)
        return sorted(
            (
                {name: canonical(value) if value[:1] in {"{", "["} else value for name, value in row.items()}
                for row in found
            ),
            key=repr,
        )

    def close(self) -> None:
        if "_reader" in vars(self):
            self._reader.close()


@pytest.fixture(scope="session")
def fakesnow(tmp_path_factory) -> Iterator[Fakesnow]:
    server = Fakesnow(tmp_path_factory.mktemp("fakesnow"))
    yield server
    server.close()


@pytest.fixture
def snowflake_box(tmp_path, fakesnow) -> Iterator[SnowflakeBox]:
    box = SnowflakeBox(tmp_path, fakesnow)
    yield box
    box.close()
