"""What has to be true of ledger, dead letters, warehouse and files when a run was killed and the next one has ended."""

from collections import Counter
from datetime import timedelta

from click.testing import CliRunner
from ifs_bi_core.cli import ifs_bi
from ifs_bi_core.ledger.accounts import BATCHES
from ifs_bi_core.ledger.history import balance, runs, show
from ifs_bi_core.ledger.journal import utc_now
from ifs_bi_core.ledger.retention import prune
from ifs_bi_core.ledger.runs import Ledger
from sqlalchemy import select

KILLED = -9
"""The exit code of a process that `kill -9` ended."""


def check_dead_letters(scene, refused, where):
    """The refused rows lie among the dead letters, and no others."""
    told = scene.refused()
    assert set(told) == refused, where
    assert max(told.values(), default=0) <= 2, where  # once by each of the two runs


def check_ledger(scene, where):
    """Every run balances, and no batch is without an answer."""
    ledger = Ledger.open(None, scene.state_dir, create=False)
    with ledger.database.read() as connection:
        tables = connection.execute(select(BATCHES.c.destination, BATCHES.c.stream).distinct()).fetchall()
    assert [batch.id for table in tables for batch in ledger.unanswered(*table, or_unknown=True)] == [], where
    names = {part.run for part in runs(ledger)}
    ledger.close()
    assert names
    for name in names:
        said = CliRunner().invoke(ifs_bi, ["ledger", "balance", "--state-dir", str(scene.state_dir), name])
        assert said.exit_code == 0, f"{where}: {said.output}"


def check_loads(scene, where):
    """A warehouse tells of each batch that the ledger calls acknowledged, and of as many rows; refused ones may be among them."""
    told = scene.loads()
    if told is None:
        return
    ledger = Ledger.open(None, scene.state_dir, create=False)
    counts = {
        batch.batch: batch.rows for name in {part.run for part in runs(ledger)} for batch in show(ledger, name).batches
    }
    ledger.close()
    assert told.keys() == {batch for batch, rows in counts.items() if rows.get("acknowledged")}, where
    for batch, rows in told.items():
        acknowledged = counts[batch]["acknowledged"]
        assert acknowledged <= rows <= acknowledged + counts[batch].get("refused", 0), where


def check_files(scene, where):
    """What the killed process left of its files is what retention sweeps when it is a day old, and nothing else."""
    ledger = Ledger.open(None, scene.state_dir, clock=lambda: utc_now() + timedelta(days=2))
    with ledger.database.read() as connection:
        known = set(connection.execute(select(BATCHES.c.file)).scalars())
    before = files_of(scene)
    strays = {name for name in before if name.startswith("batches/")} - known
    streams = Counter(name.rpartition("/")[0] for name in strays)
    assert max(streams.values(), default=0) <= 1, where  # of each stream one batch is written at a time
    assert all(name.endswith((".parquet", ".parquet.writing")) for name in strays), where
    probes = {name for name in before if name.startswith(".room-")}  # it was about to see whether there is room
    assert prune(ledger).left_behind == len(strays | probes), where
    ledger.close()
    after = files_of(scene)
    assert {name for name in after if name.startswith(("batches/", ".room-"))} == known, where


def files_of(scene):
    return {path.relative_to(scene.state_dir).as_posix() for path in scene.state_dir.rglob("*") if path.is_file()}


def acknowledged_by_the_killed(scene):
    """By stream, how many rows the ledger calls acknowledged of the run that has no end."""
    ledger = Ledger.open(None, scene.state_dir, create=False)
    killed = [part.run for part in runs(ledger) if part.ended is None]  # none, if it was killed before it said a word
    told = {line.stream: line.acknowledged for name in killed for line in balance(ledger, name).streams}
    ledger.close()
    return told
