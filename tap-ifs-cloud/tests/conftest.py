"""One entity set of the sandbox's IFS Cloud in this process, a destination, and runs between them that can be cut anywhere."""

from __future__ import annotations

import random
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest
from ifs_bi_core.singer.progress import Progress
from ifs_bi_sandbox.data.history import HISTORY, create_log, log_deletes
from ifs_bi_sandbox.data.model import EntitySet, EnumType, Projection, Property
from ifs_bi_sandbox.servers import Sandbox
from ifs_bi_sandbox.world import Switches, World
from pipeline.killable import Arrivals, Runs
from pipeline.wireless import HOST, ROOT, Wireless
from tap_ifs_cloud.client import Page
from tap_ifs_cloud.entities import Entity
from tap_ifs_cloud.full import all_records
from tap_ifs_cloud.history_log import HISTORY_LOG, LogSource
from tap_ifs_cloud.in_flight import InFlight
from tap_ifs_cloud.metadata import parse
from tap_ifs_cloud.outcomes import RefusedError
from tap_ifs_cloud.reading import Reading
from tap_ifs_cloud.row_version import versioned_records
from tap_ifs_cloud.schema import DELETED_AT
from tap_ifs_cloud.source import Source
from tap_ifs_cloud.state_filter import StateFilter
from tap_ifs_cloud.surroundings import Surroundings
from tap_ifs_cloud.timestamp import changed_records
from tap_ifs_cloud.turns import Turns


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(scale=400, seed=3) as box:
        yield box


@pytest.fixture
def box(running: Sandbox) -> Iterator[Sandbox]:
    """The sandbox as it was at first."""
    before = asdict(running.world.switches)
    running.world.requests.clear()
    yield running
    vars(running.world.switches).update(before)
    running.world.faults.clear()


ROWS = Projection(
    name="RowHandling",
    category="Standard",
    description="Rows",
    entity_sets=(
        EntitySet(
            projection="RowHandling",
            name="RowSet",
            entity_type="Row",
            table="row",
            key=("Company", "No"),
            logical_unit="Row",
            company="Company",
            properties=(
                Property("Company", nullable=False),
                Property("No", "Decimal", nullable=False),
                Property("Text"),
                Property("Changed", "DateTimeOffset", nullable=False),
            ),
            state_enum="RowState",
        ),
    ),
    enums=(EnumType("RowState", ("Planned", "Released", "Closed")),),
)
SERVICE = f"{ROOT}RowHandling.svc"
DATABASE_TIME = datetime(2026, 11, 22, 9, 0, 0, tzinfo=UTC)  # the database lives in another time zone than the tap
TAP_TIME = datetime(2026, 11, 22, 10, 0, 7, tzinfo=UTC)
SETTINGS = {
    "page_size": 3,
    "paging": "auto",
    "lookback_seconds": 600,
    "delete_detection": "key_scan",
    "delete_scan_hours": 0,
    "delete_guard_percent": 100,
}

Key = tuple[str, int]


