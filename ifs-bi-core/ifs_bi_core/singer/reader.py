"""Singer lines in: message by message, or many RECORD lines of one stream as they are; a bad line gets a sentence."""

from __future__ import annotations

import re
import sys
from collections import Counter
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, NamedTuple, NoReturn, Protocol

import msgspec
from singer_sdk.singerlib.encoding.base import GenericSingerReader

from ifs_bi_core.errors import ContractBrokenError
from ifs_bi_core.redaction import shown
from ifs_bi_core.singer.lines import decode_flawed, encoded
from ifs_bi_core.singer.messages import KINDS, lack_of
from ifs_bi_core.singer.pipes import ReadAhead, widen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_SHOWN = 80  # characters of a bad line that an error repeats
_LOOKED_AT = 10_000  # bytes of it in which secrets are looked for: longer than a token
_BLOCK_BYTES = 1 << 20
_FILE_LINES = 1 << 40  # numbers that the lines of one file have for themselves: more than a file holds
_LONGEST_LINE_BYTES = 256 << 20  # twice what the warehouse holds that takes the longest text (Snowflake, 128 MB)
_HEAD = re.compile(
    rb'\{\s*(?:"type"\s*:\s*"RECORD"\s*,\s*"stream"\s*:\s*"(?:[^"\\]|\\.)*"|"stream"\s*:\s*"(?:[^"\\]|\\.)*"\s*,\s*"type"\s*:\s*"RECORD")\s*,'
)
"""How a RECORD line begins that says first what it is. Most taps write all lines of a stream with the same beginning."""


class TakesLines(Protocol):
    """Who may take many RECORD lines of one stream at once."""

    def takes_lines(self, stream: str) -> bool:
        """Whether it takes those of this stream."""

    def take_lines(self, stream: str, lines: bytes, count: int, number: int) -> None:
        """Take lines that begin as RECORD lines of the stream do; whether they are is for the taker to find out.

        Args:
            stream: of the rows.
            lines: one or more, parted by line feeds; without one at the end.
            count: how many.
            number: of the first one in the input, from 1.
        """


class _Run(NamedTuple):
    """How lines that belong together begin, and where they go."""

    stream: str
    taker: TakesLines
    behind: re.Pattern[bytes]
    between: bytes

    def end(self, block: bytes, first: int) -> int:
        """Where the next line begins that begins otherwise."""
        if block.count(self.between, first) == block.count(b"\n", first, -1):  # there is none, as a rule
            return len(block)
        found = self.behind.search(block, first)
        return found.end() if found else len(block)


