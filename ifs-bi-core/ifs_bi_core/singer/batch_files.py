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
from ifs_bi_core.singer.lines import Envelope
from ifs_bi_core.singer.reader import whole_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_COMPRESSIONS = {None: None, "none": None, "gzip": "gzip"}
_UNREADABLE = (OSError, EOFError, zlib.error, ValueError, ImportError)
"""What reading raises; the last two stand for an address that is none, or of a kind that nothing installed here reads."""


class BatchFile(NamedTuple):
    """A file of rows.

    Attributes:
        url: where it is: ``file:///path``, or what fsspec has a file system for.
        compression: as fsspec calls it; None where there is none.
        envelope: makes lines of rows.
    """

    url: str
    compression: str | None
    envelope: Envelope

    def record_lines(self) -> Iterator[bytes]:
        """The rows as blocks of RECORD lines, parted by line feeds.

        Raises:
            UnavailableError: the file can't be read.
        """
        lines = False
        try:
            with fsspec.open(self.url, "rb", compression=self.compression) as file:
                for block in whole_lines(file.read, f"the batch file {self.url}"):
                    if rows := block.replace(b"\r\n", b"\n").strip(b"\n"):
                        lines = True
                        yield self.envelope.around(rows)
            if self.compression and not lines and not self._size():  # gzip's module takes it for a file of no rows
                raise EOFError("it is empty, which no compressed file is")
        except _UNREADABLE as error:
            said = " ".join(str(error).split())
            raise UnavailableError(
                f"The batch file {self.url} can't be read: {said}. Its rows were not delivered and the state was not moved past "
                f"them; let this machine read where the tap writes, then run again."
            ) from None

    def _size(self) -> int:
        files, path = fsspec.url_to_fs(self.url)
        return int(files.size(path))

    def remove(self) -> None:
        """Remove the file. A device or a pipe, which a message may name as well, is nobody's to remove."""
        files, path = fsspec.url_to_fs(self.url)
        if files.info(path)["type"] == "file":
            files.rm_file(path)


def batch_files(message: Mapping[str, Any]) -> list[BatchFile]:
    """The files of a BATCH message.

    Raises:
        ContractBrokenError: they have a form that isn't read here, or it is no such message.
    """
    encoding, manifest = message.get("encoding"), message.get("manifest")
    stream = message.get("stream")
    named = isinstance(manifest, list) and all(isinstance(url, str) for url in manifest)
    if not isinstance(encoding, dict) or not isinstance(manifest, list) or not named or not isinstance(stream, str):
        raise ContractBrokenError(
            "A BATCH message lacks its stream, its encoding or its manifest of addresses. Check what writes it."
        )
    form, compression = encoding.get("format"), encoding.get("compression")
    if form != "jsonl" or not isinstance(compression, str | None) or compression not in _COMPRESSIONS:
        raise ContractBrokenError(
            f"A BATCH message of stream '{stream}' names files of the form {form} ({compression}), and only jsonl is read, plain "
            f"or by gzip. Set batch_config of the tap so, or leave it out, then run again."
        )
    envelope = Envelope.of(stream, message.get("version"), message.get("time_extracted"))
    return [BatchFile(url, _COMPRESSIONS[compression], envelope) for url in manifest]
