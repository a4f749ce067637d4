"""A tenant so small that a run takes a moment, whose rows are read in every way of replication, and what arrives of it."""

from __future__ import annotations

import copy
import itertools
import sqlite3
from collections import Counter
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ifs_bi_sandbox.data.model import EntitySet, Projection, Property
from ifs_bi_sandbox.ifs.app import ifs_app
from ifs_bi_sandbox.listener import Listener
from ifs_bi_sandbox.wire import Wire
from ifs_bi_sandbox.world import Switches, World

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

COMPANIES = ("10", "20", "30")
LONG_AGO = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
LASTING = 99
"""The number of rows that stay for good: of a set that is suddenly empty nobody believes that its rows are gone."""

_COMPANY = Property("Company", nullable=False)
_COLUMNS = (_COMPANY, Property("No", "Decimal", nullable=False), Property("Text"))
_DATED = (*_COLUMNS, Property("Changed", "DateTimeOffset", nullable=False))


def _projection(name: str, key: tuple[str, ...], columns: tuple[Property, ...]) -> Projection:
    facts = EntitySet(
        projection=f"{name}Handling",
        name=f"{name}Set",
        entity_type=name,
        table=name.lower(),
        key=key,
        properties=columns,
        logical_unit=name,
        company="Company",
    )
    return Projection(f"{name}Handling", "Standard", name, (facts,))


PROJECTIONS = (
    _projection("Company", ("Company",), (_COMPANY,)),
    _projection("Row", ("Company", "No"), _DATED),
    _projection("Hold", ("Company", "No"), _COLUMNS),
    _projection("Ledger", ("Company", "No"), _COLUMNS),
)

_ROWS = {"projection": "RowHandling", "entity_set": "RowSet", "company": "Company"}
_STAGE = {"endpoint": "main", "service": "projection", "key": ["Company", "No"], "modified": None}
ENTITIES: list[dict[str, Any]] = [
    {"name": "dated", **_ROWS, "modified": "Changed"},
    {"name": "versioned", **_ROWS},
    {"name": "entire", **_ROWS, "replication": "full"},
    {"name": "vouchers", "projection": "HoldHandling", "entity_set": "HoldSet", **_STAGE},
    {"name": "gl_voucher_rows", "projection": "LedgerHandling", "entity_set": "LedgerSet", **_STAGE},
]
STREAMS = ("dated", "versioned", "entire", "journal_entries")
"""By ``timestamp``, by ``row_version``, in ``full``, and two sets as one."""

Key = tuple[str, int]
Shown = dict[str, dict[Key, tuple[str, str]]]
"""By stream and key: the stage, if there are stages, and the text."""


