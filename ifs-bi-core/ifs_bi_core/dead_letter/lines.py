r"""The lines of a dead letter, byte for byte as they came, and the mark that a replayed line carries.

A RECORD line that is replayed has one more member at its end, ``"dead_letter": {"id": …, "row": …}``. Targets of this project
read it with `mark_of` and tell the store what became of the row; other targets pass over it, since a Singer message may carry
members that its reader doesn't know. The line is never parsed, so every digit and every escape stays.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from ifs_bi_core.dead_letter.letter import LETTER_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

MEMBER = "dead_letter"
"""The name of the mark in a RECORD message."""

_MARK = re.compile(rb', "%s": \{"id": "%s", "row": \d+\}(?=\}\s*\Z)' % (MEMBER.encode(), LETTER_ID.pattern.encode()))


class Mark(NamedTuple):
    """Which row of which letter a message replays."""

    letter: str
    row: int
    """From 0, as the rows lie in the letter."""


def mark_of(message: Mapping[str, Any]) -> Mark | None:
    """The mark of a decoded RECORD message, or None when it is no replay."""
    match message.get(MEMBER):
        case {"id": str(letter), "row": int(row)}:
            return Mark(letter, row)
    return None


def marked(line: bytes, letter: str, row: int) -> bytes:
    """The line with a mark before its closing brace; it has to be one JSON object that is not empty.

    Raises:
        ValueError: there is no brace.
    """
    end = line.rindex(b"}")
    mark = f', "{MEMBER}": {{"id": "{letter}", "row": {row}}}'
    return line[:end] + mark.encode() + line[end:]


def unmarked(line: bytes) -> bytes:
    """The line without the mark that another replay gave it."""
    return _MARK.sub(b"", line)


def one_line(message: bytes) -> bytes:
    """The message without its line end and without a mark."""
    # Inside a message a line end can only be white space between two tokens: strings hold it escaped.
    return unmarked(message.rstrip(b"\r\n").replace(b"\n", b" "))
