"""Each company is read by itself, with its own bookmark, and together they are what the source has of them."""

from __future__ import annotations

import copy
import logging
import shutil
import sqlite3
import tempfile
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_core.errors import ContractBrokenError, ExitCode
from ifs_bi_core.singer.account import Account
from ifs_bi_sandbox.data.model import EntitySet, Projection, Property, Reference
from ifs_bi_sandbox.world import Switches, World
from pipeline.killable import KilledError
from pipeline.wireless import HOST, Wireless
from tap_ifs_cloud.tap import TapIfsCloud

if TYPE_CHECKING:
    pass

LONG_AGO = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
COLUMNS = (
    Property("Company", nullable=False),
    Property("No", "Decimal", nullable=False),
    Property("Text"),
    Property("Changed", "DateTimeOffset", nullable=False),
)


def _set(name: str, key: tuple[str, ...], **facts: Any) -> EntitySet:
    kind = name.removesuffix("Set")
    return EntitySet("GroupHandling", name, kind, kind.lower(), key, COLUMNS, kind, company="Company", **facts)


COMPANIES = EntitySet(
    "CompanyHandling",
    "CompanySet",
    "Company",
    "company",
    ("Company",),
    (Property("Company", nullable=False),),
    "Company",
    company="Company",
)
FINANCE = EntitySet(
    "GroupHandling",
    "CompanyFinanceSet",
    "CompanyFinance",
    "company",
    ("Company",),
    (Property("Company", nullable=False),),
    "CompanyFinance",
    company="Company",
    references=(Reference("RowsArray", "RowSet", (("Company", "Company"),), many=True),),
)
PROJECTIONS = (
    Projection("CompanyHandling", "Standard", "Companies", (COMPANIES,)),
    # A row belongs to a company for good; a parcel may go to another one.
    Projection(
        "GroupHandling", "Standard", "Rows", (_set("RowSet", ("Company", "No")), _set("ParcelSet", ("No",)), FINANCE)
    ),
)


class Group(Wireless):
    """A tenant with companies, which the tap asks without a wire; its clock stands still unless it is moved."""

    def __init__(self, folder: Path, companies: tuple[str, ...] = ("10", "20", "30")) -> None:
        self.database = folder / "group.db"
        self.switches = Switches()
        self.seconds = 0
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.refused = ""
        """A part of a path or query that is answered with 403."""
        with closing(sqlite3.connect(self.database)) as connection, connection:
            for table, key in (("row", '"Company", "No"'), ("parcel", '"No"')):
                connection.execute(
                    f'CREATE TABLE {table} ("_rowid" INTEGER PRIMARY KEY, "_rowversion" TEXT, "Company" TEXT, "No" INTEGER, '
                    f'"Text" TEXT, "Changed" TEXT, UNIQUE ({key}))'
                )
            connection.execute(
                'CREATE TABLE company ("_rowid" INTEGER PRIMARY KEY, "_rowversion" TEXT, "Company" TEXT UNIQUE)'
            )
            connection.executemany(
                'INSERT INTO company ("_rowversion", "Company") VALUES (\'20260101000000\', ?)',
                [(name,) for name in companies],
            )
        super().__init__(PROJECTIONS, World(self.database, self.switches))

    def text(self, url: str) -> bytes:
        parts = urlsplit(url)
        path = parts.path.partition("/v1/")[2]
        self.asked.append((path, {name: value for name, (value,) in parse_qs(parts.query).items()}))
        if self.refused and self.refused in url:
            raise ContractBrokenError(f"{path} is not granted")
        return super().text(url)

    def _change(self, statement: str, *values: Any) -> int:
        self.seconds += 1
        moment = LONG_AGO + timedelta(seconds=self.seconds)
        facts = {"version": f"{moment:%Y%m%d%H%M%S}", "changed": f"{moment:%Y-%m-%dT%H:%M:%S}"}
        with closing(sqlite3.connect(self.database)) as connection, connection:
            return connection.execute(statement, {**facts, **dict(zip("abcd", values, strict=False))}).rowcount

    def put(self, table: str, company: str, number: int) -> None:
        """Insert or change a row; a parcel that is elsewhere goes to the company."""
        self._change(
            f'INSERT INTO {table} ("_rowversion", "Text", "Changed", "Company", "No") '
            f"VALUES (:version, hex(randomblob(4)), :changed, :a, :b) ON CONFLICT DO UPDATE SET "
            f'"_rowversion" = :version, "Text" = hex(randomblob(4)), "Changed" = :changed, "Company" = :a',
            company,
            number,
        )

    def remove(self, table: str, number: int, company: str | None = None) -> None:
        where = "" if company is None else ' AND "Company" = :b'
        self._change(f'DELETE FROM {table} WHERE "No" = :a{where}', number, company)

    def rows(self, table: str, companies: tuple[str, ...]) -> dict[tuple[Any, ...], str]:
        with closing(sqlite3.connect(self.database)) as connection:
            found = connection.execute(f'SELECT "Company", "No", "Text" FROM {table}').fetchall()
        return {(company, number): text for company, number, text in found if company in companies}


