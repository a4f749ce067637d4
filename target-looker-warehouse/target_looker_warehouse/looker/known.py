"""What a Looker told that stays true: the ids of its datagroups. They save a call a run, and are asked for again when lost."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FILE = "looker-datagroups.json"


class KnownDatagroups:
    """The ids by name, in a file of the state folder; one that can't be read knows nothing.

    Args:
        state_dir: the state folder.
        base_url: of the Looker whose datagroups they are.
    """

    def __init__(self, state_dir: Path, base_url: str) -> None:
        self._file = state_dir / FILE
        self._base_url = base_url

    def ids(self) -> dict[str, str]:
        """Id by name, as the settings write it."""
        found = self._all().get(self._base_url)
        return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}

    def keep(self, ids: dict[str, str]) -> None:
        """Remember these and no others; where that can't be written, the next run asks again."""
        beside = self._file.with_suffix(f".{os.getpid()}")
        with suppress(OSError):
            beside.write_text(json.dumps(self._all() | {self._base_url: ids}), encoding="utf-8")
            beside.replace(self._file)

    def _all(self) -> dict[str, object]:
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}
