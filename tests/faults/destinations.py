"""The destinations by name: how the target is configured for each, and what it shows afterwards.

How often each is drawn is said in `faults.scripts`, and the services that it needs by `faults.scripts.Script.services`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb
import psycopg
from faults.landscape import ZONE, Landscape
from ifs_bi_sandbox.fabric.replicator import apply
from pipeline.destinations import OURS
from pipeline.scenes import BATCH, SIGN
from pipeline.tenant import Key, Shown

WAREHOUSE, POWERBI = "target-looker-warehouse", "target-powerbi"
Rows = dict[str, list[dict[str, Any]]]
"""Every row of every table, by the table's name."""


@dataclass(frozen=True)
class Destination:
    """A kind of destination.

    Attributes:
        target: the command that loads it.
        settings: of the target.
        rows: what it holds.
        strays: what it holds and should not: tables of a load that is over, files that are not whole.
    """

    target: str
    settings: Callable[[Landscape], dict[str, Any]]
    rows: Callable[[Landscape], Rows]
    strays: Callable[[Landscape], list[str]]

    def shown(self, landscape: Landscape) -> Shown:
        """What it shows of each stream: by key, the stage and the text."""
        return {stream: _by_key(stream, rows) for stream, rows in self.rows(landscape).items()}


def _by_key(stream: str, rows: Iterable[Mapping[str, Any]]) -> dict[Key, tuple[str, str]]:
    found: dict[Key, tuple[str, str]] = {}
    for row in rows:
        key = (row["Company"], int(row["No"]))
        if key in found:
            raise ValueError(f"{stream} shows {key} twice")
        found[key] = (row.get("stage") or "", row["Text"])
    return found


def _live(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row.get("_sdc_deleted_at") is None]


@contextmanager
def _duckdb(landscape: Landscape) -> Iterator[Any]:
    with duckdb.connect(str(landscape.folder / "warehouse.duckdb"), read_only=True) as connection:
        yield connection


@contextmanager
def _postgresql(landscape: Landscape) -> Iterator[Any]:
    with closing(psycopg.connect(landscape.server.url(landscape.database))) as connection:
        yield connection


_TABLES = (
    "SELECT table_schema, table_name FROM information_schema.tables "
    "WHERE table_type <> 'VIEW' AND table_schema NOT IN ('pg_catalog', 'information_schema')"
)
_MAIN = {"main", "public"}


def _warehouse_rows(connect: Callable[[Landscape], Any]) -> Callable[[Landscape], Rows]:
    def rows(landscape: Landscape) -> Rows:
        found = {}
        with connect(landscape) as connection:
            names = {name for schema, name in connection.execute(_TABLES).fetchall() if schema in _MAIN}
            for name in (names - OURS) & set(landscape.script.streams):
                cursor = connection.execute(f'SELECT * FROM "{name}"')
                columns = [column[0] for column in cursor.description]
                found[name] = _live(dict(zip(columns, row, strict=True)) for row in cursor.fetchall())
        return found

    return rows


def _warehouse_strays(connect: Callable[[Landscape], Any]) -> Callable[[Landscape], list[str]]:
    def strays(landscape: Landscape) -> list[str]:
        known = OURS | set(landscape.script.streams)
        with connect(landscape) as connection:
            found = connection.execute(_TABLES).fetchall()
        return [f"table {schema}.{name}" for schema, name in found if schema not in _MAIN or name not in known]

    return strays


def _dataset_rows(landscape: Landscape) -> Rows:
    """Signed rows as what they sum to."""
    found: Rows = {}
    for dataset in landscape.world.powerbi.values():
        for name, table in dataset.tables.items():
            columns = list(table.columns)
            sums: dict[tuple[Any, ...], int] = {}
            for values in table.rows:
                row = dict(zip(columns, values, strict=True))
                sign = row.pop(SIGN, 1)
                row.pop(BATCH, None)
                shown = tuple(row.items())
                sums[shown] = sums.get(shown, 0) + sign
            found[name] = [dict(shown) for shown, count in sums.items() for _ in range(abs(count))]
    return found


