"""Singer messages as JSON, with every digit of a number, and the writer of their lines."""

from __future__ import annotations

import json
import os
import sys
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec
from singer_sdk.singerlib.encoding.base import GenericSingerWriter
from singer_sdk.singerlib.encoding.simple import Message, RecordMessage, SchemaMessage

from ifs_bi_core.errors import OutcomeUnknownError
from ifs_bi_core.redaction import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_BUFFER_BYTES = 1 << 18
_BUFFER_SECONDS = 1.0
_ROWS_BETWEEN_STATES = 10_000
_SHOWN = 60  # characters of a number that a reason repeats


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
    """The same of a line that holds what many writers let through and nobody can take as it is.

    That is NaN or an infinity, which JSON does not have, an integer of thousands of digits, an exponent of more digits than any
    decimal has, or half of a surrogate pair.

    Returns:
        The value, with None for each such number, and what it holds there first, for a person; None where there is none.

    Raises:
        msgspec.DecodeError: it is no JSON in another way.
        UnicodeDecodeError: the same.
    """
    try:
        return decode(line), None
    except RecursionError:
        raise msgspec.DecodeError("it is nested too deeply") from None
    except UnicodeDecodeError:
        raise
    except (msgspec.DecodeError, ArithmeticError) as error:
        leniently = _LenientReading()
        try:
            value = leniently.read(encoded(line).decode())
        except (ValueError, RecursionError):
            raise msgspec.DecodeError(str(error)) from None
        if leniently.flaw is None:  # it is something else that the stricter reader refuses
            raise
        return value, leniently.flaw


class _LenientReading:
    """Reads JSON with None for numbers that can't be taken, and notes what it met first."""

    def __init__(self) -> None:
        self.flaw: str | None = None

    def read(self, text: str) -> Any:
        value = json.loads(text, parse_float=self._number, parse_int=self._integer, parse_constant=self._constant)
        try:
            encode(value)
        except UnicodeEncodeError:
            self._met("half of a surrogate pair, which is no text")
        return value

    def _met(self, flaw: str) -> None:
        self.flaw = self.flaw or f"it holds {flaw}"

    def _constant(self, name: str) -> None:
        self._met(f"{name}, which is no number of JSON")

    def _integer(self, digits: str) -> int | None:
        try:
            return int(digits)
        except ValueError:  # Python reads no more than sys.get_int_max_str_digits()
            self._met(f"an integer of {len(digits):,} digits, which is more than can be read")
            return None

    def _number(self, text: str) -> Decimal | None:
        try:
            return Decimal(text)
        except ArithmeticError:
            self._met(f"the number {shown(text, _SHOWN)}, whose exponent is more than can be read")
            return None


class RecordFiles(Protocol):
    """Takes records in place of lines (`ifs_bi_core.singer.record_files`)."""

    @property
    def rows(self) -> int:
        """Of a stream that go into one file."""

    def put(self, stream: str, version: int | None, extracted: Any, records: bytes, count: int) -> bytes:
        """Take records, and give the lines of files that are complete by now."""

    def complete(self) -> bytes:
        """Complete all files, and give their lines."""


class Envelope(NamedTuple):
    """What makes RECORD lines of records that are JSON already.

    Attributes:
        head: what stands before a record in its line.
        tail: what stands behind it.
    """

    head: bytes
    tail: bytes

    @classmethod
    def of(cls, stream: str, version: Any = None, time_extracted: Any = None) -> Envelope:
        """Of one stream; the members that are None are left out.

        Args:
            stream: its name.
            version: of the stream.
            time_extracted: when the records were read.
        """
        told = {"version": version, "time_extracted": time_extracted}
        tail = b"".join(b"," + encode({name: value})[1:-1] for name, value in told.items() if value is not None)
        return cls(encode({"type": "RECORD", "stream": stream})[:-1] + b',"record":', tail + b"}")

    def around(self, records: bytes) -> bytes:
        """The lines of records, at least one, that stand on a line each; the last one has an end of line or not."""
        between = self.tail + b"\n" + self.head
        replaced = records.replace(b"\n", between)
        if records.endswith(b"\n"):
            return b"".join((self.head, memoryview(replaced)[: -len(self.head)]))
        return b"".join((self.head, replaced, self.tail))


class LineWriter(GenericSingerWriter[bytes, Message]):
    """Writes Singer messages to standard output in blocks.

    RECORD lines are gathered until a block is full or a second old, everything else goes out at once: the reader is never
    far behind, and no record costs a system call.

    Attributes:
        run: the name of the run, which a SCHEMA line tells to whoever reads it, beside its Singer members.
        files: where records go instead; None: they become lines.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.run: str | None = None
        self.files: RecordFiles | None = None
        self._clock = clock
        self._buffer = bytearray()
        self._flushed_at = clock()

    @property
    def rows_between_states(self) -> int:
        """How many records of a stream come between one STATE and the next."""
        return max(_ROWS_BETWEEN_STATES, self.files.rows if self.files else 0)

    def serialize_message(self, message: Message) -> bytes:
        """One line."""
        said = message.to_dict()
        if self.run and isinstance(message, SchemaMessage):
            said["run"] = self.run
        return encode(said) + b"\n"

    def write_message(self, message: Message) -> None:
        """Put a message into the block, behind the lines of the files that hold the records before it."""
        if self.files and isinstance(message, RecordMessage):
            record = encode(message.record) + b"\n"
            self.write_records(message.stream, message.version, message.time_extracted, record, 1)
            return
        if self.files:
            self._buffer += self.files.complete()
        self._buffer += self.format_message(message)
        if (
            len(self._buffer) >= _BUFFER_BYTES
            or not isinstance(message, RecordMessage)
            or self._clock() - self._flushed_at >= _BUFFER_SECONDS
        ):
            self.flush()

    def write_records(self, stream: str, version: int | None, extracted: Any, records: bytes, count: int) -> None:
        """Write records that are JSON already.

        Args:
            stream: of the records.
            version: of the stream, if it has one.
            extracted: when the records were read.
            records: as JSON, each with an end of line.
            count: how many.
        """
        if self.files:
            lines = self.files.put(stream, version, extracted, records, count)
        else:
            lines = Envelope.of(stream, version, extracted).around(records)
        if len(lines) >= _BUFFER_BYTES:  # it would be copied for nothing
            self.flush()
            self._write(lines)
            return
        self._buffer += lines
        if len(self._buffer) >= _BUFFER_BYTES or self._clock() - self._flushed_at >= _BUFFER_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write out the block.

        Raises:
            OutcomeUnknownError: nobody reads it any more.
        """
        block, self._buffer = self._buffer, bytearray()
        self._write(block)

    def _write(self, block: bytes | bytearray) -> None:
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
