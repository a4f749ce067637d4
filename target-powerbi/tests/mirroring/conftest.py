"""A landing zone, a pipe into the target, and the replicator that makes tables of what is in it."""

from __future__ import annotations

import contextlib
import io
import json
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow.parquet as pq
import pytest
from ifs_bi_core.dead_letter.store import DeadLetters
from ifs_bi_core.http.client import Surroundings
from ifs_bi_core.ledger import history
from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_core.singer.lines import encode
from ifs_bi_sandbox.fabric.replicator import Replicated, apply
from target_powerbi.target import TargetPowerBI

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION = "_ifs_row_version"
ORDERS = {
    "OrderNo": {"type": "string"},
    "Amount": {"type": ["number", "null"], "multipleOf": 0.01, "precision": 18, "scale": 2},
    "Note": {"type": ["string", "null"]},
    VERSION: {"type": ["string", "null"], "format": "date-time"},
}
KEY = ("OrderNo",)


class Mirror:
    """Says what a tap says, feeds it to the target, and looks at the files and at the tables that they make."""

    def __init__(self, folder: Path) -> None:
        self.zone = folder / "zone"
        self.database = folder / "mirrored.duckdb"
        self.state_dir = folder / "kept"
        self.out = ""
        self.code: int | None = None
        self.waits: list[float] = []
        self.config: dict[str, Any] = {
            "destination": "fabric_mirroring",
            "landing_zone_url": f"file://{self.zone}",
            "state_dir": str(self.state_dir),
        }

    # What a tap says

    @staticmethod
    def schema(stream: str = "orders", properties: dict[str, Any] | None = None, keys: tuple[str, ...] = KEY) -> dict:
        definition = {"type": "object", "properties": properties or ORDERS}
        return {"type": "SCHEMA", "stream": stream, "schema": definition, "key_properties": list(keys)}

    @staticmethod
    def record(row: dict[str, Any], stream: str = "orders", version: int | None = None) -> dict[str, Any]:
        message = {"type": "RECORD", "stream": stream, "record": row}
        return message if version is None else message | {"version": version}

    @staticmethod
    def order(number: int | str, amount: Any = 1, version: int | None = None, **values: Any) -> dict[str, Any]:
        return Mirror.record({"OrderNo": str(number), "Amount": amount, **values}, version=version)

    @staticmethod
    def gone(number: int | str, **values: Any) -> dict[str, Any]:
        return Mirror.record({"OrderNo": str(number), "_sdc_deleted_at": "2026-11-20T12:00:00Z", **values})

    @staticmethod
    def state(value: Any) -> dict[str, Any]:
        return {"type": "STATE", "value": {"bookmark": value}}

    @staticmethod
    def activate(version: int, stream: str = "orders") -> dict[str, Any]:
        return {"type": "ACTIVATE_VERSION", "stream": stream, "version": version}

    # What the target does with it

    def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    def target(self, **changes: Any) -> TargetPowerBI:
        """A target whose waits take no time."""
        surroundings = Surroundings(lambda: sum(self.waits), self._sleep, random.Random(1).random)
        kind = type("TargetInTest", (TargetPowerBI,), {"surroundings": surroundings})
        config = {name: value for name, value in (self.config | changes).items() if value is not None}
        target = kind(config=config)
        assert isinstance(target, TargetPowerBI)
        return target

    def feed(self, *messages: dict[str, Any], **changes: Any) -> list[dict[str, Any]]:
        """Run the target over the messages; the states that it let go, which are in `out` after an error too."""
        target = self.target(**changes)
        out = io.StringIO()
        lines = b"".join(encode(message) + b"\n" for message in messages)
        try:
            with contextlib.redirect_stdout(out), target.account.closing(target.exit_code):
                try:
                    target.listen(io.BytesIO(lines))
                except BaseException:
                    for sink in target.row_sinks():
                        sink.abandon()
                    raise
            self.code = target.exit_code()
        finally:
            self.out = out.getvalue()
            target.close()
        return [json.loads(line) for line in self.out.splitlines()]

    # What came of it

    def files(self, table: str = "orders") -> list[int]:
        """The numbers of a table's files."""
        return sorted(int(path.stem) for path in (self.zone / table).glob("[0-9]*.parquet"))

    def file(self, number: int, table: str = "orders") -> list[dict[str, Any]]:
        """The rows of a file with their markers."""
        return pq.read_table(self.zone / table / f"{number:020}.parquet").to_pylist()

    def apply(self) -> Replicated:
        return apply(self.zone, self.database)

    def rows(self, table: str = "orders", columns: str = "*") -> list[tuple[Any, ...]]:
        """The rows of a table after all files were applied."""
        self.apply()
        with duckdb.connect(str(self.database)) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return connection.execute(f'SELECT {columns} FROM "{table}" ORDER BY ALL').fetchall()

    def amounts(self) -> dict[str, Any]:
        """Order number → amount; a doubled row is an error."""
        rows = self.rows(columns='"OrderNo", "Amount"') if self.files() else []
        assert len(dict(rows)) == len(rows), f"doubled rows: {rows}"
        return {key: amount if amount is None or amount % 1 else int(amount) for key, amount in rows}

    def dead(self) -> list[tuple[str | None, str]]:
        """Key and reason of every dead letter's rows."""
        letters = DeadLetters(self.state_dir)
        return [(row.key, row.reason) for letter in letters.letters() for row in letters.details(letter.id)]

    def check_ledger(self) -> None:
        """Every run balances."""
        with contextlib.closing(Ledger.open(None, self.state_dir)) as ledger:
            found = [history.balance(ledger, part.run) for part in history.runs(ledger)]
        assert found
        assert all(balance.holds for balance in found)


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return Mirror(tmp_path)


@pytest.fixture(scope="session")
def new_mirror(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Mirror]:
    """Makes mirrors, for laws that need one for each example."""
    return lambda: Mirror(tmp_path_factory.mktemp("mirror"))