class Tenant:
    """Rows of three companies, vouchers of theirs in hold and in the ledger, and a clock that moves when somebody says so.

    Args:
        folder: where the database lies.
        switches: how the server behaves.
    """

    def __init__(self, folder: Path, switches: Switches | None = None) -> None:
        self.world = World(folder / "tenant.db", switches or Switches(requests_per_minute=0))
        self.seconds = 0
        self._texts = (f"text {number}" for number in itertools.count())
        with self.connected() as connection:
            for table, columns in (("row", ', "Changed"'), ("hold", ""), ("ledger", "")):
                connection.execute(
                    f'CREATE TABLE {table} ("_rowid" INTEGER PRIMARY KEY, "_rowversion" TEXT, "Company" TEXT, "No" INTEGER, '
                    f'"Text" TEXT{columns}, UNIQUE ("Company", "No"))'
                )
            connection.execute(
                'CREATE TABLE company ("_rowid" INTEGER PRIMARY KEY, "_rowversion" TEXT, "Company" TEXT)'
            )
            connection.executemany(
                'INSERT INTO company ("_rowversion", "Company") VALUES (\'20260101000000\', ?)',
                [(company,) for company in COMPANIES],
            )
        for company in COMPANIES:
            self.put(company, LASTING)
            self.hold(company, LASTING)
            self.hold(company, LASTING + 1)
            self.post(company, LASTING)

    def tick(self) -> None:
        """Let a second pass: what changes from now on has another version than what was read."""
        self.seconds += 1

    def put(self, company: str, number: int) -> None:
        """Insert or change a row."""
        self._put("row", company, number, Changed=f"{self._now:%Y-%m-%dT%H:%M:%S}")

    def remove(self, company: str, number: int) -> None:
        """Delete a row."""
        self._ask('DELETE FROM row WHERE "Company" = ? AND "No" = ?', company, number)

    def hold(self, company: str, number: int) -> None:
        """Enter or change a voucher in hold; one that was posted stays as it is."""
        if not self._ask('SELECT 1 FROM ledger WHERE "Company" = ? AND "No" = ?', company, number):
            self._put("hold", company, number)

    def post(self, company: str, number: int) -> None:
        """Move a voucher into the ledger, if it is in hold; one that is there already is corrected."""
        if self.cancel(company, number) or self._ask(
            'SELECT 1 FROM ledger WHERE "Company" = ? AND "No" = ?', company, number
        ):
            self._put("ledger", company, number)

    def cancel(self, company: str, number: int) -> bool:
        """Take a voucher out of hold; False where it isn't there."""
        gone = self._ask('DELETE FROM hold WHERE "Company" = ? AND "No" = ? RETURNING 1', company, number)
        return bool(gone)

    def shown(self, companies: Iterable[str] = ()) -> Shown:
        """What a destination has to show of these companies, or of all."""
        wanted = tuple(companies) or COMPANIES
        tables = {
            table: {
                (company, number): text
                for company, number, text in self._ask(f'SELECT "Company", "No", "Text" FROM {table}')
                if company in wanted
            }
            for table in ("row", "hold", "ledger")
        }
        rows = {key: ("", text) for key, text in tables["row"].items()}
        journal = {key: ("hold", text) for key, text in tables["hold"].items()}
        journal |= {key: ("general_ledger", text) for key, text in tables["ledger"].items()}
        return {"dated": rows, "versioned": rows, "entire": rows, "journal_entries": journal}

    def changed_before(self, moment: str) -> dict[Key, str]:
        """The texts of the rows whose last change is before a bookmark; the next run begins with those of that very second."""
        found = self._ask('SELECT "Company", "No", "Text" FROM row WHERE "Changed" < ?', moment[:19])
        return {(company, number): text for company, number, text in found}

    @property
    def _now(self) -> datetime:
        return LONG_AGO + timedelta(seconds=self.seconds)

    def _put(self, table: str, company: str, number: int, **more: str) -> None:
        values = {"_rowversion": f"{self._now:%Y%m%d%H%M%S}", "Text": next(self._texts), **more}
        columns = {"Company": company, "No": number, **values}
        self._ask(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}) "
            f"ON CONFLICT DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in values)}",
            *columns.values(),
        )

    def _ask(self, statement: str, *values: Any) -> list[Any]:
        with self.connected() as connection:
            return connection.execute(statement, values).fetchall()

    @contextmanager
    def connected(self) -> Iterator[sqlite3.Connection]:
        """A connection to the tables; what it does is committed at the end."""
        with closing(sqlite3.connect(self.world.database)) as connection, connection:
            connection.execute("PRAGMA synchronous = OFF")  # the machine is not switched off in tests
            yield connection

    @contextmanager
    def served(self) -> Iterator[str]:
        """The address of a server of this tenant, which suffers the faults and keeps the log of its world."""
        world = self.world
        app = Wire(ifs_app(world, PROJECTIONS), world, "ifs", parts={"/auth/": "token"}, revoke=world.ifs_tokens.clear)
        listener = Listener(app)
        listener.start()
        try:
            yield listener.url
        finally:
            listener.stop()

    def settings(self, address: str, state_dir: Path, **more: Any) -> dict[str, Any]:
        """The tap's configuration for this tenant."""
        switches = self.world.switches
        return {
            "base_url": address,
            "realm": switches.realm,
            "client_id": switches.ifs_client_id,
            "client_secret": switches.ifs_client_secret,
            "state_dir": str(state_dir),
            "entities": ENTITIES,
            "streams": list(STREAMS),
            "requests_per_minute": 100_000,
            "page_size": 3,
            "delete_scan_hours": 0,
            "delete_guard_percent": 100,
        } | more


@dataclass
class Arrived:
    """What arrived, applied in order as a target does it: a row with an older version never replaces a newer one."""

    rows: dict[str, dict[Key, tuple[dict[str, Any], int | None]]] = field(default_factory=dict)
    states: list[dict[str, Any]] = field(default_factory=list)
    moved: Counter[str] = field(default_factory=Counter)
    """Records by stream."""

    def copy(self) -> Arrived:
        """The same, which goes its own way from here on."""
        return copy.deepcopy(self)

    @property
    def state(self) -> dict[str, Any]:
        """The last one."""
        return self.states[-1] if self.states else {}

    def apply(self, message: dict[str, Any]) -> None:
        """Take a Singer message."""
        kind, stream = message["type"], message.get("stream", "")
        table = self.rows.setdefault(stream, {})
        if kind == "STATE":
            self.states.append(copy.deepcopy(message["value"]))
        elif kind == "ACTIVATE_VERSION":
            version = message["version"]
            self.rows[stream] = {key: row for key, row in table.items() if row[1] is not None and row[1] >= version}
        elif kind == "RECORD":
            self._record(table, stream, message["record"], message.get("version"))

    def _record(self, table: Any, stream: str, record: dict[str, Any], version: int | None) -> None:
        key = (record["Company"], int(record["No"]))
        self.moved[stream] += 1
        if record.get("_sdc_deleted_at"):
            table.pop(key, None)
            return
        kept, _ = table.get(key, (record, None))
        versions = kept.get("_ifs_row_version"), record.get("_ifs_row_version")
        is_older = None not in versions and versions[1] < versions[0]
        table[key] = (kept if is_older else record, version)

    def shown(self, companies: Iterable[str] = ()) -> Shown:
        """What there is of these companies, or of all, in each stream."""
        wanted = tuple(companies) or COMPANIES
        return {
            stream: {
                key: (row.get("stage", ""), row["Text"])
                for key, (row, _) in self.rows.get(stream, {}).items()
                if key[0] in wanted
            }
            for stream in STREAMS
        }
