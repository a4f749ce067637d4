"""BATCH: rows that travel in files, of which the pipe carries the names.

A file holds a row's JSON on each line, as the Singer SDK writes it (sdk.meltano.com/en/latest/batch.html), compressed by gzip or
not at all. Here they become RECORD lines again, by the thousand, so that everything behind is the same as for rows that came
through the pipe. Two members that the SDK's message doesn't have are understood, ``version`` and ``time_extracted``; they stand
for all rows of it.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import fsspec

from ifs_bi_core.errors import ContractBrokenError, UnavailableError
from ifs_bi_core.singer.lines import encode
from ifs_bi_core.singer.reader import whole_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_COMPRESSIONS = {None: None, "none": None, "gzip": "gzip"}
_UNREADABLE = (OSError, EOFError, zlib.error)


class BatchFile(NamedTuple):
    """A file of rows.

    Attributes:
        url: where it is: ``file:///path``, or what fsspec has a file system for.
        compression: as fsspec calls it; None where there is none.
        head: what stands before a row in its RECORD line.
        tail: what stands behind it.
    """

    url: str
    compression: str | None
    head: bytes
    tail: bytes

    def record_lines(self) -> Iterator[bytes]:
        """The rows as blocks of RECORD lines, parted by line feeds.

        Raises:
            UnavailableError: the file can't be read.
        """
        between = self.tail + b"\n" + self.head
        try:
            with fsspec.open(self.url, "rb", compression=self.compression) as file:
                for block in whole_lines(file.read):
                    if rows := block.replace(b"\r\n", b"\n").strip(b"\n"):
                        yield self.head + rows.replace(b"\n", between) + self.tail
        except _UNREADABLE as error:
            raise UnavailableError(
                f"The batch file {self.url} can't be read: {error}. Its rows were not delivered and the state was not moved past "
                f"them; let this machine read where the tap writes, then run again."
            ) from None

    def remove(self) -> None:
        """Remove the file, if it is still there."""
        files, path = fsspec.url_to_fs(self.url)
        files.rm_file(path)


def batch_files(message: Mapping[str, Any]) -> list[BatchFile]:
    """The files of a BATCH message.

    Raises:
        ContractBrokenError: they have a form that isn't read here, or it is no such message.
    """
    encoding, manifest = message.get("encoding"), message.get("manifest")
    stream = message.get("stream")
    if not isinstance(encoding, dict) or not isinstance(manifest, list) or not isinstance(stream, str):
        raise ContractBrokenError(
            "A BATCH message lacks its stream, its encoding or its manifest. Check what writes it."
        )
    form, compression = encoding.get("format"), encoding.get("compression")
    if form != "jsonl" or compression not in _COMPRESSIONS:
        raise ContractBrokenError(
            f"A BATCH message of stream '{stream}' names files of the form {form} ({compression}), and only jsonl is read, plain "
            f"or by gzip. Set batch_config of the tap so, or leave it out, then run again."
        )
    more = {name: message[name] for name in ("version", "time_extracted") if message.get(name) is not None}
    head = encode({"type": "RECORD", "stream": stream})[:-1] + b',"record":'
    tail = b"".join(b"," + encode({name: value})[1:-1] for name, value in more.items()) + b"}"
    return [BatchFile(str(url), _COMPRESSIONS[compression], head, tail) for url in manifest]
