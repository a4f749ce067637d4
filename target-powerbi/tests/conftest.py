"""A real Power BI stand-in on a port, and a pipe into the target."""

from __future__ import annotations

import contextlib
import io
import sys
import time
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ifs_bi_core.dead_letter.store import DeadLetters
from ifs_bi_core.http.client import Surroundings
from ifs_bi_core.ledger import history
from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_core.singer.lines import encode
from ifs_bi_sandbox.faults import Fault
from ifs_bi_sandbox.powerbi.limits import Spent
from ifs_bi_sandbox.servers import Sandbox
from ifs_bi_sandbox.world import Switches
from target_powerbi.target import TargetPowerBI

sys.path.insert(0, str(Path(__file__).parent))  # for helpers: importlib mode doesn't add a test's folder

from powerbi_verbs import orders, verb  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ifs_bi_sandbox.powerbi.datasets import Dataset

ORDERS = {
    "OrderNo": {"type": "string"},
    "Amount": {"type": ["number", "null"], "multipleOf": 0.01, "precision": 18, "scale": 2},
    "Ordered": {"type": ["string", "null"], "format": "date"},
    "Lines": {"type": ["integer", "null"]},
}
KEY = ("OrderNo",)
BATCH = "_ifs_batch"  # hidden: nobody who builds a report sees it