@dataclass
class Warehouse:
    """What arrives, applied in order; also the tap's message writer."""

    rows: dict[str, dict[tuple[Any, ...], tuple[dict[str, Any], int | None]]] = field(default_factory=dict)
    states: list[dict[str, Any]] = field(default_factory=lambda: [{}])
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)
    moved: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Records by stream and company."""
    left: int | None = None
    """Messages until the process is killed."""

    def write_message(self, message: Any) -> None:
        said = message.to_dict()
        kind, stream = said["type"], said.get("stream", "")
        self.kinds[kind, stream] += 1
        table = self.rows.setdefault(stream, {})
        if kind == "RECORD":
            record = said["record"]
            key = (record["No"],) if stream == "parcels" else (record["Company"], record["No"])
            if record.get("_sdc_deleted_at"):
                self.kinds["GONE", stream] += 1
                table.pop(key, None)
            else:
                self.moved[stream, record["Company"]] += 1
                table[key] = (record, said.get("version"))
        elif kind == "ACTIVATE_VERSION":
            self.rows[stream] = {
                key: row for key, row in table.items() if row[1] is not None and row[1] >= said["version"]
            }
        elif kind == "STATE":
            self.states.append(copy.deepcopy(said["value"]))
        if self.left is not None:
            self.left -= 1
            if self.left <= 0:
                raise KilledError

    def texts(self, stream: str, companies: tuple[str, ...]) -> dict[tuple[Any, ...], str]:
        found = [record for record, _ in self.rows.get(stream, {}).values()]
        return {(row["Company"], row["No"]): row["Text"] for row in found if row["Company"] in companies}


WAYS = {"row_version": {}, "timestamp": {"modified": "Changed"}, "full": {"replication": "full"}}
ALL = ("10", "20", "30")


class Pipeline:
    """A tenant, a tap and a destination, and runs between them."""

    def __init__(self, way: str = "row_version", companies: tuple[str, ...] = ALL, **entity: Any) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="group-"))
        self.group = Group(self.folder)
        self.warehouse = Warehouse()
        self.companies = companies
        self.concurrency = 1
        self.said: list[tuple[int, str]] = []
        self.entities = [
            {"name": name, "projection": "GroupHandling", "entity_set": set_name, "company": "Company", **WAYS[way]}
            | entity
            for name, set_name in (("rows", "RowSet"), ("parcels", "ParcelSet"))
        ]
        self.settings: dict[str, Any] = {}

    def close(self) -> None:
        shutil.rmtree(self.folder)

    def fill(self) -> None:
        for company in ALL:
            for number in range(4):
                self.group.put("row", company, number)
                self.group.put("parcel", company, int(company) + number)

    def run(self, state: dict[str, Any] | None = None, *, kill_after: int | None = None) -> ExitCode | None:
        """One run from a state, the last one if none is given; None where it was killed."""
        config = {
            "base_url": HOST,
            "realm": "r",
            "client_id": "c",
            "client_secret": "s",
            "state_dir": str(self.folder / "state"),
            "entities": self.entities,
            "streams": [each["name"] for each in self.entities],
            "page_size": 3,
            "concurrency": self.concurrency,
            "delete_scan_hours": 0,
            "delete_guard_percent": 100,
            **({"companies": list(self.companies)} if self.companies else {}),
            **self.settings,
        }
        warehouse = self.warehouse
        warehouse.left, warehouse.kinds, warehouse.moved = kill_after, Counter(), Counter()
        self.group.asked.clear()
        self.said.clear()
        tap = TapIfsCloud(config=config, setup_mapper=False, message_writer=warehouse)
        tap.cloud = self.group
        tap.account = Account("tap-ifs-cloud", "0", tap.config)
        handler = logging.Handler()
        handler.emit = lambda record: self.said.append((record.levelno, record.getMessage()))
        tap.logger.addHandler(handler)
        tap.logger.setLevel(logging.INFO)
        try:
            with suppress(KilledError), tap.account.closing(tap.exit_code):
                tap.setup_mapper()
                tap.load_state(copy.deepcopy(warehouse.states[-1] if state is None else state))
                tap.read_all()
                return tap.exit_code()
        finally:
            tap.logger.removeHandler(handler)
            warehouse.left = None
        return None

    def is_equal(self, companies: tuple[str, ...] | None = None) -> bool:
        wanted = companies or self.companies or ALL
        tables = {"rows": "row", "parcels": "parcel"}
        return all(
            self.warehouse.texts(each["name"], wanted) == self.group.rows(tables[each["name"]], wanted)
            for each in self.entities
        )

    def warnings(self) -> list[str]:
        return [sentence for level, sentence in self.said if level >= logging.WARNING]


@pytest.fixture
def pipeline():
    made: list[Pipeline] = []

    def make(*facts: Any, **more: Any) -> Pipeline:
        made.append(Pipeline(*facts, **more))
        made[-1].fill()
        return made[-1]

    yield make
    for each in made:
        each.close()


def partitions(pipeline: Pipeline, stream: str = "rows") -> list[str]:
    parts = pipeline.warehouse.states[-1]["bookmarks"][stream].get("partitions", [])
    return [part["context"]["Company"] for part in parts]


@pytest.mark.parametrize("way", WAYS)
def test_each_company_has_a_bookmark_and_one_version_spans_them(pipeline, way):
    pipeline = pipeline(way)
    assert pipeline.run() == ExitCode.DONE
    assert pipeline.is_equal()
    assert partitions(pipeline) == list(ALL)
    assert "version" not in pipeline.warehouse.states[-1]["bookmarks"]["rows"]
    kinds = pipeline.warehouse.kinds
    assert (kinds["SCHEMA", "rows"], kinds["ACTIVATE_VERSION", "rows"]) == (1, 1)
    filters = {options.get("$filter", "") for path, options in pipeline.group.asked if path.endswith("RowSet")}
    assert filters
    assert not any(" or Company eq" in text for text in filters)


@pytest.mark.parametrize("way", ["row_version", "timestamp"])
def test_a_change_in_one_company_moves_that_row_alone(pipeline, way):
    pipeline = pipeline(way)
    pipeline.run()
    pipeline.run()
    pipeline.group.put("row", "20", 1)
    pipeline.group.remove("row", 2, "30")
    pipeline.run()
    assert pipeline.warehouse.moved["rows", "20"] == 1
    assert pipeline.warehouse.moved["rows", "10"] == 0
    assert pipeline.warehouse.kinds["GONE", "rows"] == 1
    assert pipeline.is_equal()


@pytest.mark.parametrize("way", ["row_version", "timestamp"])
def test_a_company_that_is_added_is_read_from_its_beginning_and_the_others_go_on(pipeline, way):
    pipeline = pipeline(way, ("10",))
    pipeline.run()
    pipeline.run()
    pipeline.companies = ("10", "20")
    pipeline.run()
    assert pipeline.warehouse.moved["rows", "20"] == 4
    assert pipeline.warehouse.moved["rows", "10"] == 0
    assert pipeline.warehouse.kinds["ACTIVATE_VERSION", "rows"] == 0
    assert pipeline.is_equal()


@pytest.mark.parametrize("way", ["row_version", "timestamp"])
def test_an_added_company_whose_first_reading_was_killed_leaves_no_row_that_is_gone(pipeline, way):
    pipeline = pipeline(way, ("10",))
    pipeline.run()
    state = pipeline.warehouse.states[-1]
    pipeline.companies = ("10", "20")
    messages = 1
    while pipeline.warehouse.moved["rows", "20"] < 2:
        messages += 1
        pipeline.run(state, kill_after=messages)
    for number in (0, 1):
        pipeline.group.remove("row", number, "20")
    pipeline.run(state)
    assert pipeline.is_equal()


@pytest.mark.parametrize("way", ["row_version", "timestamp"])
def test_a_company_that_is_removed_and_comes_back_goes_on_from_its_bookmark(pipeline, way):
    pipeline = pipeline(way)
    pipeline.run()
    pipeline.companies = ("10", "20")
    pipeline.group.remove("row", 1, "30")
    pipeline.group.put("row", "30", 2)
    pipeline.run()
    assert len(pipeline.warehouse.texts("rows", ("30",))) == 4  # as it was
    pipeline.companies = ALL
    pipeline.run()
    assert pipeline.warehouse.moved["rows", "30"] == 1
    assert pipeline.is_equal()


def test_a_full_refresh_removes_the_rows_of_a_company_that_is_not_read_any_more(pipeline):
    pipeline = pipeline("full")
    pipeline.run()
    pipeline.companies = ("10",)
    pipeline.run()
    assert pipeline.warehouse.texts("rows", ALL) == pipeline.group.rows("row", ("10",))
    assert partitions(pipeline) == ["10"]


@pytest.mark.parametrize("way", WAYS)
def test_one_bookmark_for_all_companies_becomes_one_for_each_and_back(pipeline, way):
    pipeline = pipeline(way, ())
    pipeline.run()
    for companies in (("10", "20"), (), ALL):
        pipeline.companies = companies
        pipeline.group.put("row", "10", 1)
        pipeline.group.remove("row", 3, "20")
        pipeline.run()
        assert pipeline.is_equal()
        assert set(pipeline.warehouse.texts("rows", ALL)) == set(pipeline.group.rows("row", companies or ALL))
        assert partitions(pipeline) == list(companies)
    pipeline.run()
    assert pipeline.is_equal()


@pytest.mark.parametrize("way", WAYS)
def test_a_company_that_fails_ends_no_version_and_the_others_are_delivered(pipeline, way):
    pipeline = pipeline(way)
    pipeline.group.refused = "Company%20eq%20%2720%27"
    assert pipeline.run() == ExitCode.FAILED
    assert pipeline.warehouse.kinds["ACTIVATE_VERSION", "rows"] == 0
    assert pipeline.is_equal(("10", "30"))
    pipeline.group.refused = ""
    assert pipeline.run() == ExitCode.DONE
    assert pipeline.warehouse.kinds["ACTIVATE_VERSION", "rows"] == 1
    assert pipeline.is_equal()


@pytest.mark.parametrize("way", WAYS)
def test_a_company_that_is_lost_to_the_user_keeps_its_rows(pipeline, way):
    pipeline = pipeline(way)
    pipeline.run()
    before = pipeline.warehouse.texts("rows", ("20",))
    pipeline.group.switches.allowed_companies = ["10", "30"]
    for state in (None, None, {}):  # the last one is a full refresh
        pipeline.run(state)
        assert pipeline.warehouse.texts("rows", ("20",)) == before
        assert any("Allowed Companies" in sentence and "company 20" in sentence for sentence in pipeline.warnings())
    pipeline.group.switches.allowed_companies = None
    pipeline.group.remove("row", 1, "20")
    pipeline.run()
    assert pipeline.is_equal()


@pytest.mark.parametrize("way", WAYS)
def test_a_company_that_is_lost_before_a_full_refresh_came_to_its_end_keeps_its_rows(pipeline, way):
    pipeline = pipeline(way)
    pipeline.run()
    before = pipeline.warehouse.texts("rows", ("20",))
    pipeline.group.refused = "Company%20eq%20%2720%27"
    assert pipeline.run({}) == ExitCode.FAILED
    pipeline.group.refused = ""
    pipeline.group.switches.allowed_companies = ["10", "30"]
    for _ in range(2):
        pipeline.run()
        assert pipeline.warehouse.texts("rows", ("20",)) == before
    pipeline.group.switches.allowed_companies = None
    pipeline.group.remove("row", 1, "20")
    pipeline.run()
    assert pipeline.is_equal()


@pytest.mark.parametrize("way", WAYS)
def test_a_company_without_rows_keeps_no_version_open(pipeline, way):
    pipeline = pipeline(way)
    for number in range(4):
        pipeline.group.remove("row", number, "20")
    pipeline.run()
    assert pipeline.warehouse.kinds["ACTIVATE_VERSION", "rows"] == 1
    pipeline.run()
    if way != "full":
        assert pipeline.warehouse.kinds["ACTIVATE_VERSION", "rows"] == 0
        assert pipeline.warehouse.moved["rows", "10"] == 0
    assert pipeline.is_equal()


def test_a_parcel_that_goes_to_another_company_is_not_gone(pipeline):
    pipeline = pipeline()
    pipeline.run()
    for company, number in (("20", 10), ("10", 20), ("30", 11)):
        pipeline.group.put("parcel", company, number)
    pipeline.run()
    assert pipeline.is_equal()
    pipeline.run()
    assert pipeline.is_equal()


def lists_of_companies(pipeline: Pipeline) -> int:
    asked = [options for path, options in pipeline.group.asked if path.endswith("/CompanySet")]
    return sum("$filter" not in options for options in asked)  # those with one ask for a further page


def test_companies_are_asked_for_once_before_the_first_stream_and_not_at_discovery(pipeline):
    pipeline = pipeline(companies=("10", "99"))
    pipeline.run()
    assert lists_of_companies(pipeline) == 1
    (warning,) = [sentence for sentence in pipeline.warnings() if "Allowed Companies" in sentence]
    assert "company 99 of the setting" in warning
    pipeline.companies = ()
    pipeline.run({})
    assert lists_of_companies(pipeline) == 0
    pipeline.group.switches.allowed_companies = []
    pipeline.run({})
    assert lists_of_companies(pipeline) == 1
    assert any("sees no company" in sentence for sentence in pipeline.warnings())


def test_companies_that_can_not_be_listed_are_no_reason_to_stop(pipeline):
    pipeline = pipeline()
    pipeline.group.refused = "CompanyHandling"
    assert pipeline.run() == ExitCode.DONE
    assert [level for level, sentence in pipeline.said if "CompanySet can't be read" in sentence] == [logging.INFO]
    assert pipeline.is_equal()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from(ALL), st.integers(1, 7)),
        st.tuples(st.just("remove"), st.sampled_from(ALL), st.integers(1, 7)),
        st.tuples(
            st.just("run"),
            st.one_of(st.none(), st.integers(1, 40)),
            st.sampled_from([ALL, ("10", "20"), ("20",), ("30", "10"), ()]),
            st.sampled_from([1, 3]),
        ),
        st.tuples(st.just("restore_state"), st.integers(0, 30)),
        st.tuples(st.just("lose_store")),
    ),
    min_size=3,
    max_size=10,
)


@pytest.mark.parametrize("way", WAYS)
def test_any_story_of_any_companies_ends_as_the_source_has_them(way):
    @settings(max_examples=12, deadline=None)
    @given(STEPS)
    def law(steps):
        pipeline = Pipeline(way)
        try:
            for company in ALL:  # a set that is suddenly empty is not believed
                pipeline.group.put("row", company, 0)
                pipeline.group.put("parcel", company, -int(company))
            for step in (*steps, ("run", None, ALL, 1)):
                match step:
                    case "put", company, number:
                        pipeline.group.put("row", company, number)
                        pipeline.group.put("parcel", company, number)
                    case "remove", company, number:
                        pipeline.group.remove("row", number, company)
                        pipeline.group.remove("parcel", number)
                    case "run", kill_after, companies, at_once:
                        pipeline.companies, pipeline.concurrency = companies, at_once
                        if pipeline.run(kill_after=kill_after) is not None:
                            assert pipeline.is_equal()
                    case "restore_state", number:
                        states = pipeline.warehouse.states
                        states.append(copy.deepcopy(states[max(0, len(states) - 1 - number)]))
                    case ("lose_store",):
                        shutil.rmtree(pipeline.folder / "state" / "delivered", ignore_errors=True)
        finally:
            pipeline.close()

    law()
