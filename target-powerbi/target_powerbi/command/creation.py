"""``ifs-bi powerbi create`` and ``compact``: a dataset made before its first rows, and tables rid of cancelled ones."""

from __future__ import annotations

from contextlib import closing, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING

from ifs_bi_core.errors import ConfigError, ExitCode

from target_powerbi.command.singer_input import only_schemas, singer_input
from target_powerbi.command.verification import chosen, opened
from target_powerbi.signed import SignedDelivery
from target_powerbi.target import TargetPowerBI

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from target_powerbi.settings import Settings


@dataclass(frozen=True)
class Created:
    """What `create` did.

    Attributes:
        dataset: its name, or its id.
        dataset_id: of the dataset.
        made: whether it was made now; else it was there.
        tables: names of the tables of the input.
    """

    dataset: str
    dataset_id: str
    made: bool
    tables: tuple[str, ...]


@dataclass(frozen=True)
class Compacted:
    """A table that was written anew.

    Attributes:
        stream: of its rows.
        table: as Power BI calls it.
        rows: that it holds now.
        removed: rows that cancelled each other, and are gone.
    """

    stream: str
    table: str
    rows: int
    removed: int


def create(config: Mapping[str, Any], source: Iterable[bytes]) -> Created:
    """Make the dataset with the tables of the SCHEMA lines, or check and alter those of one that is there: a run without rows.

    Args:
        config: the resolved settings of the target.
        source: lines of Singer, or a catalog.

    Raises:
        ConfigError: the input has no SCHEMA, or does not say what the types of all columns are.
        IfsBiError: the dataset can't be made or altered.
    """
    given = singer_input(source)
    if given.vagueness:
        raise ConfigError(f"{given.vagueness} A column that is made keeps its type for good, so nothing was made.")
    target = TargetPowerBI(config=dict(config))
    with redirect_stdout(StringIO()), closing(target), target.account.closing(target.exit_code):
        run = target.run
        there = run.dataset.id
        target.listen(only_schemas(given.lines))  # type: ignore[arg-type]  # it is only iterated over
        if not target.row_sinks():
            raise ConfigError(
                "The input has no SCHEMA of a stream that is selected, so there is no table to make. Select streams in the tap."
            )
        streams = {sink.stream_name for sink in target.row_sinks()}
    with closing(opened(target.settings)) as kept:
        tables = tuple(found.table.name for stream, found in kept.tables().items() if stream in streams)
    return Created(target.settings.dataset, run.dataset.id or "", there is None, tables)


def compact(config: Mapping[str, Any], settings: Settings, names: Sequence[str]) -> list[Compacted]:
    """Write tables of `signed` anew, without the rows that cancel each other.

    Args:
        config: the resolved settings of the target.
        settings: the same, looked through.
        names: streams or tables; none: those where cancelled rows outweigh the others.

    Raises:
        ConfigError: rows are written in another way, or nothing is kept of these tables.
        IfsBiError: a table can't be written; the next run goes on with it.
    """
    if settings.write_mode != "signed":
        raise ConfigError(
            f"Setting 'write_mode' is '{settings.write_mode}', in which no rows cancel each other: there is nothing to compact."
        )
    with closing(opened(settings)) as kept:
        tables = chosen(kept.tables(), names)
    target = TargetPowerBI(config=dict(config))
    with closing(target), target.account.closing(lambda: ExitCode.DONE):
        delivery, held = target.run.delivery, target.run.kept
        if not isinstance(delivery, SignedDelivery):
            raise TypeError(f"{type(delivery).__name__} is no SignedDelivery")
        done = []
        for stream, found in tables.items():
            if names or held.held(stream) > 2 * held.count(stream):
                removed = delivery.compact(stream)
                done.append(Compacted(stream, found.table.name, held.count(stream), removed))
        return done
