"""``ifs-bi powerbi plan``: what a run would make, alter and push, and how long Power BI's limits make that last."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ifs_bi_core.errors import IfsBiError
from ifs_bi_core.http.client import REAL

from target_powerbi.allowance import Allowance, allowance
from target_powerbi.bodies import BYTES_FOR_NAME
from target_powerbi.capacity import Capacity
from target_powerbi.command.rehearsal import TO_BE_MADE, Doing, Rehearsal, copy_kept, overheard
from target_powerbi.command.singer_input import singer_input
from target_powerbi.kept import Kept, KeptTable
from target_powerbi.limits import HOUR, finished_at, loads_of
from target_powerbi.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from target_powerbi.choices import DataType
    from target_powerbi.settings import Settings


@dataclass(frozen=True)
class TablePlan:
    """What becomes of one stream's table.

    Attributes:
        stream: of its rows.
        table: its name; None where the stream can't have one.
        change: ``made`` with the dataset, ``altered``, or ``as it is``.
        columns: how many it has then.
        new_columns: those that an existing table gets; None where nobody knows what it has.
        held: rows that it holds before, those that cancel each other among them.
        read: rows of the input.
        added: rows that are appended.
        rewritten: rows that it is filled with after it was emptied; None where it is not emptied.
        refused: rows that would go to the dead letters.
        requests: that bring the rows.
        rewrite_seconds: how long the limits make a rewrite of all its rows last, which one changed row makes due; None where
            rows are written in another way.
        problem: why the run would end here.
    """

    stream: str
    table: str | None
    change: str
    columns: int
    new_columns: tuple[str, ...] | None
    held: int
    read: int
    added: int
    rewritten: int | None
    refused: int
    requests: int
    rewrite_seconds: float | None
    problem: str | None


@dataclass(frozen=True)
class Plan:
    """What a run would do.

    Attributes:
        dataset: its name, or its id.
        dataset_id: None where it would be made.
        relationships: of a dataset that would be made.
        tables: one for each stream.
        seconds: that Power BI's limits make it last, at least.
        left: what the limits leave at its beginning.
        has_rows: whether the input holds rows, without which nobody knows what is pushed.
        notes: what the input leaves open, and warnings that the run would give.
        problem: what would end the run; None where it comes to its end.
    """

    dataset: str
    dataset_id: str | None
    relationships: int
    tables: tuple[TablePlan, ...]
    seconds: float
    left: Allowance
    has_rows: bool
    notes: tuple[str, ...]
    problem: IfsBiError | None

    @property
    def rows(self) -> int:
        """How many rows leave."""
        return sum(table.added + (table.rewritten or 0) for table in self.tables)

    @property
    def requests(self) -> int:
        """How many requests bring them."""
        return sum(table.requests for table in self.tables)


def planned(config: Mapping[str, Any], settings: Settings, source: Iterable[bytes]) -> Plan:
    """The plan of a run with these settings and this input. Nothing is written but a copy of the kept rows, for as long.

    Args:
        config: the resolved settings of the target.
        settings: the same, looked through.
        source: lines of Singer, or a catalog.

    Raises:
        ConfigError: the input is neither.
        IfsBiError: the dataset can't be looked up, or a run is going on.
    """
    around = settings.state_dir if settings.state_dir.is_dir() else None  # so that rows stay on the disk where they are
    with overheard() as notes, TemporaryDirectory(prefix="plan-", dir=around) as name:
        copy = copy_kept(settings, Path(name))
        with closing(Kept(copy)) as kept:
            before, held = kept.tables(), kept.held_by_stream()
            left = _left(kept, settings)
        given = singer_input(source, _types(before))
        rehearsal = Rehearsal(config, Path(name))
        problem: IfsBiError | None = None
        try:
            rehearsal.rehearse(given.lines)
        except IfsBiError as error:
            if "run" not in rehearsal.__dict__:  # nothing was found out
                raise
            problem = error
        with closing(Kept(copy)) as kept:
            tables = tuple(_tables(rehearsal, kept, before, held))
        problem = problem or next(iter(rehearsal.problems.values()), None)
        dataset_id, created = rehearsal.run.dataset.id, rehearsal.workspace.created
        return Plan(
            dataset=settings.dataset,
            dataset_id=None if dataset_id == TO_BE_MADE else dataset_id,
            relationships=created[1] if created else 0,
            tables=tables,
            seconds=rehearsal.waited,
            left=left,
            has_rows=bool(rehearsal.read),
            notes=(*([given.vagueness] if given.vagueness else []), *(f"A run would warn: {note}" for note in notes)),
            problem=problem,
        )


def _types(tables: Mapping[str, KeptTable]) -> dict[tuple[str, str], DataType]:
    """By stream and property, the types of columns."""
    return {(stream, column.property): column.type for stream, kept in tables.items() for column in kept.table.columns}


def _left(kept: Kept, settings: Settings) -> Allowance:
    now = REAL.clock()
    known = kept.dataset_id
    sent = Traffic(kept.database, known).sendings(now - HOUR) if known else []
    return allowance(sent, now, large=Capacity(kept, retains=settings.retention_policy == "none").large)


def _tables(
    rehearsal: Rehearsal, kept: Kept, before: Mapping[str, KeptTable], held: Mapping[str, int]
) -> Iterator[TablePlan]:
    settings, after = rehearsal.settings, kept.tables()
    for stream in dict.fromkeys([*after, *rehearsal.problems]):
        table = after[stream].table if stream in after else None
        doing = rehearsal.workspace.doing(table.name) if table else Doing()
        error = rehearsal.problems.get(stream)
        rewrites = settings.write_mode == "mirror" and table is not None
        change = _change(rehearsal, doing)
        emptied = change != "made" and doing.emptied and bool(doing.rewritten or held.get(stream))
        yield TablePlan(
            stream=stream,
            table=table.name if table else None,
            change=change,
            columns=len(table.all_columns) if table else 0,
            new_columns=_new_columns(before.get(stream), doing),
            held=held.get(stream, 0),
            read=rehearsal.read[stream],
            added=doing.added if emptied else doing.added + doing.rewritten,
            rewritten=doing.rewritten if emptied else None,
            refused=rehearsal.refusals.counts[stream],
            requests=doing.requests,
            rewrite_seconds=_rewrite_seconds(kept, stream, settings.batch_size_rows) if rewrites else None,
            problem=str(error) if error else None,
        )


def _change(rehearsal: Rehearsal, doing: Doing) -> str:
    if rehearsal.run.dataset.id in {None, TO_BE_MADE}:
        return "made"
    return "altered" if doing.definition else "as it is"


def _new_columns(before: KeptTable | None, doing: Doing) -> tuple[str, ...] | None:
    if doing.definition is None:
        return ()
    if before is None:
        return None
    known = {column.name for column in before.table.all_columns}
    return tuple(column["name"] for column in doing.definition["columns"] if column["name"] not in known)


def _rewrite_seconds(kept: Kept, stream: str, most_rows: int) -> float:
    """On a dataset that nothing was sent to within the last hour."""
    rows, size = kept.volume(stream)
    large = Capacity(kept, retains=True).others_are_large(stream)
    loads = loads_of(rows, size + rows * BYTES_FOR_NAME, shown=0, large=large, most_rows=most_rows)
    return finished_at(loads, (), 0.0)[0]