@dataclass
class Tenant(Wireless):
    """An entity set with the rows of two companies, whose clock stands still unless it is moved."""

    folder: Path
    switches: Switches = field(default_factory=Switches)
    seconds: int = 0
    wall_clock: ZoneInfo | None = None
    """The zone that the database's clock shows, where it follows the tap's; None: it stands in another zone all year."""
    refuses_key_filters: bool = False
    requests: list[dict[str, str]] = field(default_factory=list)
    full_rows: int = 0
    """How many rows were answered with more than their keys."""

    def __post_init__(self) -> None:
        self.database = self.folder / "tenant.db"
        with closing(sqlite3.connect(self.database)) as connection, connection:
            connection.execute(
                'CREATE TABLE row ("_rowid" INTEGER PRIMARY KEY, "_rowversion" TEXT, "Company" TEXT, "No" INTEGER, '
                '"Text" TEXT, "Changed" TEXT, "Objstate" TEXT DEFAULT \'Released\')'
            )
            connection.execute('CREATE UNIQUE INDEX row_key ON row ("Company", "No")')
            create_log(connection)
            connection.execute("CREATE TABLE clock (now TEXT)")
            connection.execute("INSERT INTO clock VALUES ('')")
            log_deletes(connection, "row", "Row", ROWS.entity_sets[0].properties[:2], "(SELECT now FROM clock)")
        super().__init__((ROWS, HISTORY), World(self.database, self.switches))

    def page(self, url: str, operation: str, **how: Any) -> Page:
        parts = urlsplit(url)
        options = {name: value for name, (value,) in parse_qs(parts.query).items()}
        self.requests.append(options)
        if self.refuses_key_filters and "No eq" in options.get("$filter", "").replace("(", "").partition(" and ")[2]:
            raise RefusedError("filters on keys are refused")
        page = super().page(url, operation, **how)
        if options.get("$select") != "Company,No" and parts.path.endswith("RowSet"):
            self.full_rows += len(page.rows)
        return page

    def now(self) -> str:
        if self.wall_clock:
            return f"{(TAP_TIME + timedelta(seconds=self.seconds)).astimezone(self.wall_clock):%Y-%m-%dT%H:%M:%S}"
        return f"{DATABASE_TIME + timedelta(seconds=self.seconds):%Y-%m-%dT%H:%M:%S}"

    def put(self, *keys: Key, text: str | None = None) -> None:
        """Insert or change rows; without a text, each gets one that no row has had."""
        version = self.now().translate(str.maketrans("", "", "-:T"))
        with closing(sqlite3.connect(self.database)) as connection, connection:
            for company, number in keys:
                values = (version, text or random.randbytes(6).hex(), self.now(), company, number)
                changed = connection.execute(
                    'UPDATE row SET "_rowversion" = ?, "Text" = ?, "Changed" = ? WHERE "Company" = ? AND "No" = ?',
                    values,
                )
                if not changed.rowcount:
                    connection.execute(
                        'INSERT INTO row ("_rowversion", "Text", "Changed", "Company", "No") VALUES (?, ?, ?, ?, ?)',
                        values,
                    )

    def set_state(self, state: str, *keys: Key) -> None:
        """Bring rows into a state, which is a change."""
        self.put(*keys)
        with closing(sqlite3.connect(self.database)) as connection, connection:
            for key in keys:
                connection.execute('UPDATE row SET "Objstate" = ? WHERE "Company" = ? AND "No" = ?', (state, *key))

    def forget_log(self) -> None:
        """Empty the history log."""
        with closing(sqlite3.connect(self.database)) as connection, connection:
            connection.execute("DELETE FROM history_log")

    def remove(self, *keys: Key) -> None:
        with closing(sqlite3.connect(self.database)) as connection, connection:
            connection.execute("UPDATE clock SET now = ?", (self.now(),))
            connection.executemany('DELETE FROM row WHERE "Company" = ? AND "No" = ?', keys)

    def rows(self) -> dict[Key, str]:
        with closing(sqlite3.connect(self.database)) as connection:
            found = connection.execute('SELECT "Company", "No", "Text" FROM row').fetchall()
        return {(company, number): text for company, number, text in found}


