"""Batch files: the rows of a batch on disk before they leave, and the trail of each record for as long as it is kept.

A Parquet file a batch, rows in the order of the batch. It is written under a temporary name and appears, complete, by being
renamed: a crash leaves a whole file or none.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import accumulate, islice
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ifs_bi_core.disk import sync_folder
from ifs_bi_core.ledger import keys
from ifs_bi_core.ledger.database import LedgerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

TEMPORARY = ".writing"
"""The ending of a file that is not complete."""

_DAMAGED = (OSError, pa.ArrowException, ValueError, TypeError, LookupError)
"""What reading raises of a file that isn't as it was written."""
_CHUNK = 10_000  # rows that are in memory at a time
_ROW_GROUP = 2_500  # rows that are read to tell of one of them
_FOLDER_LENGTH = 200  # of 255 bytes that file systems give a name

_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("row_version", pa.string()),
        pa.field("extracted_at", pa.string()),
        pa.field("transformed_at", pa.string()),
        pa.field("deleted", pa.bool_(), nullable=False),
        pa.field("payload", pa.string()),
    ]
)
_REPEATED = ["extracted_at", "transformed_at"]  # few different values in a batch: worth a dictionary
_TRAIL = [name for name in _SCHEMA.names if name != "payload"]


class TrailRow(NamedTuple):
    """One record in a batch. A tuple, because a batch has ten thousand of them and their columns are wanted.

    Attributes:
        key: `ifs_bi_core.ledger.keys.key_text` of the row; empty for a stream without keys.
        row_version: the source's version of the row, where it has one.
        extracted_at: when it was read from the source: UTC, ISO 8601.
        transformed_at: when it got the form that is delivered: UTC, ISO 8601.
        deleted: whether it is gone at the source.
        payload: the row as JSON, as text or UTF-8; None once it is pruned.
    """

    key: str
    row_version: str | None = None
    extracted_at: str | None = None
    transformed_at: str | None = None
    deleted: bool = False
    payload: str | bytes | None = None


class TrailColumns(NamedTuple):
    """Many records in a batch, as columns of the same length: for a writer that has ten thousand of them. See `TrailRow`."""

    key: Sequence[str]
    row_version: Sequence[str | None]
    extracted_at: Sequence[str | None]
    transformed_at: Sequence[str | None]
    deleted: Sequence[bool]
    payload: Sequence[bytes] | pa.StringArray


class TrailWriter:
    """Writes one batch file.

    Args:
        path: where the complete file appears; its folder is made, for the owner's eyes alone.

    Attributes:
        rows: how many were added.
        key_names: the properties of the key, by the first row.

    Raises:
        LedgerError: from every method; the file can't be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = 0
        self.key_names: list[str] = []
        self._waiting: list[TrailRow] = []
        self._hashes: list[bytes] = []
        self._beside = ThreadPoolExecutor(1, "trail")  # Arrow packs rows without the interpreter
        self._under_way: Future[None] | None = None
        with _writing(path):
            _make_folder(path.parent)
            self._file = _Appearing(path)

    def add(self, rows: Iterable[TrailRow]) -> None:
        """Add rows, in their order."""
        source = iter(rows)
        while chunk := list(islice(source, _CHUNK - len(self._waiting))):
            self._waiting += chunk
            if len(self._waiting) == _CHUNK:
                self._write_waiting()

    def add_columns(self, columns: TrailColumns) -> None:
        """Add rows, in their order."""
        self._write_waiting()
        arrays = [_array(values, field.type) for values, field in zip(columns[:-1], _SCHEMA, strict=False)]
        self._write(columns.key, [*arrays, _texts(columns.payload)])

    def complete(self) -> None:
        """Make the file appear; it is on disk when this returns."""
        self._write_waiting()
        self._wait()
        self._beside.shutdown()
        with _writing(self.path):
            self._file.appear()

    def discard(self) -> None:
        """Leave nothing behind."""
        self._beside.shutdown()
        self._file.discard()

    @property
    def key_hashes(self) -> bytes:
        """The index over the keys of all rows."""
        return keys.index(b"".join(self._hashes)) if self.key_names else b""

    def _write_waiting(self) -> None:
        if self._waiting:
            columns = list(zip(*self._waiting, strict=True))
            self._waiting = []
            self._write(
                columns[0], [pa.array(values, field.type) for values, field in zip(columns, _SCHEMA, strict=True)]
            )

    def _write(self, names: Sequence[str], columns: list[pa.Array]) -> None:
        if not self.rows:
            self.key_names = keys.names_of(names[0])
        if self.key_names:
            self._hashes.append(keys.digests(names))
        self._wait()
        self._under_way = self._beside.submit(self._file.write, pa.RecordBatch.from_arrays(columns, schema=_SCHEMA))
        self.rows += len(names)

    def _wait(self) -> None:
        """Until what was given to the file is in it."""
        under_way, self._under_way = self._under_way, None
        with _writing(self.path):
            if under_way:
                under_way.result()


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Values as a column; where all are one and the same, as times often are, without looking at each."""
    if values and values.count(values[0]) == len(values):
        return pa.repeat(pa.scalar(values[0], kind), len(values))
    return pa.array(values, kind)


