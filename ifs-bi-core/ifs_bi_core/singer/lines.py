"""Singer lines in and out: every digit of a number is kept, and a bad line gets a sentence."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from decimal import Decimal
from typing import IO, TYPE_CHECKING, Any

import msgspec
from singer_sdk.singerlib.encoding.base import GenericSingerReader, GenericSingerWriter
from singer_sdk.singerlib.encoding.simple import Message, RecordMessage, SchemaMessage

from ifs_bi_core.errors import ContractBrokenError, OutcomeUnknownError
from ifs_bi_core.redaction import shown

if TYPE_CHECKING:
    from collections.abc import Callable

_SHOWN = 80  # characters of a bad line that an error repeats
_LOOKED_AT = 10_000  # bytes of it in which secrets are looked for: longer than a token
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


class LineReader(GenericSingerReader[bytes]):
    """Reads Singer messages as bytes from standard input.

    Attributes:
        line: the line that is being worked on, without its end.
        flaw: why its row can't be taken although the line can be read, for a person; None: it can.
    """

    def __init__(self) -> None:
        super().__init__()
        self._line_number = 0
        self.line = b""
        self.flaw: str | None = None

    @property
    def default_input(self) -> IO[bytes]:
        """Standard input, undecoded."""
        return sys.stdin.buffer

    def process_lines(
        self, file_input: IO[bytes] | None, callbacks: dict[str, Callable[[dict[str, Any]], None]]
    ) -> Counter[str]:
        """Call back for each message of the input; a file opened as text is read through its bytes."""
        counts: Counter[str] = Counter()
        unknown: Callable[[dict[str, Any]], None] = self._process_unknown_message
        for line in getattr(file_input, "buffer", file_input) or self.default_input:
            message = self.deserialize_json(line)
            kind = message["type"]
            callbacks.get(kind, unknown)(message)
            counts[kind] += 1
        return counts

    def deserialize_json(self, line: bytes) -> dict[str, Any]:
        """One message.

        Raises:
            ContractBrokenError: the line is no JSON object.
        """
        self._line_number += 1
        self.line = encoded(line).rstrip(b"\r\n")
        try:
            message, constant = decode_flawed(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._broken(line, str(error)) from None
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise self._broken(line, "a Singer message is an object with a type")
        self.flaw = constant and f"it holds {constant}, which is no number of JSON"
        if self.flaw and message["type"] != "RECORD":
            raise self._broken(line, self.flaw)
        return message

    def _broken(self, line: bytes | str, reason: str) -> ContractBrokenError:
        text = shown(encoded(line)[:_LOOKED_AT].decode(errors="replace").strip(), _SHOWN)
        return ContractBrokenError(
            f"Line {self._line_number} of the input is no Singer message ({reason}): {text!r}. "
            f"Nothing after it was read; check what writes into this target."
        )


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