def _versions(landscape: Landscape) -> Rows:
    """Of versions that are appended, the last one of each row that is not gone; one that is there twice stays twice."""
    found = {}
    for name, rows in _dataset_rows(landscape).items():
        last = {(row["Company"], row["No"]): row for row in rows}
        found[name] = _live(row for row in rows if row == last[row["Company"], row["No"]])
    return found


def _dataset_strays(landscape: Landscape) -> list[str]:
    datasets = list(landscape.world.powerbi.values())
    tables = [name for dataset in datasets for name in dataset.tables]
    return [f"dataset {dataset.name}" for dataset in datasets[1:]] + [
        f"table {name}" for name in tables if name not in landscape.script.streams
    ]


def _mirrored_rows(landscape: Landscape) -> Rows:
    """What Fabric shows of the landing zone: a copy of it is processed, so that the next run finds it as it was."""
    file = landscape.folder.parent / "mirrored.duckdb"
    apply(landscape.zone, file)
    with duckdb.connect(str(file), read_only=True) as connection:
        names = [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        found = {}
        for name in set(names) & set(landscape.script.streams):
            cursor = connection.execute(f'SELECT * FROM main."{name}"')
            columns = [column[0] for column in cursor.description]
            found[name] = _live(dict(zip(columns, row, strict=True)) for row in cursor.fetchall())
    return found


def _zone_strays(landscape: Landscape) -> list[str]:
    names = (path.relative_to(landscape.zone).as_posix() for path in landscape.zone.rglob("*") if path.is_file())
    return [
        f"file {name}" for name in names if not name.endswith(("_metadata.json", ".parquet", "_partnerEvents.json"))
    ]


def _signed_in(landscape: Landscape) -> dict[str, Any]:
    switches = landscape.world.switches
    return {
        "tenant_id": switches.tenant_id,
        "client_id": switches.powerbi_client_id,
        "client_secret": switches.powerbi_client_secret,
        "authority_host": landscape.urls["login"],
    }


def _dataset(write_mode: str) -> Callable[[Landscape], dict[str, Any]]:
    def settings(landscape: Landscape) -> dict[str, Any]:
        place = {"workspace_id": landscape.world.switches.workspace_id, "api_url": landscape.urls["powerbi"]}
        return _signed_in(landscape) | place | {"dataset_name": "Faults", "write_mode": write_mode}

    return settings


def _zone(address: Callable[[Landscape], dict[str, Any]]) -> Callable[[Landscape], dict[str, Any]]:
    return lambda landscape: {"destination": "fabric_mirroring"} | address(landscape)


DESTINATIONS = {
    "duckdb": Destination(
        WAREHOUSE,
        lambda landscape: {"warehouse_url": f"duckdb:///{landscape.folder}/warehouse.duckdb"},
        _warehouse_rows(_duckdb),
        _warehouse_strays(_duckdb),
    ),
    "postgresql": Destination(
        WAREHOUSE,
        lambda landscape: {"warehouse_url": landscape.server.url(landscape.database)},
        _warehouse_rows(_postgresql),
        _warehouse_strays(_postgresql),
    ),
    "mirror": Destination(POWERBI, _dataset("mirror"), _dataset_rows, _dataset_strays),
    "signed": Destination(POWERBI, _dataset("signed"), _dataset_rows, _dataset_strays),
    "append": Destination(POWERBI, _dataset("append"), _versions, _dataset_strays),
    "folder": Destination(
        POWERBI,
        _zone(lambda landscape: {"landing_zone_url": f"file://{landscape.zone}".replace(" ", "%20")}),
        _mirrored_rows,
        _zone_strays,
    ),
    "onelake": Destination(
        POWERBI,
        _zone(lambda landscape: _signed_in(landscape) | {"landing_zone_url": f"{landscape.urls['onelake']}/{ZONE}"}),
        _mirrored_rows,
        _zone_strays,
    ),
}
