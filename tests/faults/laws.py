"""What has to be so after each run, and after each script: sentences about what is not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

from faults.destinations import DESTINATIONS
from faults.pipes import BY_MELTANO, processes_in
from ifs_bi_core.dead_letter.store import DeadLetters
from ifs_bi_core.ledger.accounts import BATCHES
from ifs_bi_core.ledger.history import balance, runs
from ifs_bi_core.ledger.journal import utc_now
from ifs_bi_core.ledger.retention import prune
from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_core.singer.record_files import FOLDER as RECORD_FILES
from pipeline.leaks import files, leaks
from sqlalchemy import select

if TYPE_CHECKING:
    from faults.landscape import Landscape
    from faults.processes import Ended

KILLED = -9
DONE, FAILED, WRONG_CONFIGURATION = 0, 1, 2
_UNEXPECTED = ("Traceback (most recent call last)", "met something it was not made for")
_ERROR = re.compile(r"\b(ERROR|CRITICAL)\b")
KEPT = (
    re.compile(r"(tap|target|state)\.json|warehouse\.duckdb"),
    re.compile(r"meltano\.yml|\.env|\.gitignore|(\.meltano|plugins|logs)/.*"),
    re.compile(r"\.ifs-bi/ledger\.db"),
    re.compile(r"\.ifs-bi/(delivered|metadata|limits|batches)/.*"),
    re.compile(r"\.ifs-bi/(powerbi|mirroring)-[^/]*\.db"),
    re.compile(r"\.ifs-bi/\.pruned(-[0-9a-f]+)?"),
)
"""What may lie in the folder of the runs when nothing runs."""
WHOLE = {"entire"}
"""Streams of which every run brings all rows."""
ABANDONED = re.compile(r"\.writing$|\.tmp$|\.partial$|/\.room-|-journal$")


def of_a_run(ended: Ended, killed: frozenset[str], misled: frozenset[str]) -> Iterator[str]:
    """Exit codes are those of the design, and the last words are a sentence.

    Args:
        ended: how it ended.
        killed: the commands that were killed.
        misled: those that met what looks like a wrong configuration.
    """
    for name, code in ended.codes.items():
        said = ended.said[name]
        if code is None:
            yield f"{name} hung"
        elif code == KILLED:
            if name not in killed:
                yield f"{name} was killed by nobody"
        elif code not in {DONE, FAILED} and (code != WRONG_CONFIGURATION or name not in misled):
            yield f"{name} ended with {code}: {said[-2000:]}"
        elif name != BY_MELTANO and code and not _ERROR.search((said.splitlines() or [""])[-1]):
            yield f"the last words of {name} are no sentence: {said[-2000:]}"
        yield from (f"{name} said: {said[-3000:]}" for word in _UNEXPECTED if word in said)


def of_a_clean_run(ended: Ended) -> Iterator[str]:
    """Nothing goes wrong where nothing is made to."""
    for name, code in ended.codes.items():
        if code != DONE:
            yield f"nothing went wrong, and {name} ended with {code}: {ended.said[name][-3000:]}"


def of_a_script(landscape: Landscape, said: Iterable[tuple[str, bytes]]) -> Iterator[str]:
    """The destination is the source, the ledger balances, and nothing lies about."""
    yield from destination_is_source(landscape)
    yield from ledger_balances(landscape)
    yield from nothing_is_left_over(landscape)
    yield from no_secret_is_told(landscape, said)


def destination_is_source(landscape: Landscape) -> Iterator[str]:
    """Each row is there once, with its values, and no other."""
    try:
        shown = DESTINATIONS[landscape.script.destination].shown(landscape)
    except ValueError as error:
        yield str(error)
        return
    source = landscape.source.shown()
    for stream in landscape.script.streams:
        there, wanted = shown.get(stream, {}), source[stream]
        for key in sorted(there.keys() | wanted.keys()):
            if there.get(key) != wanted.get(key):
                yield f"{stream} {key}: the source has {wanted.get(key)!r}, the destination {there.get(key)!r}"


def ledger_balances(landscape: Landscape) -> Iterator[str]:
    """No batch is without an answer, no row without a fate, and no dead letter was written."""
    with closing(Ledger.open(landscape.ledger_url, landscape.state_dir, create=False)) as ledger:
        with ledger.database.read() as connection:
            tables = connection.execute(select(BATCHES.c.destination, BATCHES.c.stream).distinct()).fetchall()
        for destination, stream in tables:
            for batch in ledger.unanswered(destination, stream, or_unknown=True):
                yield f"batch {batch.id} of {stream} has no answer"
        for name in {part.run for part in runs(ledger)}:
            told = balance(ledger, name)
            yield from (f"run {name} does not balance: {line}" for line in told.streams if not line.holds)
    yield from (f"rows are in dead letter {letter.id}" for letter in DeadLetters(landscape.state_dir).letters())


def nothing_was_to_do(landscape: Landscape) -> Iterator[str]:
    """The last run moved no row, but for a set that is read as a whole each time."""
    with closing(Ledger.open(landscape.ledger_url, landscape.state_dir, create=False)) as ledger:
        last = balance(ledger, runs(ledger, limit=1)[0].run)
    for line in last.streams:
        if line.read and line.stream not in WHOLE:
            yield f"the source had not changed, and the last run moved {line.read} rows of {line.stream}"


def nothing_is_left_over(landscape: Landscape) -> Iterator[str]:
    """No table of a load, no half file, no process; what a killed one left is what retention sweeps after a day."""
    destination = DESTINATIONS[landscape.script.destination]
    yield from (f"there is {stray}" for stray in destination.strays(landscape))
    with closing(
        Ledger.open(landscape.ledger_url, landscape.state_dir, clock=lambda: utc_now() + timedelta(days=2))
    ) as ledger:
        prune(ledger)
        with ledger.database.read() as connection:
            batches = set(connection.execute(select(BATCHES.c.file)).scalars())
    for path in sorted(landscape.folder.rglob("*")):
        name = path.relative_to(landscape.folder).as_posix()
        if not path.is_file():
            continue
        if name.startswith(".ifs-bi/batches/") and name.removeprefix(".ifs-bi/") not in batches:
            yield f"{name} is a file of no batch"
        elif name.startswith(f".ifs-bi/{RECORD_FILES}/"):
            yield f"{name} was loaded by nobody, or not removed"
        elif ABANDONED.search(name) or not any(kept.fullmatch(name) for kept in KEPT):
            yield f"{name} was left behind"
    for process in processes_in(landscape.folder):
        yield f"process {process.pid} goes on: {process.cmdline()}"


def no_secret_is_told(landscape: Landscape, said: Iterable[tuple[str, bytes]]) -> Iterator[str]:
    """No secret and no token in any byte that was written, but for the configurations."""
    configured = {"tap.json", "target.json", ".env"}
    left = (content for content in files(landscape.folder) if content[0] not in configured)
    yield from leaks(landscape.secrets, (*left, *said))
