"""Rows that move from one set to another, at any moment: each is shown in one of its stages, and at the end where it is."""

import itertools
import shutil
import sqlite3
import tempfile
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_core.errors import ConfigError, ContractBrokenError
from ifs_bi_core.singer.progress import Progress
from ifs_bi_sandbox.data.model import EntitySet, Projection, Property
from ifs_bi_sandbox.world import Switches, World
from pipeline.killable import Arrivals, Runs
from pipeline.wireless import HOST, Wireless
from tap_ifs_cloud.client import Page
from tap_ifs_cloud.entities import catalogue
from tap_ifs_cloud.full import all_records
from tap_ifs_cloud.joined import Joining
from tap_ifs_cloud.metadata_cache import MetadataCache
from tap_ifs_cloud.row_version import versioned_records
from tap_ifs_cloud.schema import DELETED_AT, ROW_VERSION
from tap_ifs_cloud.stages import StagedReading
from tap_ifs_cloud.surroundings import Surroundings

KEY = ("Company", "No")
TEXT = (Property("Company", nullable=False), Property("No", "Decimal", nullable=False), Property("Text"))


def projection(name, entity_set, table, *more, has_etag=True):
    facts = EntitySet(
        projection=name,
        name=entity_set,
        entity_type=table.title(),
        table=table,
        key=KEY,
        logical_unit=table.title(),
        company="Company",
        has_etag=has_etag,
        properties=(*TEXT, *more),
    )
    return Projection(name=name, category="Standard", description=name, entity_sets=(facts,))


HELD = projection("HoldHandling", "HoldSet", "hold", Property("EntryDate", "Date"))
POSTED = projection("LedgerHandling", "LedgerSet", "ledger", Property("JournalId", "Decimal"))
ITEMS = [
    {"name": "vouchers", "projection": "HoldHandling", "entity_set": "HoldSet", "key": KEY},
    {
        "name": "gl_voucher_rows",
        "projection": "LedgerHandling",
        "entity_set": "LedgerSet",
        "endpoint": "main",
        "service": "projection",
        "key": KEY,
        "modified": None,
    },
]
SETTINGS = {
    "base_url": HOST,
    "page_size": 3,
    "paging": "auto",
    "concurrency": 1,
    "delete_detection": "key_scan",
    "delete_guard_percent": 100,
}
START = datetime(2026, 11, 22, 9, 0, 0, tzinfo=UTC)


class Tenant(Wireless):
    """A table of rows in hold and one of those in the ledger, whose clock stands still unless it is moved."""

    def __init__(self, folder: Path) -> None:
        self.database = folder / "tenant.db"
        self.switches = Switches()
        self.seconds = 0
        self.texts = (f"text {number}" for number in itertools.count())
        self.asked: list[tuple[str, dict[str, str]]] = []
        with closing(sqlite3.connect(self.database)) as connection, connection:
            for table, own in (("hold", "EntryDate"), ("ledger", "JournalId")):
                connection.execute(
                    f'CREATE TABLE {table} ("_rowid" INTEGER PRIMARY KEY, "_rowversion" TEXT, "Company" TEXT, '
                    f'"No" INTEGER, "Text" TEXT, "{own}")'
                )
                connection.execute(f'CREATE UNIQUE INDEX {table}_key ON {table} ("Company", "No")')
        super().__init__((HELD, POSTED), World(self.database, self.switches))

    def page(self, url: str, operation: str, **how: Any) -> Page:
        parts = urlsplit(url)
        options = {name: value for name, (value,) in parse_qs(parts.query).items()}
        self.asked.append((parts.path.rpartition("/")[2], options))
        return super().page(url, operation, **how)

    def _do(self, statement: str, *values: Any) -> list[Any]:
        with closing(sqlite3.connect(self.database)) as connection, connection:
            return connection.execute(statement, values).fetchall()

    def version(self, *, back: int = 0) -> str:
        return f"{START + timedelta(seconds=self.seconds - back):%Y%m%d%H%M%S}"

    def hold(self, *numbers: int, company: str = "10") -> None:
        """Enter or change rows in hold; those that were posted stay as they are."""
        for number in numbers:
            if ("general_ledger", company, number) not in self.rows():
                self._do(
                    'INSERT OR REPLACE INTO hold ("_rowversion", "Company", "No", "Text", "EntryDate") '
                    "VALUES (?, ?, ?, ?, '2026-11-22')",
                    self.version(),
                    company,
                    number,
                    next(self.texts),
                )

    def post(self, *numbers: int, back: int = 0, stays: bool = False) -> None:
        """Update GL: rows in hold move into the ledger."""
        marks = ",".join("?" for _ in numbers)
        self._do(
            'INSERT INTO ledger ("_rowversion", "Company", "No", "Text", "JournalId") '
            f'SELECT ?, "Company", "No", "Text", 7 FROM hold WHERE "No" IN ({marks})',
            self.version(back=back),
            *numbers,
        )
        if not stays:
            self.cancel(*numbers)

    def correct(self, number: int) -> None:
        """Change a row in the ledger."""
        text = next(self.texts)
        self._do('UPDATE ledger SET "Text" = ?, "_rowversion" = ? WHERE "No" = ?', text, self.version(), number)

    def cancel(self, *numbers: int) -> None:
        """Take rows out of hold."""
        self._do(f'DELETE FROM hold WHERE "No" IN ({",".join("?" for _ in numbers)})', *numbers)

    def lose_sight_of(self, table: str) -> None:
        """The service user may not see the rows of a table any more."""
        self._do(f"ALTER TABLE {table} RENAME TO {table}_away")
        self._do(f"CREATE TABLE {table} AS SELECT * FROM {table}_away WHERE FALSE")

    def rows(self) -> dict[tuple[str, str, int], str]:
        """Text by stage, company and number; a row that is in both stages counts as posted."""
        posted = {(c, n): t for c, n, t in self._do('SELECT "Company", "No", "Text" FROM ledger')}
        held = {(c, n): t for c, n, t in self._do('SELECT "Company", "No", "Text" FROM hold') if (c, n) not in posted}
        return {("general_ledger", *key): text for key, text in posted.items()} | {
            ("hold", *key): text for key, text in held.items()
        }

    def keys(self) -> set[tuple[str, int]]:
        return {(company, number) for _, company, number in self.rows()}