def _texts(lines: Sequence[bytes] | pa.StringArray) -> pa.StringArray:
    """UTF-8 that was read as such before, so that it need not be looked at again."""
    if isinstance(lines, pa.StringArray):
        return lines
    offsets = pa.array(accumulate(map(len, lines), initial=0), pa.int32())
    return pa.StringArray.from_buffers(len(lines), offsets.buffers()[1], pa.py_buffer(b"".join(lines)))


def read(path: Path) -> Iterator[TrailRow]:
    """The rows of a batch file, in their order.

    Raises:
        LedgerError: the file is not there, or is damaged.
    """
    with _reading(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        for chunk in file.iter_batches(_CHUNK, use_threads=False):
            yield from map(TrailRow, *(column.to_pylist() for column in chunk.columns))


def lookup(path: Path, key: str) -> list[tuple[int, TrailRow]]:
    """Position and trail of the rows with this key, without their payload.

    Raises:
        LedgerError: the file is not there, or is damaged.
    """
    found: list[tuple[int, TrailRow]] = []
    with _reading(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        begin = 0
        for group in range(file.num_row_groups):
            held = file.read_row_group(group, ["key"], use_threads=False).column(0)
            positions = pc.indices_nonzero(pc.equal(held, key))
            if len(positions):
                trails = file.read_row_group(group, _TRAIL, use_threads=False).take(positions)
                rows = map(TrailRow, *(column.to_pylist() for column in trails.columns))
                found += zip((begin + position for position in positions.to_pylist()), rows, strict=True)
            begin += len(held)
    return found


def drop_payload(path: Path, dropped: Callable[[int], bool]) -> int:
    """Write the file anew without the payload of some rows; a crash leaves the old file or the new one.

    Args:
        path: the batch file.
        dropped: whether the row at a position loses its payload.

    Returns:
        By how many bytes it became smaller.

    Raises:
        LedgerError: the file is not there, is damaged, or can't be written.
    """
    before, position = _size(path), 0
    with (
        _reading(path),
        pq.ParquetFile(path, page_checksum_verification=True) as old,
        _writing(path, "It is as it was."),
    ):
        new = _Appearing(path)
        try:
            for chunk in _chunks(old, path):
                kept = pa.array([not dropped(p) for p in range(position, position + len(chunk))], pa.bool_())
                payload = pc.if_else(kept, chunk.column("payload"), pa.scalar(None, pa.string()))
                new.write(chunk.set_column(_SCHEMA.get_field_index("payload"), _SCHEMA.field("payload"), payload))
                position += len(chunk)
            new.appear()
        except BaseException:
            new.discard()
            raise
    return before - _size(path)


def _chunks(file: pq.ParquetFile, path: Path) -> Iterator[pa.RecordBatch]:
    """The rows; that they can't be read is not taken for an error of whoever writes them elsewhere."""
    with _reading(path):
        yield from file.iter_batches(_CHUNK, use_threads=False)


def folder_of(stream: str) -> str:
    """The name of a stream's folder: its own where it can be one, else percent-encoded; never longer than a name may be."""
    name = quote(stream, safe=" ")[:_FOLDER_LENGTH]
    return name if name.strip(". ") else name.replace(".", "%2E") or "%00"


class _Appearing:
    """A Parquet file that is there, whole, or not at all."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = path.with_name(path.name + TEMPORARY)
        self._temporary.unlink(missing_ok=True)  # of a process that was killed
        self._file = os.fdopen(os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        self._parquet = pq.ParquetWriter(
            self._file,
            _SCHEMA,
            compression="zstd",
            compression_level=-5,  # a third of the time of level 1, on thrice the disk: payloads stay for days alone
            use_dictionary=_REPEATED,
            column_encoding={"key": "DELTA_BYTE_ARRAY", "row_version": "DELTA_BYTE_ARRAY"},  # neighbours begin alike
            write_statistics=False,
            write_page_checksum=True,  # or a flipped bit would pass for what was written
        )

    def write(self, rows: pa.RecordBatch) -> None:
        """Add rows."""
        self._parquet.write_batch(rows, _ROW_GROUP)

    def appear(self) -> None:
        """Give the file its name; it is on disk, and so is the name, when this returns."""
        self._parquet.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._temporary.replace(self._path)
        sync_folder(self._path.parent)

    def discard(self) -> None:
        """Leave nothing behind, on a full disk too."""
        self._parquet.is_open = False  # or its destructor goes on writing
        with suppress(OSError):  # what is still to be written is not wanted
            self._file.close()
        self._temporary.unlink(missing_ok=True)


def _make_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing, durably and for the owner's eyes alone."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(folder.parent)


def _size(path: Path) -> int:
    with _reading(path):
        return path.stat().st_size


@contextmanager
def _writing(path: Path, consequence: str = "Its rows were not sent.") -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LedgerError(
            f"The batch file {path} can't be written: {error.strerror or error}. {consequence} Make room, or let the folder be "
            f"written to, then run again."
        ) from None


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise LedgerError(
            f"The batch file {path} is not there. Restore the state folder, or look on the machine that wrote it "
            f"(ifs-bi ledger show names it)."
        ) from None
    except _DAMAGED as error:
        said = " ".join(str(error).split())
        raise LedgerError(f"The batch file {path} can't be read: {said}. Restore it from a backup.") from None
