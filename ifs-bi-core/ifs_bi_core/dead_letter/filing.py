"""How letters lie on disk: a folder each, in a folder for each state.

``dead-letters/<state>/<letter id>/`` holds ``reason.json`` and ``rows.singer``: the SCHEMA line, then one RECORD line a row, as
they came. With a key it is ``rows.singer.sealed``. The state is the folder's alone and one rename changes it, so a process that
is killed at any point leaves every letter whole and in one place.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from ifs_bi_core.dead_letter.folders import locked, move, read_file, replace_file, write_folder
from ifs_bi_core.dead_letter.letter import LETTER_ID, Account, DamagedLetterError, State, encoded, parsed
from ifs_bi_core.errors import ConfigError, IfsBiError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

FOLDER = "dead-letters"
"""In the state folder."""

_REASON, _ROWS, _SEALED_ROWS = "reason.json", "rows.singer", "rows.singer.sealed"
_UNFINISHED = re.compile(r"\.new-(\d{8}T\d{6}Z)-.*")


class Filing:
    """The letters of one state folder, which need not be there before the first one.

    Args:
        state_dir: the folder that holds ``dead-letters``.
        key: gives the key that rows are sealed with, or None. Asked once, when it is first needed.
    """

    def __init__(self, state_dir: Path, key: Callable[[], bytes | None]) -> None:
        self.folder = state_dir / FOLDER
        self._ask_for_key = key

    @cached_property
    def key(self) -> bytes | None:
        """What rows are sealed with."""
        return self._ask_for_key()

    def keep(self, account: Account, lines: list[bytes]) -> None:
        """Put a new letter among the pending ones: there as a whole, or not at all.

        Raises:
            IfsBiError: it is not there.
        """
        data = b"".join(line + b"\n" for line in lines)
        if account.sealed and self.key is not None:
            # Here and not above: who seals nothing needn't wait for cryptography to load.
            from ifs_bi_core.dead_letter.sealing import sealed  # noqa: PLC0415 - the reason is the line above

            data = sealed(data, self.key, account.id)
        files = {_rows_file(account): data, _REASON: encoded(account)}
        temporary = self.folder / f".new-{account.id}"
        try:
            write_folder(temporary, self._place(account.id, State.PENDING), files)
        except IfsBiError:
            shutil.rmtree(temporary, ignore_errors=True)
            raise

    @contextmanager
    def locked(self, *, to_change: bool = True) -> Iterator[None]:
        """Hold the lock of the store; where there is no store there is nothing to hold."""
        if not self.folder.is_dir():
            yield
            return
        with locked(self.folder / ".lock", to_change=to_change):
            yield

    def names(self, states: Collection[State]) -> list[str]:
        """The ids of the letters that may be in these states: what was left unmoved may be in any."""
        folders = [state for state in State if state in states or state in {State.PENDING, State.REPLAYING}]
        return [name for state in folders for name in _entries(self.folder / state)]

    def found(self, letter: str) -> tuple[State, Account] | None:
        """A letter and where it is, after the move that a killed process did not come to. The caller holds the lock.

        Raises:
            DamagedLetterError: its ``reason.json`` can't be understood.
            ConfigError: it can't be read.
        """
        if not LETTER_ID.fullmatch(letter):  # it may come from a line of input, and becomes a path here
            return None
        for state in State:
            file = self._place(letter, state) / _REASON
            data = read_file(file)
            if data is not None:
                account = replace(parsed(data, str(file)), id=letter)
                settled = account.settled(state)
                with suppress(IfsBiError):  # who may only read leaves the move to others
                    self.move(letter, state, settled)
                    return settled, account
                return state, account
        return None

    def move(self, letter: str, state: State, to: State) -> None:
        """Change the state of a letter.

        Raises:
            IfsBiError: it is as it was.
        """
        if to is not state:
            move(self._place(letter, state), self._place(letter, to))

    def note(self, state: State, account: Account, before: Account) -> None:
        """Write ``reason.json`` anew, if it says anything new.

        Raises:
            IfsBiError: it says what it said before.
        """
        if account != before:
            replace_file(self._place(account.id, state) / _REASON, encoded(account))

    def lines(self, state: State, account: Account) -> list[bytes]:
        """The letter's lines as they came, without line ends: the SCHEMA, then each row.

        Raises:
            ConfigError: they are sealed and there is no key or another one, or they can't be read.
            DamagedLetterError: they are not what was put there.
        """
        file = self._place(account.id, state) / _rows_file(account)
        data = read_file(file)
        if data is not None and account.sealed:
            data = self._opened(data, account.id)
        lines = (data or b"").split(b"\n")
        if len(lines) != len(account.details) + 2 or lines.pop():  # nothing stands behind the last line end
            raise DamagedLetterError(
                f"{file} does not hold the rows that {_REASON} beside it tells of; nothing of them is used. Bring the letter's "
                f"folder back from a backup, or fetch the rows again from the source."
            )
        return lines

    def remove(self, letter: str, state: State, before: float) -> bool:
        """Remove a letter for good that nobody told anything of since ``before`` (seconds since the epoch); whether it was so.

        Killed in between, `sweep` does the rest. The caller holds the lock.

        Raises:
            IfsBiError: it is as it was.
        """
        place = self._place(letter, state)
        if (place / _REASON).stat().st_mtime >= before:
            return False
        leaving = self.folder / f".new-{letter}"
        move(place, leaving)
        shutil.rmtree(leaving, ignore_errors=True)
        return True

    def sweep(self, before: str) -> None:
        """Remove what a kill in `keep` or `remove` left, of letters that were begun before that second (see `stamp`)."""
        for name in _entries(self.folder):
            left = _UNFINISHED.fullmatch(name)
            if left and left[1] < before:
                shutil.rmtree(self.folder / name, ignore_errors=True)

    def _place(self, letter: str, state: State) -> Path:
        return self.folder / state / letter

    def _opened(self, data: bytes, letter: str) -> bytes:
        if self.key is None:
            raise ConfigError(
                f"The dead letter {letter} is sealed, and there is no key to open it. Give the vault that was there "
                f"when the rows were refused, with the state folder or IFS_BI_VAULT."
            )
        from ifs_bi_core.dead_letter.sealing import opened  # noqa: PLC0415 - see `keep`

        return opened(data, self.key, letter)


def _rows_file(account: Account) -> str:
    return _SEALED_ROWS if account.sealed else _ROWS


def _entries(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 - names, not paths
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ConfigError(
            f"The dead letters in {folder} can't be read: {error.strerror}. Run as the user who owns them."
        ) from None