class VirtualTime:
    """Time that passes as fast as it is waited for."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def clock(self) -> float:
        return time.time() + sum(self.waits)

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


class Pipe:
    """Says what a tap says, feeds it to the target, and looks at what the service was asked and shows."""

    def __init__(self, box: Sandbox, folder: Path) -> None:
        self.box = box
        self.world = box.world
        self.time = VirtualTime()
        self.out = ""
        self.code: int | None = None
        switches = box.world.switches
        self.config: dict[str, Any] = {
            "tenant_id": switches.tenant_id,
            "client_id": switches.powerbi_client_id,
            "client_secret": switches.powerbi_client_secret,
            "workspace_id": switches.workspace_id,
            "dataset_name": "Purchasing",
            "authority_host": box.login_url,
            "api_url": box.powerbi_url,
            "state_dir": str(folder / "kept"),
        }

    @staticmethod
    def schema(
        stream: str = "orders", properties: dict[str, Any] | None = None, keys: tuple[str, ...] = KEY
    ) -> dict[str, Any]:
        definition = {"type": "object", "properties": properties or ORDERS}
        return {"type": "SCHEMA", "stream": stream, "schema": definition, "key_properties": list(keys)}

    @staticmethod
    def record(row: dict[str, Any], stream: str = "orders", version: int | None = None) -> dict[str, Any]:
        message = {"type": "RECORD", "stream": stream, "record": row}
        return message if version is None else message | {"version": version}

    @staticmethod
    def order(number: int | str, amount: Any = 1, **values: Any) -> dict[str, Any]:
        return Pipe.record({"OrderNo": str(number), "Amount": amount, **values})

    @staticmethod
    def gone(number: int | str, **values: Any) -> dict[str, Any]:
        return Pipe.record({"OrderNo": str(number), "_sdc_deleted_at": "2026-11-20T12:00:00Z", **values})

    @staticmethod
    def state(value: Any) -> dict[str, Any]:
        return {"type": "STATE", "value": {"bookmark": value}}

    @staticmethod
    def activate(version: int, stream: str = "orders") -> dict[str, Any]:
        return {"type": "ACTIVATE_VERSION", "stream": stream, "version": version}

    @staticmethod
    def lines(*messages: dict[str, Any]) -> bytes:
        return b"".join(encode(message) + b"\n" for message in messages)

    def target(self, **changes: Any) -> TargetPowerBI:
        """A target whose waits take no time."""
        surroundings = Surroundings(self.time.clock, self.time.sleep, lambda: 0.5)
        kind = type("TargetInTest", (TargetPowerBI,), {"surroundings": surroundings})
        config = {name: value for name, value in (self.config | changes).items() if value is not None}
        target = kind(config=config)
        assert isinstance(target, TargetPowerBI)
        return target

    def feed(self, *messages: dict[str, Any], **changes: Any) -> str:
        """Run the target over the messages; what it wrote to stdout, which is in `out` after an error too.

        The exit code of a run that came to its end is in `code`.
        """
        self.world.requests.clear()
        target = self.target(**changes)
        out = io.StringIO()
        try:
            with contextlib.redirect_stdout(out), target.account.closing(target.exit_code):
                target.listen(io.BytesIO(self.lines(*messages)))
            self.code = target.exit_code()
        finally:
            self.out = out.getvalue()
            target.close()
        return self.out

    def fault(self, kind: str, *, method: str | None = None, path: str | None = None, **how: Any) -> None:
        """Script a fault of Power BI."""
        self.world.faults.append(Fault(how.pop("service", "powerbi"), kind, method=method, path=path, **how))

    def dataset(self) -> Dataset:
        """The one dataset of the workspace."""
        (dataset,) = self.world.powerbi.values()
        return dataset

    def rows(self, table: str = "orders") -> list[dict[str, Any]]:
        """What a table shows, without blanks, in the order of its first column."""
        found = self.dataset().tables[table]
        shown = [
            {name: value for name, value in zip(found.columns, row, strict=True) if value is not None and name != BATCH}
            for row in found.rows
        ]
        return sorted(shown, key=lambda row: str(next(iter(row.values()), "")))

    def amounts(self) -> dict[str, Any]:
        """Order number → amount; a doubled row is an error."""
        rows = self.rows()
        assert len({row["OrderNo"] for row in rows}) == len(rows), f"doubled rows: {rows}"
        return {row["OrderNo"]: row.get("Amount") for row in rows}

    def came(self, table: str = "orders") -> list[dict[str, Any]]:
        """The rows of a table in the order in which they came, without blanks; none where it is not there."""
        found = [dataset.tables[table] for dataset in self.world.powerbi.values() if table in dataset.tables]
        rows = [dict(zip(held.columns, row, strict=True)) for held in found for row in held.rows]
        return [{name: value for name, value in row.items() if value is not None} for row in rows]

    @staticmethod
    def sums(rows: Iterable[dict[str, Any]]) -> Counter[tuple[tuple[str, Any], ...]]:
        """How often each content counts by its `_sign`; what sums to nothing is left out."""
        total: Counter[tuple[tuple[str, Any], ...]] = Counter()
        for row in rows:
            assert row["_sign"] in {1, -1}
            total[tuple(sorted((name, value) for name, value in row.items() if name not in {"_sign", BATCH}))] += row[
                "_sign"
            ]
        return Counter({content: times for content, times in total.items() if times})

    def counting(self, rows: Iterable[dict[str, Any]] | None = None) -> dict[str, Any]:
        """Order number → amount of the rows that count by their `_sign`; that one counts twice is an error."""
        found = self.sums(self.came() if rows is None else rows)
        assert set(found.values()) <= {1}, found
        shown = [dict(content) for content in found]
        assert len({row["OrderNo"] for row in shown}) == len(shown), f"two rows of one key count: {shown}"
        return {row["OrderNo"]: row.get("Amount") for row in shown}

    def moments(self) -> Iterator[dict[str, Any]]:
        """What people saw after each POST of a table that was only ever appended to: each POST has its name."""
        so_far: list[dict[str, Any]] = []
        for _, rows in groupby(self.came(), key=lambda row: row[BATCH]):
            so_far += rows
            yield self.counting(so_far)

    def calls(self, method: str | None = None, end: str = "") -> list[str]:
        """What Power BI was asked since the last feeding began: method and end of the path."""
        return [
            f"{call['method']} {call['path'].rpartition('/groups/')[2].partition('/')[2]}"
            for call in self.world.requests
            if call["service"] == "powerbi" and method in {None, call["method"]} and call["path"].endswith(end)
        ]

    def kept_file(self) -> Path:
        """The file of the kept rows."""
        (file,) = Path(self.config["state_dir"]).glob("powerbi-*.db")
        return file

    def dead(self) -> list[tuple[str | None, str]]:
        """Key and reason of every dead letter's rows."""
        letters = DeadLetters(Path(self.config["state_dir"]))
        rows = [row for letter in letters.letters() for row in letters.details(letter.id)]
        return [(row.key, row.reason) for row in rows]

    def pushes(self, stream: str = "orders") -> list[history.Push]:
        """What the ledger says of every batch of a stream, oldest first."""
        with contextlib.closing(Ledger.open(None, Path(self.config["state_dir"]))) as ledger:
            found = [push for run in history.runs(ledger) for push in history.show(ledger, run.run).batches]
        return sorted((push for push in found if push.stream == stream), key=lambda push: (push.at, push.batch))


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(scale=300) as box:
        yield box


@pytest.fixture
def pipe(sandbox: Sandbox, tmp_path: Path) -> Pipe:
    world = sandbox.world
    world.switches = Switches()
    world.now = time.time
    world.powerbi_queries = Spent()
    for kept in (world.faults, world.requests, world.powerbi, world.powerbi_tokens):
        kept.clear()
    return Pipe(sandbox, tmp_path)
