"""A landing zone: one folder a table, files numbered without gaps, each of them whole from the moment it has its name.

Rules: MicrosoftDocs/fabric-docs ``docs/mirroring/open-mirroring-landing-zone-format.md``. Fabric deletes the files that it has
taken over, but for the last one, so that numbering goes on from there.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol

from ifs_bi_core.errors import ContractBrokenError

from target_powerbi.mirroring.files import Footer, file_name, footer_of, is_temporary, number_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_METADATA = "_metadata.json"
_PARTNER_EVENTS = "_partnerEvents.json"
_PARTNER = {
    "partnerName": "ifs-bi",
    "sourceInfo": {"sourceType": "IFS Cloud", "sourceVersion": "", "additionalInformation": {}},
}


class Files(Protocol):
    """Where a landing zone lies. Paths are relative to it, with slashes."""

    def names(self, folder: str) -> list[str]:
        """The names in a folder; none where it is absent."""

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None where it is absent."""

    def write(self, path: str, data: bytes) -> None:
        """A file, whole or not at all, in the place of one that is there; it lasts when this returns."""

    def publish(self, path: str, data: bytes) -> None:
        """A file that is not there yet, under a temporary name first (`target_powerbi.mirroring.files.temporary_name`).

        Raises:
            OutcomeUnknownError: nobody knows whether it has its name.
            ContractBrokenError: another file has the name.
            IfsBiError: it has not.
        """

    def remove(self, path: str) -> None:
        """Remove a file or a whole folder, if it is there."""


def taken(path: str) -> ContractBrokenError:
    """The error of a file whose name another one has."""
    return ContractBrokenError(
        f"The landing zone has a file {path} that this run did not write. Let one state_dir alone write to a landing zone; stop "
        f"the other writer, then run once with the tap's full refresh and replace_unknown_rows: true."
    )


class LandingZone:
    """The landing zone of one mirrored database.

    Args:
        files: where it lies.
    """

    def __init__(self, files: Files) -> None:
        self._files = files

    def tables(self) -> list[str]:
        """The folders of tables; none where the landing zone is empty or not there."""
        return [name for name in self._files.names("") if not name.startswith("_")]

    def last_number(self, table: str) -> int:
        """The number of a table's last file; 0 where it has none."""
        return max((number for name in self._files.names(table) if (number := number_of(name))), default=0)

    def footer(self, table: str, number: int) -> Footer:
        """What the file of this number says of itself; nothing where it is not there."""
        data = self._files.read(f"{table}/{file_name(number)}") if number else None
        return footer_of(data) if data else Footer(None)

    def prepare(self, table: str, key_columns: Sequence[str]) -> None:
        """Make a table's folder ready for files: its key is told, and what an earlier run left half done is gone.

        Raises:
            ContractBrokenError: the folder was made for another key.
        """
        if _PARTNER_EVENTS not in self._files.names(""):
            self._files.write(_PARTNER_EVENTS, json.dumps(_PARTNER).encode())
        for name in self._files.names(table):
            if is_temporary(name):
                self._files.remove(f"{table}/{name}")
        held = self._files.read(f"{table}/{_METADATA}")
        told = list(key_columns) if held is None else _key_of(held)
        if told != list(key_columns) and self.last_number(table):
            raise ContractBrokenError(
                f"The folder {table} of the landing zone was made for the key {', '.join(told) or 'none'}, and the key is now "
                f"{', '.join(key_columns)}. Fabric can't change a key: set it back, or run once with the tap's full refresh and "
                f"replace_unknown_rows: true, which makes the table anew."
            )
        if told != list(key_columns):  # nobody has put a row there yet
            self.drop(table)
        if held is None or told != list(key_columns):
            self._files.write(f"{table}/{_METADATA}", json.dumps({"keyColumns": list(key_columns)}).encode())

    def publish(self, table: str, number: int, data: bytes) -> None:
        """Give a table its next file (see `Files.publish`)."""
        self._files.publish(f"{table}/{file_name(number)}", data)

    def drop(self, table: str) -> None:
        """Remove a table's folder, which drops the table."""
        self._files.remove(table)


def _key_of(metadata: bytes) -> list[str]:
    try:
        told = json.loads(metadata)
    except ValueError:
        return []
    return list(told.get("keyColumns") or []) if isinstance(told, dict) else []