class Destination(Arrivals):
    """What arrives, applied in order as a target does it: a row with an older version never replaces a newer one."""

    def __init__(self, tenant: Tenant) -> None:
        super().__init__()
        self._tenant = tenant
        self.rows: dict[tuple[str, int], tuple[dict[str, Any], int]] = {}

    def drop_older(self) -> None:
        self._drop({key for key, (_, version) in self.rows.items() if version < self.version})

    def take(self, record: dict[str, Any]) -> None:
        key = (record["Company"], record["No"])
        if record.get(DELETED_AT):
            self._drop({key})
            self.arrived("gone")
            return
        kept, _ = self.rows.get(key, ({}, 0))
        versions = kept.get(ROW_VERSION), record.get(ROW_VERSION)
        if None in versions or versions[0] <= versions[1]:
            self.rows[key] = (record, self.version)
        else:
            self.rows[key] = (kept, self.version)
        self.arrived(record["stage"])

    def _drop(self, keys: set[tuple[str, int]]) -> None:
        assert not keys & self._tenant.keys(), "a row of the source is shown nowhere"
        for key in keys:
            self.rows.pop(key, None)

    def shown(self) -> dict[tuple[str, str, int], str]:
        return {(row["stage"], *key): row["Text"] for key, (row, _) in self.rows.items()}


class Journal(Runs):
    """The tenant, a destination, and runs of the stream between them."""

    def __init__(self, folder: Path, **entity: Any) -> None:
        self.folder = folder
        self.tenant = Tenant(folder)
        super().__init__(Destination(self.tenant))
        self.settings = {**SETTINGS, "state_dir": str(folder)}
        self.entity = entity

    def close(self) -> None:
        shutil.rmtree(self.folder)

    def source(self):
        known = catalogue([*ITEMS, {"name": "journal_entries", **self.entity}])
        joining = Joining(self.settings, self.tenant, MetadataCache(self.folder), known, self._log)
        return joining.source(known["journal_entries"], is_asked_for=True)

    def records_from(self, state: dict[str, Any]):
        self.tenant.asked.clear()
        source = self.source()
        now = lambda: START + timedelta(hours=1, seconds=self.tenant.seconds)  # noqa: E731
        reading = StagedReading(
            source,
            self.settings,
            self.tenant,
            destination=self.destination,
            state=state,
            surroundings=Surroundings(
                self._log, Progress("journal", log=lambda *_, **__: None), None, self.folder / "keys" / "keys.db", now
            ),
        )
        way = versioned_records if source.replication == "row_version" else all_records
        with closing(way(reading)) as records:
            for record in records:
                assert record["Company"]
                yield record

    def is_equal(self) -> bool:
        return self.destination.shown() == self.tenant.rows()

    def calm(self) -> None:
        """Let the seconds of all changes pass."""
        self.tenant.seconds += 100
        self.run()
        self.tenant.seconds += 100
        self.run()


