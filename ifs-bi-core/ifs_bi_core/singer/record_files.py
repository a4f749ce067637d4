"""BATCH: records leave in files, and the pipe carries a line for each file.

A file holds what RECORD lines would carry, record for record, whatever made them: it is the writer of messages that puts them
here (`ifs_bi_core.singer.lines`), so selection, stream maps and deletes are in them. What a RECORD line says beside its record,
`version` and `time_extracted`, the BATCH line says for all of them. A file is named before any line that comes behind its
records, so a STATE stands for the same rows as without files.

Who loads a file removes it then. One that nobody took, because a process was killed, is removed by a later run.
"""

from __future__ import annotations

import gzip
import os
import re
import secrets
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote

import fsspec

from ifs_bi_core.errors import ConfigError, UnavailableError
from ifs_bi_core.singer.lines import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

FOLDER = "batch-files"
"""Where files lie in ``state_dir`` if no other place is configured."""

ROWS_PER_FILE = 100_000
ORPHAN_SECONDS = 24 * 3600.0
"""A file of that age has nobody who will take it: its run has ended long since."""

_OWN = "tap-ifs-cloud--"
_ENDINGS = {"none": ".jsonl", "gzip": ".jsonl.gz"}


@dataclass(frozen=True)
class BatchPlace:
    """How and where files are written.

    Attributes:
        root: a folder, as a path or as an address that fsspec has a file system for.
        prefix: what their names begin with.
        compression: ``none`` or ``gzip``.
        rows: in a file at most.
        private: whether the folder is one of the state folder, whose content is for the owner's eyes alone.
    """

    root: str
    prefix: str = ""
    compression: str = "none"
    rows: int = ROWS_PER_FILE
    private: bool = False

    @classmethod
    def of(cls, setting: Mapping[str, Any], state_dir: str) -> BatchPlace:
        """The place that the setting `batch_config` names.

        Raises:
            ConfigError: it asks for what is not written here.
        """
        encoding, storage = setting.get("encoding") or {}, setting.get("storage") or {}
        form, compression = encoding.get("format", "jsonl"), encoding.get("compression") or "none"
        if form != "jsonl" or compression not in _ENDINGS:
            raise ConfigError(
                f"batch_config asks for files of the form {form} ({compression}), and only jsonl is written, plain or by gzip. "
                f"Set encoding to {{format: jsonl, compression: none}}."
            )
        named, own = storage.get("root"), str(Path(state_dir) / FOLDER)
        rows = setting.get("batch_size") or ROWS_PER_FILE
        return cls(named or own, storage.get("prefix") or "", compression, rows, private=not named)


@dataclass
class _File:
    """A file that records are put into."""

    path: str
    stream: str
    version: int | None
    extracted: Any
    handle: IO[bytes] | gzip.GzipFile
    rows: int = 0
    under: list[IO[bytes]] = field(default_factory=list)

    def close(self) -> None:
        for handle in (self.handle, *self.under):
            handle.close()


