"""How far a stream is, in one line every few seconds and one at its end."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_LOG = logging.getLogger(__name__)
_SLOW = 10.0  # a rate below this is told with a decimal place


@dataclass(frozen=True)
class Standing:
    """How far a stream is.

    Attributes:
        stream: its name.
        unit: what is counted, in the plural.
        rows: how many so far.
        pages: in how many pages or batches; 0 where that is not counted.
        seconds: the time that ``recent`` took.
        recent: how many rows came in the last interval; of all at the end.
        estimate: how many there will be, where the source told.
        done: whether these were all.
        doing: what is done with them, as it follows their number: ``delivered``.
        page: what a page is called.
    """

    stream: str
    unit: str
    rows: int
    pages: int
    seconds: float
    recent: int
    estimate: int | None = None
    done: bool = False
    doing: str = ""
    page: str = "page"

    @property
    def rate(self) -> float | None:
        """Rows a second; None where no time has passed."""
        return self.recent / self.seconds if self.seconds > 0 else None

    @property
    def sentence(self) -> str:
        """``purchase_orders: 125,000 of about 694,000 rows, 21,300 rows/s, page 25``, or at the end its sum."""
        rate = "" if self.rate is None else f"{_rounded(self.rate)} {self.unit}/s"
        if self.done:
            took = f"{self.seconds:,.1f} s" + (f" ({rate})" if rate else "")
            pages = f", {_counted(self.pages, _plural(self.page))}" if self.pages else ""
            return f"{self.stream}: {self._said(self.rows)} in {took}{pages}"
        said = self._said(self.rows)
        if self.estimate and self.estimate >= self.rows:  # one that was passed is none any more: rows came in meanwhile
            said = f"{self.rows:,} of about {self._said(self.estimate)}"
        page = f"{self.page} {self.pages:,}" if self.pages else ""
        return ", ".join(filter(None, [f"{self.stream}: {said}", rate, page]))

    def _said(self, number: int) -> str:
        return " ".join(filter(None, [_counted(number, self.unit), self.doing]))

    @property
    def fields(self) -> dict[str, Any]:
        """The numbers, as fields of a structured log line."""
        return {
            "stream_name": self.stream,
            "rows": self.rows,
            "pages": self.pages,
            "estimate": self.estimate,
            "seconds": round(self.seconds, 3),
            "rows_per_second": None if self.rate is None else round(self.rate, 1),
            "done": self.done,
        }


class Progress:
    """Counts the rows of one stream and tells now and then how far it is.

    Args:
        stream: its name.
        unit: what is counted, in the plural.
        doing: what is done with them, as it follows their number.
        page: what a page is called.
        estimate: how many rows there will be, where that is known.
        clock: monotonic seconds.
        every_seconds: the shortest time between two lines.
        log: takes a sentence, and ``extra=`` with the numbers in it: ``Logger.info``.
    """

    def __init__(
        self,
        stream: str,
        *,
        unit: str = "rows",
        doing: str = "",
        page: str = "page",
        estimate: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        every_seconds: float = 10.0,
        log: Callable[..., None] = _LOG.info,
    ) -> None:
        self._stream = stream
        self._words = {"unit": unit, "doing": doing, "page": page}
        self._estimate = estimate
        self._clock = clock
        self._every_seconds = every_seconds
        self._log = log
        self._rows = self._pages = self._rows_told = 0
        self._begun = self._told = self._latest = clock()

    def add(self, rows: int, pages: int = 0) -> None:
        """Count what came; called for each page or batch, not for each row."""
        self._rows += rows
        self._pages += pages
        self._latest = now = self._clock()
        if now - self._told >= self._every_seconds:
            self._tell(now - self._told, self._rows - self._rows_told)
            self._told, self._rows_told = now, self._rows

    def done(self) -> None:
        """Tell the sum, and how long it took until the last of it came."""
        self._tell(self._latest - self._begun, self._rows, done=True)

    def _tell(self, seconds: float, recent: int, *, done: bool = False) -> None:
        standing = Standing(
            stream=self._stream,
            rows=self._rows,
            pages=self._pages,
            seconds=seconds,
            recent=recent,
            estimate=self._estimate,
            done=done,
            **self._words,
        )
        self._log("%s", standing.sentence, extra=standing.fields)


def _counted(number: int, unit: str) -> str:
    one = unit.removesuffix("es") if unit.endswith("ches") else unit.removesuffix("s")
    return f"{number:,} {one if number == 1 else unit}"


def _plural(word: str) -> str:
    return f"{word}es" if word.endswith("ch") else f"{word}s"


def _rounded(rate: float) -> str:
    return f"{rate:,.1f}" if rate < _SLOW else f"{rate:,.0f}"
