"""What is measured against the sandbox: target-powerbi's own cost, and a run that finds nothing new."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import msgspec
import pyarrow as pa
from fingerprints import COLUMNS, fingerprint_sql, found
from programs import OURS, TAP, Program
from running import Taken, WrongError

if TYPE_CHECKING:
    from pathlib import Path

    from running import Bench

_STREAMS = ("customers", "suppliers", "sites", "purchase_orders", "purchase_order_lines", "customer_orders")
_STREAMS += ("customer_order_lines", "supplier_invoices", "gl_voucher_rows")
_NAMES = ("tenant_id", "client_id", "client_secret", "workspace_id", "authority_host", "api_url")


@dataclass(frozen=True)
class LoadPowerBI:
    """target-powerbi sends rows from a file to a stand-in; the stand-in's own CPU is not counted, its time is.

    Attributes:
        target: the program.
        share: of all rows.
    """

    target: Program
    share: float

    @property
    def name(self) -> str:
        """The target's."""
        return self.target.name

    @property
    def kind(self) -> str:
        """The target's."""
        return self.target.kind

    def once(self, bench: Bench) -> Taken:
        """Send into a new dataset."""
        rows, folder, world = int(bench.sizes.rows * self.share), bench.new_folder(), bench.sandbox.world
        given = bench.sandbox.environment()
        settings = {name: given[f"POWERBI_{name.upper()}"] for name in _NAMES} | {"dataset_name": "Bench"}
        taken = bench.run(self.target, settings, folder, bench.lines(rows), folder / "state")
        (dataset,) = world.powerbi.values()
        held = dataset.tables["order_lines"]
        texts = [[None if value is None else str(value) for value in row] for row in held.rows]
        columns = [pa.array(column, pa.string()) for column in zip(*texts, strict=True)]
        with duckdb.connect() as connection:
            connection.register("held", pa.Table.from_arrays(columns, list(held.columns)))
            query = fingerprint_sql("duckdb", {name: f'"{name}"' for name in COLUMNS}, "held")
            loaded = found(connection.execute(query).fetchone())
        world.powerbi.clear()
        world.requests.clear()
        bench.agree(self.name, loaded, rows)
        return Taken(rows, taken["seconds"], taken["cpu_seconds"], (taken["peak_mb"],))


@dataclass(frozen=True)
class NothingNew:
    """Our tap reads nine streams from the state of a run before, and nothing has changed since.

    Attributes:
        name: for the table.
        kind: whose it is.
    """

    name: str = "tap-ifs-cloud, nine streams"
    kind: str = "ours"

    def once(self, bench: Bench) -> Taken:
        """Read twice; the second run counts."""
        folder, box = bench.new_folder(), bench.sandbox
        settings: dict[str, Any] = {**OURS, "streams": list(_STREAMS)}
        settings |= _access(box.environment())
        bench.run(TAP, settings, folder, None, folder / "first")
        before, state = _said(folder / "first")
        (folder / "state.json").write_bytes(state)
        box.world.requests.clear()
        taken = bench.run(TAP, settings, folder, None, folder / "second", "--state", str(folder / "state.json"))
        again, _ = _said(folder / "second")
        asked = sum(
            request["service"] == "ifs" and "$metadata" not in request["path"] for request in box.world.requests
        )
        if not before or again - before:
            raise WrongError(f"{len(again - before)} of {len(again)} rows are new, of {len(before)} before")
        return Taken(
            0, taken["seconds"], taken["cpu_seconds"], (taken["peak_mb"],), notes={"questions for rows": asked}
        )


@dataclass(frozen=True)
class NoRows:
    """Any tap reads a set without rows: little more than its start."""

    tap: Program
    kind: str = "peer"

    @property
    def name(self) -> str:
        """What it does."""
        return f"{self.tap.name}, a set without rows"

    def once(self, bench: Bench) -> Taken:
        """Read."""
        folder = bench.new_folder()
        taken = bench.run(self.tap, self.tap.settings(bench.pages(0)), folder, None, folder / "lines")
        return Taken(0, taken["seconds"], taken["cpu_seconds"], (taken["peak_mb"],))


def _access(given: dict[str, str]) -> dict[str, str]:
    """The settings that lead the tap to the sandbox."""
    return {name: given[f"IFS_{name.upper()}"] for name in ("base_url", "realm", "client_id", "client_secret")}


def _said(file: Path) -> tuple[set[tuple[str, bytes]], bytes]:
    """The records of a tap's output, and its last state."""
    kind = msgspec.json.Decoder(dict[str, msgspec.Raw])
    messages = [kind.decode(line) for line in file.read_bytes().splitlines()]
    records = {
        (bytes(message["stream"]).decode(), bytes(message["record"]))
        for message in messages
        if bytes(message["type"]) == b'"RECORD"'
    }
    states = [bytes(message["value"]) for message in messages if bytes(message["type"]) == b'"STATE"']
    return records, states[-1]
