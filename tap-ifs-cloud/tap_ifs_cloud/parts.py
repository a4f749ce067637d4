"""The companies of a stream that are read one after the other, each with a bookmark of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Part:
    """The rows of one company in one stream.

    Attributes:
        stream: its name.
        key: the property that names the company; the bookmark's context has it, too.
        company: its value.
    """

    stream: str
    key: str
    company: str

    @property
    def context(self) -> dict[str, str]:
        """What tells this part's bookmark from the others': ``{"Company": "10"}``."""
        return {self.key: self.company}

    @property
    def label(self) -> str:
        """The part for a person: ``customer_orders of company 10``."""
        return f"{self.stream} of company {self.company}"


def parts_of(stream: str, key: str | None, companies: Iterable[Any]) -> dict[str, Part]:
    """A part for each company, by company; none where the stream's rows belong to no company."""
    return {name: Part(stream, key, name) for name in map(str, companies)} if key else {}


@dataclass(frozen=True)
class Share:
    """What one reading of a stream is of, beside the others.

    Attributes:
        part: the company that is read; None: all rows, or those of all companies of the setting at once.
        joins: whether companies of the stream go on from their bookmarks, so that none may begin a version by itself.
        lines: by company, the numbers of the stream's lines in the key store; each reading adds its own.
    """

    part: Part | None = None
    joins: bool = False
    lines: dict[str, int] = field(default_factory=dict)