@pytest.fixture
def journal(tmp_path):
    return lambda **entity: Journal(tmp_path, **entity)


def filled(journal: Journal) -> Journal:
    """Thirty rows, ten of them still in hold."""
    journal.tenant.hold(*range(30))
    journal.tenant.post(*range(20))
    journal.calm()
    return journal


def test_the_properties_of_both_stages_are_columns_and_the_stage_is_one(journal):
    source = journal().source()
    assert list(source.properties) == ["Company", "No", "Text", "EntryDate", "JournalId", "stage"]
    assert [prop.name for prop in source.key] == ["Company", "No"]
    assert source.replication == "row_version"
    assert source.schema["properties"]["stage"] == {"type": ["string", "null"]}


def test_what_a_stage_lacks_is_null(journal):
    rows = filled(journal()).destination.rows
    held, posted = rows["10", 29][0], rows["10", 0][0]
    assert (held["stage"], held["EntryDate"], held["JournalId"]) == ("hold", "2026-11-22", None)
    assert (posted["stage"], posted["EntryDate"], posted["JournalId"]) == ("general_ledger", None, 7)


def test_a_move_is_an_update_and_nothing_is_told_to_be_gone(journal):
    journal = filled(journal())
    journal.tenant.post(20, 21, 22)
    journal.run()
    assert journal.moved == {"general_ledger": 3}
    assert journal.is_equal()


def test_a_move_is_found_though_the_row_keeps_its_version(journal):
    journal = filled(journal())
    journal.tenant.post(20, back=200)  # as if the time of its last change came along
    journal.run()
    assert journal.moved == {"general_ledger": 1}
    assert journal.is_equal()


def test_only_the_set_that_holds_a_row_is_asked_for_it(journal):
    journal = filled(journal())
    journal.tenant.hold(30)
    journal.tenant.post(20)
    journal.run()
    fetched = [name for name, options in journal.tenant.asked if "No eq" in options.get("$filter", "")]
    assert fetched == ["HoldSet", "LedgerSet"]
    assert journal.is_equal()


def test_a_row_that_moves_after_its_key_was_seen_is_fetched_where_it_is_now(journal):
    journal = filled(journal())
    journal.tenant.hold(99, company="05")  # before all others in the order of the keys

    def move_behind_the_look_at_the_ledger() -> None:
        if journal.tenant.asked[-1][0] == "LedgerSet":
            journal.tenant.post(99)

    journal.tenant.between = move_behind_the_look_at_the_ledger
    journal.run()
    assert journal.moved == {"general_ledger": 1}
    assert journal.is_equal()


def test_rows_that_are_cancelled_in_hold_are_gone(journal):
    journal = filled(journal())
    journal.tenant.cancel(20, 21)
    journal.run()
    assert journal.moved == {"gone": 2}
    assert journal.is_equal()


@pytest.mark.parametrize("replication", ["row_version", "full"])
def test_a_row_that_both_stages_show_counts_as_posted_whatever_the_versions_say(journal, replication):
    journal = filled(journal(replication=replication))
    journal.tenant.post(20, stays=True, back=5_000)
    for _ in range(3):
        journal.run()
        assert journal.is_equal()


@pytest.mark.parametrize("replication", ["row_version", "full"])
@pytest.mark.parametrize("back", [0, 1, 3600])
def test_a_ledger_whose_clock_was_set_back_is_believed_nevertheless(journal, replication, back):
    journal = journal(replication=replication)
    journal.tenant.hold(*range(5))
    journal.tenant.post(0)
    journal.run()
    journal.tenant.post(1, back=back)
    journal.run()
    assert journal.is_equal()


def test_an_unchanged_source_moves_nothing_and_no_full_row_is_asked_for(journal):
    journal = filled(journal())
    journal.run()
    assert journal.moved == {}
    assert all(options["$select"] == "Company,No" for _, options in journal.tenant.asked)


def test_companies_and_a_filter_hold_for_both_stages(journal):
    journal = journal(filter="No lt 25")
    journal.tenant.hold(1, 2, 30, company="20")
    journal.tenant.hold(*range(3, 8))
    journal.tenant.post(1, 3)
    journal.settings["companies"] = ["20"]
    journal.run()
    assert sorted(journal.destination.shown()) == [("general_ledger", "20", 1), ("hold", "20", 2)]