class RecordFiles:
    """The files of a run, one at a time of each stream. Safe to share between threads: a run that fails ends while others write.

    Args:
        place: how and where they are written.
        run: the name of the run, for whoever looks at the files. A scheduler may give one name to two pipes.
        now: the present, aware.

    Attributes:
        rows: of a stream that go into one file.

    Raises:
        ConfigError: there is no file system for that place.
    """

    def __init__(self, place: BatchPlace, run: str, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.rows = place.rows
        self._place = place
        self._run = f"{run}-{secrets.token_hex(4)}"
        self._now = now
        self._open: dict[str, _File] = {}
        self._number = 0
        self._lock = threading.Lock()
        self._abandoned = False
        try:
            self._files, self._root = fsspec.url_to_fs(place.root)
        except (ValueError, ImportError) as error:
            raise ConfigError(f"batch_config names {place.root}, which can't be written to: {error}.") from None

    def put(self, stream: str, version: int | None, extracted: Any, records: bytes, count: int) -> bytes:
        """Put records into the file of their stream.

        Args:
            stream: of the records.
            version: of the stream, if it has one.
            extracted: when the records were read.
            records: as JSON, each with an end of line.
            count: how many.

        Returns:
            The line of a file that is complete by now, with its end; or nothing.

        Raises:
            UnavailableError: the file can't be written, or the run has ended.
        """
        with self._lock:
            self._check()
            file, line = self._open.get(stream), b""
            if file and (file.version != version or file.rows + count > self.rows):
                line, file = self._completed(file), None
            with _told(file.path if file else self._root):
                if file is None:
                    file = self._open[stream] = self._begun(stream, version, extracted)
                file.handle.write(records)
            file.rows += count
            return line

    def complete(self) -> bytes:
        """Complete all files.

        Returns:
            Their lines, each with its end.

        Raises:
            UnavailableError: a file can't be written; or the run has ended, and no STATE may tell of what was abandoned.
        """
        with self._lock:
            self._check()
            return b"".join(map(self._completed, list(self._open.values())))

    def remove_orphans(self) -> None:
        """Remove files of runs that ended long ago, whose rows came again since."""
        own = re.compile(re.escape(self._place.prefix + _OWN) + r".*\.jsonl(\.gz)?")
        with suppress(OSError, NotImplementedError, ValueError):  # no reason not to read; the next run tries again
            for path in self._files.find(self._root, maxdepth=1):
                age = (self._now() - self._files.modified(path)).total_seconds()
                if own.fullmatch(path.rpartition("/")[2]) and age > ORPHAN_SECONDS:
                    self._files.rm_file(path)

    def abandon(self) -> None:
        """Remove the files that no line names: a run has ended before its end. Nothing is taken from here on."""
        with self._lock:
            self._abandoned = True
            for file in self._open.values():
                with suppress(OSError):
                    file.close()
                with suppress(OSError):
                    self._files.rm_file(file.path)
            self._open.clear()

    def _check(self) -> None:
        if self._abandoned:
            raise UnavailableError(f"The batch files in {self._root} are closed, since the run has ended. Run again.")

    def _begun(self, stream: str, version: int | None, extracted: Any) -> _File:
        if not self._number:
            self._make_folder()
        self._number += 1
        name = f"{self._place.prefix}{_OWN}{quote(stream, safe='')}-{self._run}-{self._number}"
        path = f"{self._root}/{name}{_ENDINGS[self._place.compression]}"
        handle = self._made(path)
        if self._place.compression == "none":
            return _File(path, stream, version, extracted, handle)
        packed = gzip.GzipFile(fileobj=handle, mode="wb", compresslevel=1, mtime=0)
        return _File(path, stream, version, extracted, packed, under=[handle])

    def _make_folder(self) -> None:
        if self._place.private:
            Path(self._root).mkdir(mode=0o700, parents=True, exist_ok=True)
        else:
            self._files.makedirs(self._root, exist_ok=True)

    def _made(self, path: str) -> IO[bytes]:
        if self._place.private:
            return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb")
        handle: IO[bytes] = self._files.open(path, "wb")
        return handle

    def _completed(self, file: _File) -> bytes:
        with _told(file.path):
            file.close()
        del self._open[file.stream]
        line = {
            "type": "BATCH",
            "stream": file.stream,
            "encoding": {"format": "jsonl", "compression": self._place.compression},
            "manifest": [self._files.unstrip_protocol(file.path)],
            "version": file.version,
            "time_extracted": file.extracted,
        }
        return encode({name: value for name, value in line.items() if value is not None}) + b"\n"


@contextmanager
def _told(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnavailableError(
            f"The batch file {path} can't be written: {error.strerror or error}. The state was not moved past its rows; make "
            f"room or mend the folder's rights, then run again."
        ) from None