class LineReader(GenericSingerReader[bytes]):
    """Reads Singer messages as bytes from standard input.

    Attributes:
        line: the line that is being worked on, without its end.
        flaw: why its row can't be taken although the line can be read, for a person; None: it can.
        taker: who takes many lines at once, if anyone does.
    """

    def __init__(self) -> None:
        super().__init__()
        self._read = 0
        self._runs: dict[bytes, _Run] = {}
        self._files: list[str] = []
        self.line = b""
        self.flaw: str | None = None
        self.taker: TakesLines | None = None

    @property
    def default_input(self) -> IO[bytes]:
        """Standard input, undecoded."""
        return sys.stdin.buffer

    def process_lines(
        self, file_input: IO[bytes] | None, callbacks: dict[str, Callable[[dict[str, Any]], None]]
    ) -> Counter[str]:
        """Call back for each message of the input; a file opened as text is read through its bytes."""
        counts: Counter[str] = Counter()
        source = getattr(file_input, "buffer", file_input) or self.default_input
        widen(source)
        for block in _blocks(source):
            first = 0
            while first < len(block):
                run = self._run_at(block, first)
                if run is None:
                    end = block.find(b"\n", first) + 1 or len(block)
                    counts[self._call(block[first:end], callbacks)] += 1
                else:
                    end = run.end(block, first)
                    counts["RECORD"] += self._take(run, block[first:end])
                first = end
        return counts

    def _run_at(self, block: bytes, first: int) -> _Run | None:
        if not self._runs:
            return None
        head = _HEAD.match(block, first)
        return self._runs.get(head[0]) if head else None

    def _take(self, run: _Run, lines: bytes) -> int:
        lines = lines.rstrip(b"\n")
        if b"\r" in lines:  # no JSON has one inside
            lines = lines.replace(b"\r", b"")
        count = lines.count(b"\n") + 1
        first, self._read = self._read + 1, self._read + count
        run.taker.take_lines(run.stream, lines, count, first)
        return count

    def _call(self, line: bytes, callbacks: dict[str, Callable[[dict[str, Any]], None]]) -> str:
        message = self.deserialize_json(line)
        kind: str = message["type"]
        unknown: Callable[[dict[str, Any]], None] = self._process_unknown_message
        callbacks.get(kind, unknown)(message)
        if kind == "SCHEMA":  # it may be another matter now
            self._runs.clear()
        elif kind == "RECORD" and self.taker is not None and (head := _HEAD.match(line)):
            stream = message["stream"]
            if isinstance(stream, str) and self.taker.takes_lines(stream):
                behind = re.compile(b"\n(?!" + re.escape(head[0]) + b")")
                self._runs[head[0]] = _Run(stream, self.taker, behind, b"\n" + head[0])
        return kind

    def first_line_of(self, file: str) -> int:
        """The number of the first line of a file whose lines are taken here too; it tells them from those of the input."""
        self._files.append(file)
        return len(self._files) * _FILE_LINES + 1

    @contextmanager
    def again(self, line: bytes, number: int) -> Iterator[dict[str, Any]]:
        """One of the lines that were taken is worked on within the block, and then what was worked on before.

        Args:
            line: without its end.
            number: of it in the input, or from `first_line_of` a file on.

        Raises:
            ContractBrokenError: as `deserialize_json`.
        """
        before = self._read, self.line, self.flaw
        self._read = number - 1
        try:
            yield self.deserialize_json(line)
        finally:
            self._read, self.line, self.flaw = before

    def deserialize_json(self, line: bytes) -> dict[str, Any]:
        """One message.

        Raises:
            ContractBrokenError: the line is no JSON object.
        """
        self._read += 1
        self.line = encoded(line).rstrip(b"\r\n")
        try:
            message, self.flaw = decode_flawed(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._broken(line, str(error)) from None
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise self._broken(line, "a Singer message is an object with a type")
        if self.flaw and message["type"] != "RECORD":
            raise self._broken(line, self.flaw)
        if lack := lack_of(message):
            raise self._broken(line, lack)
        return message

    def _process_unknown_message(self, message_dict: dict[str, Any]) -> NoReturn:
        del message_dict
        raise self._broken(self.line, f"its type is none of {', '.join(KINDS)}")

    def _broken(self, line: bytes | str, reason: str) -> ContractBrokenError:
        text = shown(encoded(line)[:_LOOKED_AT].decode(errors="replace").strip(), _SHOWN)
        place, number = divmod(self._read, _FILE_LINES)
        where = f"batch file {self._files[place - 1]}" if place else "the input"
        return ContractBrokenError(
            f"Line {number} of {where} is no Singer message ({reason}): {text!r}. "
            f"Nothing after it was read; check what writes into this target."
        )


def _blocks(source: IO[bytes] | Iterable[str | bytes]) -> Iterator[bytes]:
    """The input as blocks of whole lines; none waits for more than what there is to read."""
    ahead = ReadAhead.of(source)
    read = ahead.read if ahead else getattr(source, "read1", None)
    if read is None:  # a list of lines, or text in memory
        yield from map(encoded, source)
        return
    yield from whole_lines(read, "the input")


def whole_lines(read: Callable[[int], bytes], where: str) -> Iterator[bytes]:
    """What there is to read as blocks of whole lines with their ends; the last one may lack it.

    Args:
        read: gives at most so many bytes, and none at the end.
        where: they are read, for a person.

    Raises:
        ContractBrokenError: a line is so long that it would fill the memory.
    """
    begun: list[bytes] = []  # of a line that is longer than what was read at once
    length = 0
    while part := read(_BLOCK_BYTES):
        end = part.rfind(b"\n") + 1
        if end:
            yield b"".join([*begun, part[:end]])
            begun, length = [], 0
        begun.append(part[end:])
        length += len(begun[-1])
        if length > _LONGEST_LINE_BYTES:
            raise ContractBrokenError(
                f"A line in {where} is longer than {_LONGEST_LINE_BYTES >> 20} MiB, which no row is. Neither it nor what "
                f"follows was read; check what writes it."
            )
    if rest := b"".join(begun):
        yield rest
