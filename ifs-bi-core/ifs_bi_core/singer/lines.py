"""Singer messages as JSON, with every digit of a number, and the writer of their lines."""

from __future__ import annotations

import json
import os
import sys
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from singer_sdk.singerlib.encoding.base import GenericSingerWriter
from singer_sdk.singerlib.encoding.simple import Message, RecordMessage, SchemaMessage

from ifs_bi_core.errors import OutcomeUnknownError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_BUFFER_BYTES = 1 << 18
_BUFFER_SECONDS = 1.0


def encode_other(value: Any) -> Any:
    """How values that JSON has no form for are written: dates and times in ISO 8601, the rest as text."""
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


_ENCODER = msgspec.json.Encoder(enc_hook=encode_other, decimal_format="number")
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


def encoded(text: str | bytes) -> bytes:
    """The text as UTF-8."""
    return text.encode() if isinstance(text, str) else text


def encode(value: Any) -> bytes:
    """JSON with decimals as numbers, digit for digit."""
    return _ENCODER.encode(value)


def encode_lines(values: Iterable[Any]) -> bytes:
    """`encode` of each value, each with an end of line."""
    return _ENCODER.encode_lines(list(values))  # of an iterator it never lets go (msgspec 0.22)


def decode(line: str | bytes) -> Any:
    """A JSON value with every number that isn't a 64-bit integer as `Decimal`.

    Raises:
        msgspec.DecodeError: it is no JSON.
    """
    return _DECODER.decode(line)


def decode_flawed(line: str | bytes) -> tuple[Any, str | None]:
    """The same of a line that may hold NaN or an infinity, which JSON does not have and many writers let through.

    Returns:
        The value, with None for each of them, and the first one's name; None where there is none.

    Raises:
        msgspec.DecodeError: it is no JSON in another way.
        UnicodeDecodeError: the same.
    """
    try:
        return decode(line), None
    except msgspec.DecodeError as error:
        found: list[str] = []
        try:
            value = json.loads(line, parse_float=Decimal, parse_constant=found.append)
        except (ValueError, RecursionError):
            raise error from None
        if not found:  # it is something else that the stricter reader refuses
            raise
        return value, found[0]


class LineWriter(GenericSingerWriter[bytes, Message]):
    """Writes Singer messages to standard output in blocks.

    RECORD lines are gathered until a block is full or a second old, everything else goes out at once: the reader is never
    far behind, and no record costs a system call.

    Attributes:
        run: the name of the run, which a SCHEMA line tells to whoever reads it, beside its Singer members.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.run: str | None = None
        self._clock = clock
        self._buffer = bytearray()
        self._flushed_at = clock()

    def serialize_message(self, message: Message) -> bytes:
        """One line."""
        said = message.to_dict()
        if self.run and isinstance(message, SchemaMessage):
            said["run"] = self.run
        return encode(said) + b"\n"

    def write_message(self, message: Message) -> None:
        """Put a message into the block."""
        self._buffer += self.format_message(message)
        if (
            len(self._buffer) >= _BUFFER_BYTES
            or not isinstance(message, RecordMessage)
            or self._clock() - self._flushed_at >= _BUFFER_SECONDS
        ):
            self.flush()

    def write_records(self, lines: bytes) -> None:
        """Put RECORD lines into the block that are written already.

        Args:
            lines: as `serialize_message` would write them, each with its end.
        """
        self._buffer += lines
        if len(self._buffer) >= _BUFFER_BYTES or self._clock() - self._flushed_at >= _BUFFER_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write out the block.

        Raises:
            OutcomeUnknownError: nobody reads it any more.
        """
        block, self._buffer = self._buffer, bytearray()
        out = getattr(sys.stdout, "buffer", None)
        try:
            if out is None:  # a test's text stream
                sys.stdout.write(block.decode())
            else:
                out.write(block)
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(
                os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
            )  # or Python complains when it closes the stream
            raise OutcomeUnknownError(
                "Nobody reads the output any more: see why the next command in the pipe stopped, then run again."
            ) from None
        self._flushed_at = self._clock()
