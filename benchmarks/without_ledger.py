"""Runs one of our commands as if there were no ledger: ``without_ledger.py COMMAND [ARGUMENT …]``, to see what the ledger costs.

For measuring alone: a crash of such a run leaves nobody who knows what was sent.
"""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Self

from ifs_bi_core.ledger.journal import instant, utc_now
from ifs_bi_core.ledger.outcomes import Fates, State
from ifs_bi_core.singer import account

if TYPE_CHECKING:
    from pathlib import Path

    from ifs_bi_core.ledger.trail import TrailColumns


class Batch:
    """Rows of which nothing is kept but how many there are."""

    id = "20261122T000000-00000000-00001"
    pushes = 1

    def __init__(self) -> None:
        self.size = 0

    @property
    def fates(self) -> Fates:
        """All delivered."""
        return Fates(self.size, State.ACKNOWLEDGED, {})

    def add_columns(self, columns: TrailColumns) -> None:
        """Count rows."""
        self.size += len(columns.key)

    def written(self) -> Batch:
        """Itself."""
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def pushing(self, *_: object, **__: object) -> None:
        """Say nothing."""

    acknowledged = pushing


class Nobody:
    """A ledger and a run in it that forget what they are told."""

    id = "none"
    clock = staticmethod(utc_now)

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir

    @classmethod
    def open(cls, _url: str | None, state_dir: Path) -> Nobody:
        """Open nothing."""
        return cls(state_dir)

    def shared_calls(self, _service: str) -> None:
        """None: calls are counted on this machine."""

    def begin_run(self, *_: object, **__: object) -> Nobody:
        """Itself."""
        return self

    def begin_batch(self, *_: object) -> Batch:
        """A batch without a file."""
        return Batch()

    def unanswered(self, *_: object, **__: object) -> list[Any]:
        """None."""
        return []

    def observer(self, _service: str) -> Any:
        """Somebody who doesn't listen."""
        return lambda _attempt: None

    def now(self) -> str:
        """The instant."""
        return instant(utc_now())

    def page(self, *_: object, **__: object) -> None:
        """Forget it."""

    read = flush = end = close = page


def main() -> None:
    """Be the command."""
    account.Ledger = Nobody  # type: ignore[assignment,misc]
    account.prune_now_and_then = lambda *_, **__: None  # type: ignore[assignment]
    name = sys.argv.pop(1)
    (command,) = entry_points(group="console_scripts", name=name)
    command.load()()


if __name__ == "__main__":
    main()
