"""What earlier versions left on disk is read, and gone on from, by today's commands."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from ifs_bi_core.ledger import trail
from ifs_bi_core.ledger.accounts import MIGRATIONS
from ifs_bi_core.vault import sealing
from ifs_bi_core.vault.store import Vault
from pipeline.commands import Ran, run_command
from pipeline.recorded import singer
from pipeline.tenant import STREAMS
from tap_ifs_cloud import key_store
from tap_ifs_cloud.tap import TapIfsCloud
from target_powerbi import kept_file
from target_powerbi.kept import Kept
from upgrade.story import (
    MASTER_KEY,
    PLAIN_LETTER,
    RECORDED,
    SEALED_LETTER,
    SECRET,
    STATE,
    STATE_DIR,
    WAREHOUSE,
    first_days,
    move,
    next_day,
    orders,
    warehouse,
)

if TYPE_CHECKING:
    from pipeline.tenant import Shown, Tenant

ROOT = Path(__file__).parents[2]
RECORDINGS = sorted(Path(__file__).parent.glob("format_*"))
LOADED = {"dated": 21, "entire": 21, "journal_entries": 24, "versioned": 21}
"""The rows of the first days."""


@dataclass
class Recording:
    """A recorded format, on the disk of somebody who upgrades.

    Attributes:
        folder: where everything lies, under the names of `upgrade.story`.
    """

    folder: Path

    def run(self, command: str, *words: str, given: bytes = b"", config: Any = None) -> Ran:
        """A command of today, started where the earlier ones were."""
        arguments = list(words)
        if config is not None:
            (self.folder / f"{command}.json").write_text(json.dumps(config))
            arguments = ["--config", f"{command}.json", *arguments]
        return run_command(command, *arguments, given=given, cwd=self.folder, IFS_BI_VAULT_KEY=MASTER_KEY)

    def told(self, *words: str) -> list[dict[str, Any]]:
        """What a verb of ``ifs-bi`` says of the state folder, as JSON."""
        ran = self.run("ifs-bi", *words, "--json", "--state-dir", STATE_DIR)
        assert ran.code == 0, ran.err
        said = [json.loads(line) for line in ran.out.splitlines()]
        return said[0] if len(said) == 1 and isinstance(said[0], list) else said

    def load(self, lines: bytes) -> Ran:
        """Feed lines into the warehouse."""
        return self.run("target-looker-warehouse", given=lines, config=warehouse(self.folder))

    def ask_warehouse(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the warehouse."""
        with duckdb.connect(str(self.folder / "warehouse.duckdb")) as connection:
            return connection.execute(sql).fetchall()

    def ask_ledger(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the ledger; what the statement changes stays changed."""
        with closing(sqlite3.connect(self.folder / STATE_DIR / "ledger.db")) as ledger, ledger:
            return ledger.execute(sql).fetchall()

    def shown(self) -> Shown:
        """What the warehouse shows of the tenant."""
        stages = {"journal_entries": "stage"}
        asked = {
            stream: f'SELECT "Company", "No"::INTEGER, {stages.get(stream, "NULL")}, "Text" FROM {stream}'
            for stream in STREAMS
        }
        return {
            stream: {(company, number): (stage or "", text) for company, number, stage, text in self.ask_warehouse(sql)}
            for stream, sql in asked.items()
        }


@pytest.fixture(params=RECORDINGS, ids=lambda path: path.name)
def recording(request, tmp_path):
    folder = tmp_path / "upgraded"
    shutil.copytree(request.param, folder)
    move(folder, RECORDED, str(folder))
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        for script in ("schema.sql", "load.sql"):
            connection.execute((folder / WAREHOUSE / script).read_text("utf-8"))
    for path in [folder / STATE_DIR, *(folder / STATE_DIR).rglob("*")]:  # git keeps no more of a mode than that
        path.chmod(0o700 if path.is_dir() else 0o600)
    return Recording(folder)


def test_there_is_a_recording_of_the_first_format():
    assert "format_1" in {path.name for path in RECORDINGS}


def test_the_ledger_tells_of_every_earlier_run_and_each_one_balances(recording):
    runs = recording.told("ledger", "runs")
    assert {run["plugin"] for run in runs} == {"tap-ifs-cloud", "target-looker-warehouse", "target-powerbi"}
    for name in {run["run"] for run in runs}:
        recording.told("ledger", "balance", name)  # ends with 1 where it doesn't


def test_a_ledger_of_the_first_version_is_brought_to_the_newest_one(recording):
    recording.told("ledger", "runs")
    assert recording.load(singer([])).code == 0
    versions = [version for (version,) in recording.ask_ledger("SELECT version FROM ledger_versions ORDER BY version")]
    assert versions == sorted(MIGRATIONS)


def test_the_ledger_finds_the_story_of_an_earlier_record(recording):
    said = json.dumps(recording.told("ledger", "find", "--stream", "dated", "--key", "Company=10", "--key", "No=2"))
    assert "acknowledged" in said
    assert "2026-03-01T09:00:00" in said  # the version that it was delivered in


def test_every_batch_file_is_read_to_its_last_row(recording):
    batches = recording.ask_ledger("SELECT file, rows FROM batches")
    assert len(batches) > len(LOADED)
    for file, rows in batches:
        read = list(trail.read(recording.folder / STATE_DIR / file))
        assert len(read) == rows
        assert all(json.loads(row.payload) for row in read)


def test_the_vault_gives_its_secret(recording):
    name, secret = SECRET
    vault = Vault(recording.folder / STATE_DIR / "vault" / "vault.json", {**os.environ, "IFS_BI_VAULT_KEY": MASTER_KEY})
    assert vault.read().secret(name) == secret


def test_dead_letters_open_sealed_or_not_are_replayed_and_get_their_answer(recording):
    letters = recording.told("dead-letters", "list")
    assert {letter["sealed"] for letter in letters} == {True, False}
    replayed = recording.run("ifs-bi", "replay", "--state-dir", STATE_DIR)
    assert replayed.code == 0, replayed.err
    assert {row["OrderNo"] for row in replayed.records("orders")} == {str(PLAIN_LETTER), str(SEALED_LETTER)}
    loaded = recording.load(replayed.out)
    assert loaded.code == 3, loaded.err  # an amount that is no number is none today either
    assert {letter["state"] for letter in recording.told("dead-letters", "list")} == {"refused"}


def test_the_pipe_goes_on_from_the_state_and_moves_what_changed_since(recording, tmp_path):
    tenant = first_days(tmp_path)
    assert recording.shown() == tenant.shown()
    next_day(tenant)
    lines = go_on(recording, tenant)
    moved = {stream: len(lines.records(stream)) for stream in STREAMS}
    # Changed, new, gone; of vouchers: entered, posted; and a full refresh is a full refresh.
    assert moved == {"dated": 3, "versioned": 3, "journal_entries": 2, "entire": LOADED["entire"]}
    loaded = recording.load(lines.out)
    assert loaded.code == 0, loaded.err
    assert recording.shown() == tenant.shown()


def go_on(recording: Recording, tenant: Tenant) -> Ran:
    """The tap's next run, from the recorded state; the tenant has moved to another port meanwhile."""
    state_dir = recording.folder / STATE_DIR
    with tenant.served() as address:
        settings = tenant.settings(address, state_dir)
        [delivered] = (state_dir / "delivered").glob("*.db")
        delivered.rename(TapIfsCloud(config=settings)._key_store(state_dir))
        lines = recording.run("tap-ifs-cloud", "--state", STATE, config=settings)
    assert lines.code == 0, lines.err
    return lines


def test_a_batch_that_an_earlier_version_left_unanswered_is_resolved_and_leaves_no_row_twice(recording):
    before = recording.ask_warehouse("SELECT count(*), sum(Amount) FROM orders")
    [(batch,)] = recording.ask_ledger("SELECT max(batch) FROM batches WHERE stream = 'orders'")
    # As `kill -9` leaves it between the commit of the warehouse and the answer.
    recording.ask_ledger(f"DELETE FROM batch_events WHERE batch = '{batch}' AND state = 'acknowledged'")
    loaded = recording.load(singer(orders(PLAIN_LETTER)[:-2]))
    assert loaded.code == 0, loaded.err
    told = recording.ask_ledger(f"SELECT state FROM batch_events WHERE batch = '{batch}' ORDER BY id")
    # The first format's table of marks is not read any more: the rows come again, and replace themselves by their key.
    assert told[-1] == ("withdrawn",)
    assert recording.ask_warehouse("SELECT count(*), sum(Amount) FROM orders") == before


def test_the_kept_rows_of_a_power_bi_dataset_are_all_there(recording):
    [file] = (recording.folder / STATE_DIR).glob("powerbi-*.db")
    kept = Kept(file)
    rows = dict(kept.database.execute("SELECT stream, count(*) FROM tables JOIN kept_rows ON table_id = id GROUP BY 1"))
    assert {stream: rows[stream] for stream in LOADED} == LOADED
    kept.close()


def test_the_page_about_upgrading_names_the_formats_that_this_version_writes():
    page = (ROOT / "docs" / "upgrading.md").read_text("utf-8")
    numbers = dict(re.findall(r"^\| ([^|]+?) \|[^|]*\| (\d+) \|", page, re.MULTILINE))
    assert {what: int(number) for what, number in numbers.items()} == {
        "ledger": max(MIGRATIONS),
        "vault": sealing.FORMAT,
        "keys that were delivered": key_store._LAYOUT,
        "kept rows of Power BI": kept_file._LAYOUT,
    }
