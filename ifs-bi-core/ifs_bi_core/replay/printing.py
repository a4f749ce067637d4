"""Which dead letters a replay takes, and how their lines leave: what ``ifs-bi replay`` and ``tap-replay`` have in common."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING

from ifs_bi_core.dead_letter.letter import DamagedLetterError, State
from ifs_bi_core.errors import ConfigError, IfsBiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ifs_bi_core.dead_letter.letter import Letter
    from ifs_bi_core.dead_letter.store import DeadLetters


_FOR_NO_TARGET = frozenset({"write-back"})
"""Streams of letters that hold operations instead of rows: who wants them names them."""


@dataclass(frozen=True)
class Selection:
    """What a replay is asked for; nothing: all rows that are pending.

    Attributes:
        stream: letters of this stream alone.
        batch: of this batch, also where they were refused again: who names one means it.
        run: of this run.
        since: refused at this moment or later.
        destination: refused by this destination.
        letter: this one, also where it was refused again.
        unanswered: also letters of replays that no target has told of.
    """

    stream: str | None = None
    batch: str | None = None
    run: str | None = None
    since: datetime | None = None
    destination: str | None = None
    letter: str | None = None
    unanswered: bool = False

    @property
    def states(self) -> set[State]:
        """Where the letters are that it takes."""
        named = {State.REFUSED} if self.batch or self.letter else set()
        waiting = {State.REPLAYING} if self.unanswered else set()
        return {State.PENDING} | named | waiting

    def letters(self, store: DeadLetters, *states: State) -> list[Letter]:
        """The letters in these states that fit."""
        found = store.letters(
            *states,
            letter=self.letter,
            stream=self.stream,
            batch=self.batch,
            run=self.run,
            destination=self.destination,
            since=self.since,
        )
        is_named = self.stream or self.letter or self.batch
        return [letter for letter in found if is_named or letter.stream not in _FOR_NO_TARGET]


def moment(text: str) -> datetime:
    """A date or a timestamp of ISO 8601; without a time zone it is UTC.

    Raises:
        ConfigError: it is neither.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"'since' is {text!r}, which is no date or timestamp. Write it as 2025-11-22 or 2025-11-22T20:10:00Z."
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def replay(store: DeadLetters, selection: Selection, out: IO[bytes], tell: Callable[[str], object]) -> None:
    """Print the letters as Singer lines. Each is ``replaying`` from then on, until the target tells of its rows.

    Args:
        store: where they are.
        selection: which ones.
        out: where the lines go.
        tell: takes sentences for a person.

    Raises:
        ConfigError: ``out`` is a terminal, or nothing was printed because letters are sealed and can't be opened.
        IfsBiError: some letters can't be opened or are damaged, and the others were printed; or nobody reads ``out``, and what
            was not printed wholly is pending again.
    """
    if out.isatty():
        raise ConfigError(
            "What a replay prints is for a target, and this is a terminal: pipe it, for example with "
            "'ifs-bi replay | target-powerbi --config config.json'. --json shows what would be replayed. Nothing was moved."
        )
    chosen = selection.letters(store, *selection.states)
    if not selection.unanswered:
        _tell_of_unanswered(selection.letters(store, State.REPLAYING), tell)
    _tell_of_destinations(chosen, tell)
    printed, failed = _print(store, chosen, out)
    if printed:
        tell(f"{_letters(len(printed))} left for the target, {sum(printed):,} rows: done when it acknowledges them.")
    elif not failed:
        tell(f"There is nothing to replay in {store.folder}.")
    if failed:
        others = f" {_letters(len(failed) - 1)} more can't be replayed either." if len(failed) > 1 else ""
        raise (IfsBiError if printed else type(failed[0]))(f"{failed[0]}{others}")


def _print(store: DeadLetters, chosen: list[Letter], out: IO[bytes]) -> tuple[list[int], list[IfsBiError]]:
    """How many rows of each letter were printed, and what was wrong with the others, which stay where they are."""
    printed: list[int] = []
    failed: list[IfsBiError] = []
    announced = b""
    for letter in chosen:
        try:
            lines = store.take(letter)
        except (ConfigError, DamagedLetterError) as error:
            failed.append(error)
            continue
        if lines is None:
            continue
        schema, *rows = lines
        try:
            if schema != announced:
                out.write(schema + b"\n")
            out.writelines(row + b"\n" for row in rows)
            out.flush()
        except BrokenPipeError:
            store.returned(letter.id)
            _close(out)
            raise IfsBiError(
                f"Nobody reads the output any more, so {_letters(len(chosen) - len(printed))} stayed in the store as not "
                f"replayed: see why the next command in the pipe stopped, then replay again."
            ) from None
        except BaseException:
            store.returned(letter.id)
            raise
        announced = schema
        printed.append(len(rows))
    return printed, failed


def _close(out: IO[bytes]) -> None:
    """Let what is still buffered go nowhere, or Python complains when it closes the stream."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())


def standard_output() -> IO[bytes]:
    """Standard output, undecoded."""
    return sys.stdout.buffer


def _tell_of_unanswered(letters: list[Letter], tell: Callable[[str], object]) -> None:
    if letters:
        tell(
            f"{_letters(len(letters))} left in an earlier replay and no target has told of them: it may be running. "
            f"When it is not, take them with --unanswered."
        )


def _tell_of_destinations(letters: list[Letter], tell: Callable[[str], object]) -> None:
    names = sorted({letter.destination for letter in letters})
    if len(names) > 1:
        tell(
            f"These dead letters were refused by {len(names)} destinations ({', '.join(names)}) and go into one target now; "
            f"--destination picks those of one."
        )


def _letters(count: int) -> str:
    return f"{count:,} dead {'letter' if count == 1 else 'letters'}"
