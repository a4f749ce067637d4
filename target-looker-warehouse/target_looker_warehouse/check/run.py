"""From one step of `ifs-bi warehouse-check` to the next, and the schema dropped at the end, whatever comes."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ifs_bi_core.errors import ExitCode, IfsBiError
from ifs_bi_core.redaction import REDACTOR

from target_looker_warehouse.check.changes import ROWS, SHAPES
from target_looker_warehouse.check.probes import PROBES
from target_looker_warehouse.check.values import VALUES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_looker_warehouse.check.scratch import Scratch
    from target_looker_warehouse.check.step import Row, Step

STEPS = (*VALUES, *ROWS, *SHAPES)
"""Those that are data, in the order in which they are run."""

_SHOWN_ROWS = 3
_SHOWN_LETTERS = 300


class Mark(StrEnum):
    """What came of a step."""

    HOLDS = "holds"
    FAILED = "failed"
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a step.

    Attributes:
        step: its name.
        mark: what came of it.
        said: why, as a sentence; empty where it holds.
    """

    step: str
    mark: Mark
    said: str = ""


def check(scratch: Scratch, tell: Callable[[Outcome], None], *, keep: bool = False) -> None:
    """Go through all steps.

    Args:
        scratch: the schema; it is made here, and dropped at the end, also after an error or an interruption.
        tell: is given the outcome of each step as soon as it is known.
        keep: leave the schema where it is.

    Raises:
        ConfigError: there is such a schema, or this user may not make it.
        IfsBiError: it can't be made.
    """
    try:
        scratch.make()
        for step in STEPS:
            tell(_outcome(step.name, lambda step=step: _flaw(scratch, step)))  # type: ignore[misc]
        for probe in PROBES:
            absent = probe.absent(scratch.dialect)
            tell(
                Outcome(probe.name, Mark.LEFT_OUT, absent)
                if absent
                else _outcome(probe.name, lambda probe=probe: probe.flaw(scratch))  # type: ignore[misc]
            )
    finally:
        if scratch.made:
            tell(_ended(scratch, keep=keep))


def _ended(scratch: Scratch, *, keep: bool) -> Outcome:
    name = f"The schema {scratch.name} is dropped"
    if keep:
        return Outcome(name, Mark.LEFT_OUT, f"It is kept, as was asked. Drop it with: {scratch.drop_statement}")
    outcome = _outcome(name, scratch.drop)
    if outcome.mark is Mark.FAILED:
        return Outcome(name, Mark.FAILED, f"{outcome.said} Drop it yourself: {scratch.drop_statement}")
    return outcome


def _outcome(name: str, flaw: Callable[[], str | None]) -> Outcome:
    try:
        found = flaw()
    except IfsBiError as error:
        found = str(error)
    except Exception as error:  # noqa: BLE001 - a driver may raise anything, and the other steps are to be seen too
        found = f"{type(error).__name__}: {error}"
    return Outcome(name, Mark.FAILED, REDACTOR.redact(found)) if found else Outcome(name, Mark.HOLDS)


def _flaw(scratch: Scratch, step: Step) -> str:
    """What is wrong with a step; nothing if all is well."""
    for stream in step.strict:
        scratch.make_strict(stream)
    code, warned = ExitCode.DONE, list[str]()
    for lines in step.runs:
        code, warned = scratch.feed(lines, **step.settings)
    if (code is ExitCode.DEAD_LETTERS) != bool(step.refused):
        return f"{'Rows were' if code else 'No row was'} put aside. {' '.join(warned)}".strip()
    found = scratch.rows(step)
    differing = (_differing(stream, found[stream], expected) for stream, expected in step.tables.items())
    return " ".join(filter(None, differing))


def _differing(table: str, found: Sequence[Row], expected: Sequence[Row]) -> str:
    """How rows differ, in short; nothing where they don't."""
    here, there = (sorted(map(_canonical, rows)) for rows in (found, expected))
    if here == there:
        return ""
    missing, extra = (
        list((Counter(rows) - Counter(others)).elements()) for rows, others in ((there, here), (here, there))
    )
    parts = [f"Table {table!r} has {len(here)} rows, and {len(there)} are wanted."]
    if len(missing) == len(extra) == 1:
        missing, extra = (
            [tuple(sorted(set(one) - set(other)))] for one, other in ((*missing, *extra), (*extra, *missing))
        )
    parts += [f"Not there: {_shown(missing)}."] if missing else []
    parts += [f"There instead: {_shown(extra)}."] if extra else []
    return " ".join(parts)


def _canonical(row: Row) -> tuple[tuple[str, str], ...]:
    """A row in the order of its columns; JSON in the order of its keys, with every digit."""
    return tuple(sorted((name, _value(value)) for name, value in row.items()))


def _value(text: str) -> str:
    if not text.startswith(("{", "[")):
        return text
    try:
        read = json.loads(
            text, parse_float=lambda digits: {"number": digits}, parse_int=lambda digits: {"number": digits}
        )
    except ValueError:
        return text
    return json.dumps(read, sort_keys=True, ensure_ascii=False)


def _shown(rows: Sequence[tuple[tuple[str, str], ...]]) -> str:
    texts = [f"({', '.join(f'{name}: {value!r}' for name, value in row)})" for row in rows[:_SHOWN_ROWS]]
    cut = ", ".join(text if len(text) <= _SHOWN_LETTERS else f"{text[:_SHOWN_LETTERS]}…)" for text in texts)
    return cut if len(rows) <= _SHOWN_ROWS else f"{cut} and {len(rows) - _SHOWN_ROWS} more"