class Destination(Arrivals):
    """What arrives, applied in order."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[Key, tuple[str, int]] = {}  # text and version

    def drop_older(self) -> None:
        self.rows = {key: row for key, row in self.rows.items() if row[1] >= self.version}

    def take(self, record: dict[str, Any]) -> None:
        key = (record["Company"], record["No"])
        if record.get(DELETED_AT):
            assert record.keys() == {"Company", "No", DELETED_AT}
            self.rows.pop(key, None)
            self.arrived("gone")
        else:
            self.rows[key] = (record["Text"], self.version)
            self.arrived("row")

    def texts(self) -> dict[Key, str]:
        return {key: text for key, (text, _) in self.rows.items()}


class EarlyTurns(Turns):
    """Pages asked for before their turn, one after the other at moments of a law's choice: when they are wished for, when the
    set has changed behind the next page, or when the walk comes to them.
    """

    def __init__(self, requests: int = 1, moments: str = "wished") -> None:
        super().__init__(requests)
        self.in_flight = InFlight(requests, self._begin)
        self._moments = cycle(moments.split())
        self._left: list[tuple[str, Callable[[], None]]] = []

    def _begin(self, work: Callable[[], None]) -> None:
        moment = next(self._moments)
        if moment == "wished":
            work()
        else:
            self._left.append((moment, work))

    def go_on(self) -> None:
        """The set has changed."""
        now = [work for moment, work in self._left if moment == "changed"]
        self._left = [(moment, work) for moment, work in self._left if moment != "changed"]
        for work in now:
            work()

    @contextmanager
    def away(self) -> Iterator[None]:
        while self._left:
            self._left.pop(0)[1]()
        yield


class Rig(Runs):
    """A tenant, a destination, and runs of the tap between them."""

    def __init__(self, folder: Path, **entity: Any) -> None:
        self.tenant = Tenant(folder)
        super().__init__(Destination())
        self.store = folder / "delivered" / "keys.db"
        self.settings = dict(SETTINGS)
        self.turns: Callable[[], Turns] = Turns
        self.entity = Entity("rows", "RowHandling", "RowSet", company="Company", **entity)
        document = parse(self.tenant.answer("RowHandling.svc/$metadata"), "$metadata")
        self.properties, self.enums = document.entity_sets["RowSet"].properties, document.enums

    def source(self) -> Source:
        keys = tuple(self.properties[name] for name in ("Company", "No"))
        modified = self.properties[self.entity.modified] if self.entity.modified else None
        ways = {"auto": "timestamp" if modified else "row_version"}
        return Source(
            entity=self.entity,
            service=SERVICE,
            key=keys,
            modified=modified,
            properties={name: self.properties[name] for name in ("Company", "No", "Text", "Changed")},
            expanded={},
            replication=ways.get(self.entity.replication, self.entity.replication),
            history_log=self.log_source(),
            filter=StateFilter(self.entity.filter, self.properties, self.enums) if self.entity.filter else None,
        )

    def reading(self, state: dict[str, Any], *, wire: Any = None, turns: Turns | None = None) -> Reading:
        """A reading in this process, or through a client whose server has an address (``wire``)."""
        now = lambda: TAP_TIME + timedelta(seconds=self.tenant.seconds)  # noqa: E731
        progress = Progress("rows", log=lambda *_, **__: None)
        source = self.source()
        return Reading(
            replace(source, service=source.service.replace(HOST, wire.address)) if wire else source,
            self.settings,
            wire.cloud if wire else self.tenant,
            destination=self.destination,
            state=state,
            surroundings=Surroundings(self._log, progress, None, self.store, now, turns or self.turns()),
        )

    def log_source(self) -> LogSource | None:
        """The history log, where gone rows shall be read from it."""
        if self.settings["delete_detection"] != "history_log" or not self.entity.modified:
            return None
        document = parse(self.tenant.answer("HistoryLogHandling.svc/$metadata"), "$metadata")
        properties = document.entity_sets[HISTORY_LOG.entity_set].properties
        source = Source(
            entity=HISTORY_LOG,
            service=SERVICE.replace("RowHandling", "HistoryLogHandling"),
            key=(properties["LogId"],),
            modified=None,
            properties={name: properties[name] for name in HISTORY_LOG.select},
            expanded={},
            replication="full",
        )
        return LogSource.of(source, document.enums)

    def records(self, reading: Reading):
        source = reading.source
        if source.modified:
            return changed_records(reading, source.modified)
        return versioned_records(reading) if source.replication == "row_version" else all_records(reading)

    def records_from(self, state: dict[str, Any]):
        self.tenant.requests.clear()
        self.tenant.full_rows = 0
        return self.records(self.reading(state))

    def is_equal(self) -> bool:
        return self.destination.texts() == self.tenant.rows()


@pytest.fixture
def rig(tmp_path):
    """Makes a rig; facts of its entity as arguments."""
    return lambda **entity: Rig(tmp_path, **entity)


@pytest.fixture(scope="session")
def early_turns():
    """Makes turns for requests at once, of which early ones are made at the moments that are named."""
    return EarlyTurns


@pytest.fixture(scope="session")
def new_rig():
    """The same for a law, whose examples each need a folder of their own: give it back with `close`."""

    class Lent(Rig):
        def __init__(self, **entity: Any) -> None:
            self.folder = Path(tempfile.mkdtemp(prefix="rig-"))
            super().__init__(self.folder, **entity)

        def close(self) -> None:
            shutil.rmtree(self.folder)

    return Lent
