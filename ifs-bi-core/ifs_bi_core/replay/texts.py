"""Dead letters as text for people and as values for machines: pure, and no wider than 80 columns where names allow it."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ifs_bi_core.dead_letter.letter import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ifs_bi_core.dead_letter.letter import DeadRow, Letter

_REPLAYED_BY = {State.PENDING: "", State.REPLAYING: " --unanswered", State.REFUSED: " --letter LETTER"}
"""By the state of a letter: the option with which `ifs-bi replay` takes it."""


def machine_form(letter: Letter) -> dict[str, Any]:
    """A letter as ``--json`` gives it."""
    return {"letter" if name == "id" else name: value for name, value in asdict(letter).items()}


def letters_text(letters: Sequence[Letter], state_dir: str | None) -> str:
    """Three lines a letter, and the commands that replay them. ``state_dir`` is None where it is the default."""
    if not letters:
        return "There are no such dead letters."
    lines = [f"{'TIME (UTC)':<16} {'STATE':<9} {'ROWS':>7} STREAM"]
    for letter in letters:
        lines += [
            f"{_minute(letter.at):<16} {letter.state:<9} {_rows(letter):>7} {letter.stream}",
            f"  {letter.reason}",
            f"  batch {letter.batch or '-'}",
            f"  letter {letter.id}",
        ]
    where = "" if state_dir is None else f" --state-dir {shlex.quote(state_dir)}"
    lines += ["", "When the cause is gone, replay them into the target that refused them:"]
    present = {letter.state for letter in letters}
    lines += [
        f"  ifs-bi replay{where}{option} | TARGET --config CONFIG   ({state})"
        for state, option in _REPLAYED_BY.items()
        if state in present
    ]
    return "\n".join(lines) if present - {State.DONE} else "\n".join(lines[:-2])


def letter_text(letter: Letter, details: Sequence[DeadRow]) -> str:
    """A letter with what became of each of its rows."""
    lines = [
        f"Dead letter {letter.id}",
        f"  state        {letter.state}",
        f"  stream       {letter.stream}",
        f"  rows         {letter.rows:,}, {letter.undelivered:,} not delivered",
        f"  refused at   {letter.at}",
        f"  by           {letter.destination}",
        f"  run          {letter.run}",
        f"  batch        {letter.batch or '-'}",
        f"  payload      {'sealed with the vault' if letter.sealed else 'readable'}",
    ]
    for number, row in enumerate(details):
        lines += ["", f"  row {number}: {row.state}", f"    key    {row.key or '-'}", f"    reason {row.reason}"]
        lines += [f"    note   {row.note}"] if row.note else []
    return "\n".join(lines)


def _rows(letter: Letter) -> str:
    """How many are left, and of how many where some are delivered."""
    some = 0 < letter.undelivered < letter.rows
    return f"{letter.undelivered}/{letter.rows}" if some else f"{letter.rows:,}"


def _minute(at: str) -> str:
    return at[:16].replace("T", " ")
