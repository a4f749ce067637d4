"""A landing zone in a folder of this machine: for trying, for tests, and for whoever carries the files on by other means."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from ifs_bi_core.disk import sync_folder
from ifs_bi_core.errors import UnavailableError

from target_powerbi.mirroring.files import temporary_name
from target_powerbi.mirroring.landing_zone import taken

if TYPE_CHECKING:
    from pathlib import Path


class LocalFiles:
    """Files below a folder (see `target_powerbi.mirroring.landing_zone.Files`).

    Args:
        root: the landing zone.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self, folder: str) -> list[str]:
        """The names in a folder; none where it is absent."""
        try:
            return sorted(path.name for path in (self._root / folder).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise self._failure(folder, error) from None

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None where it is absent."""
        try:
            return (self._root / path).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._failure(path, error) from None

    def write(self, path: str, data: bytes) -> None:
        """A file, whole or not at all, in the place of one that is there."""
        target = self._root / path
        temporary = target.with_name(temporary_name(target.name))
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
            sync_folder(target.parent)
            sync_folder(target.parent.parent)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise self._failure(path, error) from None

    def publish(self, path: str, data: bytes) -> None:
        """A file that is not there yet, under a temporary name first."""
        if (self._root / path).exists():
            raise taken(path)
        self.write(path, data)

    def remove(self, path: str) -> None:
        """Remove a file or a whole folder, if it is there."""
        target = self._root / path
        try:
            if target.is_dir():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)
        except OSError as error:
            raise self._failure(path, error) from None

    def _failure(self, path: str, error: OSError) -> UnavailableError:
        return UnavailableError(
            f"The landing zone {self._root} can't be used at {path or 'its root'}: {error.strerror}. Check landing_zone_url and "
            f"the rights on the folder, then run again."
        )
