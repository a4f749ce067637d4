"""The cases of the bench as a table: what is compared with what, and how much faster it has to be.

A new case is a row of `CASES`. What programs do in it is a class with the members of `works.Work`; who takes part is a value in
`programs`, and a peer's environment a file of `benchmarks/environments`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import programs as p
from concurrency import UnevenSets
from row_version import RowVersionScan
from services import LoadPowerBI, NoRows, NothingNew
from works import Extract, Load, MeltanoRun, Pipe, Update

if TYPE_CHECKING:
    from running import Taken
    from works import Work


@dataclass(frozen=True)
class Demand:
    """What one line of a case has to reach, measured by another one; or by what its commands may take.

    Attributes:
        least: how many times as many rows a second; or
        seconds: how much longer it may take; or
        peaks_mb: how much memory each of its commands may take, whatever the other line does.
        work: the name of the first; none: ours.
        against: the name of the other; none: the fastest peer.
    """

    least: float = 0.0
    seconds: float = 0.0
    peaks_mb: tuple[float, ...] = ()
    work: str = ""
    against: str = ""

    def met(self, work: Taken, against: Taken) -> bool:
        """Whether it is."""
        if self.seconds:
            return work.seconds <= against.seconds + self.seconds
        if self.peaks_mb:
            return all(peak <= limit for peak, limit in zip(work.peaks_mb, self.peaks_mb, strict=True))
        return work.speed >= self.least * against.speed

    def __str__(self) -> str:
        """What is demanded."""
        if self.peaks_mb:
            return f"within {' + '.join(f'{limit:g}' for limit in self.peaks_mb)} MB"
        return f"at most {self.seconds:g} s longer" if self.seconds else f"at least {self.least:.2f} times as fast"


@dataclass(frozen=True)
class Case:
    """Works that do the same.

    Attributes:
        name: for the command line.
        title: for the reader.
        works: in the order in which they take turns.
        demands: what ours has to reach.
        times: how often each is done; the figure is the median.
    """

    name: str
    title: str
    works: tuple[Work, ...]
    demands: tuple[Demand, ...] = ()
    times: int = 3


SMALL, LARGE = (Pipe(p.TAP, p.WAREHOUSE, "duckdb", share) for share in (0.1, 5))
LARGE_LITTLE_BY_LITTLE = Pipe(p.TAP, p.WAREHOUSE_SMALL_BATCHES, "duckdb", 5)
READ_JSON = p.floor("read_json", "DuckDB's read_json, delete, insert")
ON_CONFLICT = p.floor("on_conflict", "COPY of ready CSV, ON CONFLICT", copied=True)
DELETE_INSERT = p.floor("delete_insert", "COPY of ready CSV, delete, insert", copied=True)


def _with_and_without(on: Work, off: Work) -> tuple[tuple[Work, ...], tuple[Demand, ...]]:
    return (on, off), (Demand(0.85, against=off.name),)


CASES = (
    Case(
        "tap",
        "Tap, to /dev/null",
        (Extract(p.TAP), Extract(p.TAP_VERSIONS), Extract(p.TEMPLATE_TAP), Extract(p.REST_API_TAP)),
        (Demand(12, against=p.TEMPLATE_TAP.name),),
    ),
    Case(
        "duckdb",
        "Target, new rows from a file into DuckDB",
        (
            Load(p.WAREHOUSE, "duckdb"),
            Load(p.TARGET_DUCKDB, "duckdb"),
            Load(p.TARGET_JSONL, "duckdb", 0.3),
            Load(READ_JSON, "duckdb"),
        ),
        (Demand(7, against=p.TARGET_DUCKDB.name),),
    ),
    Case(
        "duckdb-updates",
        "Target, updates from a file into DuckDB",
        tuple(Update(target, "duckdb") for target in (p.WAREHOUSE, p.TARGET_DUCKDB, READ_JSON)),
        (Demand(8, against=p.TARGET_DUCKDB.name),),
    ),
    Case(
        "postgresql",
        "Target, new rows from a file into PostgreSQL",
        (
            Load(p.WAREHOUSE, "postgresql"),
            Load(p.TARGET_POSTGRES, "postgresql", 0.3),
            Load(p.PIPELINEWISE, "postgresql"),
            Load(ON_CONFLICT, "postgresql"),
            Load(DELETE_INSERT, "postgresql"),
        ),
        (Demand(5),),
    ),
    Case(
        "postgresql-updates",
        "Target, updates from a file into PostgreSQL",
        tuple(
            Update(target, "postgresql")
            for target in (p.WAREHOUSE, p.TARGET_POSTGRES, p.PIPELINEWISE, ON_CONFLICT, DELETE_INSERT)
        ),
        (Demand(4),),
    ),
    Case(
        "pipe",
        "Whole pipe in a shell, into DuckDB",
        (
            Pipe(p.TAP, p.WAREHOUSE, "duckdb"),
            Pipe(p.TEMPLATE_TAP_NAIVE, p.TARGET_DUCKDB, "duckdb", 0.5),
        ),
        (Demand(12),),
    ),
    Case(
        "pipe-postgresql",
        "Whole pipe in a shell, into PostgreSQL",
        (Pipe(p.TAP, p.WAREHOUSE, "postgresql"), Pipe(p.TEMPLATE_TAP, p.PIPELINEWISE, "postgresql", 0.5)),
    ),
    Case(
        "meltano",
        "Whole pipe under meltano run",
        (
            MeltanoRun(p.TAP, p.WAREHOUSE, "duckdb", batch=True),
            MeltanoRun(p.TAP, p.WAREHOUSE, "duckdb"),
            MeltanoRun(p.TEMPLATE_TAP_NAIVE, p.TARGET_DUCKDB, "duckdb", 0.5),
            Pipe(p.TAP, p.WAREHOUSE, "duckdb"),
        ),
        (Demand(0.8, against=Pipe(p.TAP, p.WAREHOUSE, "duckdb").name),),
    ),
    Case(
        "latency",
        "Nine uneven streams, 300 ms a page; time at the server",
        (UnevenSets(8), UnevenSets(1)),
        (Demand(5, against=UnevenSets(1).name),),
    ),
    Case("limit", "The same under a low limit of requests", (UnevenSets(8, 100),), times=1),
    Case(
        "nothing-new",
        "An incremental run that finds nothing new",
        (NothingNew(), NoRows(p.TAP, "ours"), NoRows(p.TEMPLATE_TAP)),
        (Demand(seconds=1),),
    ),
    Case(
        "row-version",
        "Rows without a modified field",
        (RowVersionScan(second=True), RowVersionScan(second=False)),
    ),
    Case(
        "gzip",
        "Tap, pages in gzip",
        (Extract(p.TAP, gzip=True, share=0.5), Extract(p.TEMPLATE_TAP, gzip=True, share=0.5)),
    ),
    Case(
        "ledger-tap",
        "The ledger's cost: tap",
        *_with_and_without(Extract(p.TAP, share=0.5), Extract(p.without_ledger(p.TAP), share=0.5)),
    ),
    Case(
        "ledger-duckdb",
        "The ledger's cost: target-looker-warehouse",
        *_with_and_without(Load(p.WAREHOUSE, "duckdb", 0.5), Load(p.without_ledger(p.WAREHOUSE), "duckdb", 0.5)),
    ),
    Case(
        "powerbi",
        "Target, new rows from a file into Power BI's stand-in, and the ledger's cost",
        *_with_and_without(LoadPowerBI(p.POWERBI, 0.2), LoadPowerBI(p.without_ledger(p.POWERBI), 0.2)),
    ),
    Case(
        "memory",
        "Memory: a tenth of the rows, and five times as many, also in small batches",
        (LARGE, SMALL, LARGE_LITTLE_BY_LITTLE),
        tuple(
            Demand(peaks_mb=limits, work=work.name, against=SMALL.name)
            for work, limits in ((LARGE, (150, 900)), (SMALL, (150, 900)), (LARGE_LITTLE_BY_LITTLE, (150, 300)))
        ),
        times=1,
    ),
)