@pytest.mark.parametrize("replication", ["row_version", "full"])
def test_a_ledger_that_suddenly_reads_empty_removes_nothing(journal, replication):
    journal = filled(journal(replication=replication))
    before = journal.destination.shown()
    journal.tenant.lose_sight_of("ledger")
    journal.run()
    assert journal.destination.shown() == before
    assert any("LedgerHandling.svc/LedgerSet (main), stage general_ledger, is empty" in told for told in journal.said)


def test_rows_of_a_hold_that_suddenly_reads_empty_stay(journal):
    journal = filled(journal())
    before = journal.destination.shown()
    journal.tenant.lose_sight_of("hold")
    journal.run()
    assert journal.destination.shown() == before
    assert any("stage hold, is empty" in told and "Allowed Companies" in told for told in journal.said)


@pytest.mark.parametrize("replication", ["row_version", "full"])
def test_a_hold_that_is_empty_because_everything_was_posted_is_believed(journal, replication):
    journal = filled(journal(replication=replication))
    journal.tenant.post(*range(20, 30))
    for _ in range(2):
        journal.run()
        assert "gone" not in journal.moved
        assert journal.is_equal()


def test_a_selection_reads_what_each_stage_has_of_it(journal):
    journal = filled(journal(select=["Text", "JournalId"]))
    assert set(journal.source().properties) == {"Company", "No", "Text", "JournalId", "stage"}
    assert journal.is_equal()
    journal.entity["select"] = ["Txt"]
    with pytest.raises(
        ConfigError, match="journal_entries joins vouchers and gl_voucher_rows, which have no property Txt"
    ):
        journal.source()


def test_a_stream_that_joins_others_has_no_modified_field(journal):
    with pytest.raises(ConfigError, match="leave out `modified`"):
        journal(modified="CreatedAt").source()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["hold", "post", "cancel"]), st.integers(0, 14), st.integers(1, 6)),
        st.tuples(st.just("correct"), st.integers(0, 14)),
        st.tuples(st.just("wait"), st.integers(1, 5)),
        st.tuples(st.just("run"), st.one_of(st.none(), st.integers(1, 20))),
        st.tuples(
            st.just("meanwhile"),
            st.lists(
                st.tuples(st.sampled_from(["hold", "post", "cancel", "wait"]), st.integers(0, 14)),
                min_size=1,
                max_size=6,
            ),
        ),
        st.tuples(st.just("restore_state"), st.integers(0, 30)),
        st.tuples(st.just("lose_store")),
    ),
    max_size=14,
)


class Story:
    """What happens to the vouchers and to what the tap remembers; each method is a step."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.tenant = journal.tenant
        self.waiting: list[tuple[str, int]] = []
        self.tenant.hold(90, 91, 92)
        self.tenant.post(90)  # a ledger without rows is not believed
        self.tenant.between = self._between

    def play(self, steps) -> None:
        for name, *values in steps:
            getattr(self, name)(*values)
        self.waiting.clear()
        self.journal.run()

    def _between(self) -> None:
        if self.waiting:
            name, number = self.waiting.pop(0)
            getattr(self, name)(number, 1)

    def hold(self, number: int, count: int) -> None:
        self.tenant.hold(*range(number, number + count))

    def post(self, number: int, count: int) -> None:
        self.tenant.post(*range(number, number + count))

    def cancel(self, number: int, count: int) -> None:
        self.tenant.cancel(*range(number, number + count))

    def correct(self, number: int) -> None:
        self.tenant.correct(number)

    def wait(self, seconds: int, _count: int = 1) -> None:
        self.tenant.seconds += seconds

    def run(self, kill_after: int | None) -> None:
        with suppress(ContractBrokenError):
            self.journal.run(kill_after=kill_after)

    def meanwhile(self, happens) -> None:
        self.waiting[:] = happens
        self.run(None)

    def restore_state(self, which: int) -> None:
        states = self.journal.states
        states.append(states[which % len(states)])

    def lose_store(self) -> None:
        shutil.rmtree(self.journal.folder / "keys", ignore_errors=True)


@pytest.mark.parametrize("replication", ["auto", "full"])
@settings(max_examples=20, deadline=None)
@given(steps=STEPS, page_size=st.integers(2, 5), paging=st.sampled_from(["auto", "skip"]))
def test_what_is_shown_equals_the_source_after_any_moves_kills_and_losses(replication, steps, page_size, paging):
    with closing(Journal(Path(tempfile.mkdtemp(prefix="journal-")), replication=replication)) as journal:
        journal.settings |= {"page_size": page_size, "paging": paging}
        Story(journal).play(steps)
        assert journal.is_equal()
