"""Dead letters summed up by their reason, each with the command that replays them: pure."""

from __future__ import annotations

import shlex
from collections import defaultdict
from typing import TYPE_CHECKING

from ifs_bi_core.dead_letter.letter import State
from ifs_bi_core.report.figures import DeadLetterFigures
from ifs_bi_core.report.reasons import without_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ifs_bi_core.dead_letter.letter import Letter
    from ifs_bi_core.report.run_sums import RunEnd

OPEN = (State.PENDING, State.REFUSED, State.REPLAYING)
"""The states of a letter that wants something done."""


def letter_figures(
    letters: Iterable[Letter], ends: Mapping[str, RunEnd], state_dir: str | None
) -> list[DeadLetterFigures]:
    """The letters by reason, those with most rows first.

    Args:
        letters: in one of the states `OPEN`.
        ends: of the runs, which name the target.
        state_dir: the folder as the command line needs it; None: the default.
    """
    groups: dict[tuple[str, str, str, str], list[Letter]] = defaultdict(list)
    for letter in letters:
        groups[letter.stream, letter.destination, letter.state.value, without_values(letter.reason)].append(letter)
    found = [
        DeadLetterFigures(
            *place,
            letters=len(own),
            rows=sum(letter.undelivered for letter in own),
            newest=max(letter.at for letter in own),
            command=_command(own, ends, state_dir),
        )
        for place, own in groups.items()
    ]
    return sorted(found, key=lambda one: (-one.rows, one.stream, one.reason))


def _command(letters: Sequence[Letter], ends: Mapping[str, RunEnd], state_dir: str | None) -> str:
    """What replays the letters: all pending ones of the stream and destination, or one that needs to be named."""
    newest = max(letters, key=lambda letter: letter.at)
    words = ["ifs-bi", "replay"]
    words += ["--state-dir", state_dir] if state_dir else []
    if newest.state is State.REFUSED:
        words += ["--letter", newest.id]
    else:
        words += ["--stream", newest.stream, "--destination", newest.destination]
        words += ["--unanswered"] if newest.state is State.REPLAYING else []
    end = ends.get(newest.run)
    # A run of Meltano may have several targets, and the letter does not say which of them it was.
    target = end.targets[0] if end and len(end.targets) == 1 else ""
    return f"{shlex.join(words)} | {target or 'TARGET'} --config CONFIG"
