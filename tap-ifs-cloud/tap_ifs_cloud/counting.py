"""How many rows a stream has in IFS Cloud, for commands that compare a destination with it; and the entry point of these.

OData 4.01 (Part 1: Protocol) has two questions for a number: ``Set/$count``, and ``$count=true`` beside a page.
Where a set refuses both, or can't be filtered by the server as its stream is, all keys are read and counted.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ifs_bi_core.errors import ContractBrokenError
from ifs_bi_core.http.client import REAL
from ifs_bi_core.source_counts import Shape, SourceCounter

from tap_ifs_cloud.entire_streams import EntireStreams
from tap_ifs_cloud.key_listing import key_listing
from tap_ifs_cloud.outcomes import TooSlowError
from tap_ifs_cloud.schema import ETAG
from tap_ifs_cloud.sums import sums
from tap_ifs_cloud.versions import version_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ifs_bi_core.http.client import Surroundings
    from ifs_bi_core.singer.plugin import Plugin
    from ifs_bi_core.source_counts import Count, Keys, Sums

    from tap_ifs_cloud.entire_streams import Question

_LOG = logging.getLogger(__name__)


class IfsFigures:
    """What streams have in one system (`ifs_bi_core.source_counts.OpenSource`).

    Args:
        config: the tap's settings, resolved and checked.
        surroundings: clock and sleep.
    """

    def __init__(self, config: Mapping[str, Any], surroundings: Surroundings = REAL) -> None:
        self._entire = EntireStreams(config, surroundings)

    def streams(self) -> Sequence[str]:
        """The setting `streams`."""
        return self._entire.chosen

    def knows(self, stream: str) -> bool:
        """Whether it is built in or in the setting `entities`."""
        return self._entire.knows(stream)

    def shape(self, stream: str) -> Shape:
        """What its rows are made of; of rows whose ETag holds the second of their last change, that tells the version."""
        source = self._entire.source(stream)
        version = ETAG if source.has_etag else None
        return Shape(source.schema["properties"], tuple(prop.name for prop in source.key), version, _version)

    def count(self, stream: str) -> int:
        """How many rows it has; of a stream that joins stages, those of all stages: one that moves meanwhile may count twice."""
        return sum(self._count(question) for question in self._entire.questions(stream))

    def sums(self, stream: str, by: Sequence[str], of: Sequence[str]) -> Sums:
        """Sums by ``$apply``, or of all rows where that is refused."""
        return sums(self._entire, stream, by, of)

    def keys(self, stream: str) -> Iterator[Keys]:
        """All keys, page by page."""
        return key_listing(self._entire, stream)

    def _count(self, question: Question) -> int:
        for ask in (self._by_path, self._by_option):
            try:
                rows = ask(question)
            except (ContractBrokenError, TooSlowError) as error:
                _LOG.info("%s", error)
            else:
                if rows is not None:
                    return rows
        names = [prop.name for prop in question.asking.source.key]
        return sum(map(len, self._entire.rows(question, names)))

    def _by_path(self, question: Question) -> int | None:
        """``Set/$count``; None where the answer is no number."""
        url = question.url({"$filter": question.filter}, "/$count")
        operation = f"number of {question.asking.name}"
        body = self._entire.cloud.get(url, operation, accept="text/plain", may_shrink=True).body
        text = body.decode("utf-8-sig", "replace").strip()
        return int(text) if text.isascii() and text.isdigit() else None

    def _by_option(self, question: Question) -> int | None:
        """``$count=true`` beside one row; None where the server leaves it out."""
        url = question.url({"$filter": question.filter, "$count": "true", "$top": "1"})
        return self._entire.cloud.page(url, f"number of {question.asking.name} beside a row", may_shrink=True).count


def counts(config: Mapping[str, Any], streams: Sequence[str], surroundings: Surroundings = REAL) -> dict[str, Count]:
    """The rows that a full run would read of each stream now, or a sentence that says why they can't be counted.

    Args:
        config: the tap's settings, resolved and checked.
        streams: their names.
        surroundings: clock and sleep.

    Raises:
        IfsBiError: the system can't be asked.
    """
    figures = IfsFigures(config, surroundings)
    return {stream: _count_of(figures, stream) for stream in streams}


def _count_of(figures: IfsFigures, stream: str) -> Count:
    try:
        return figures.count(stream)
    except ContractBrokenError as error:
        return str(error)


def _version(etag: str) -> str:
    return str(version_of(etag))


def _plugin() -> type[Plugin]:
    # Here and not above: `tap_ifs_cloud.tap` brings the SDK.
    from tap_ifs_cloud.tap import TapIfsCloud  # noqa: PLC0415 - the reason is the line above

    return TapIfsCloud


SOURCE_COUNTER = SourceCounter("IFS Cloud", _plugin, counts, IfsFigures)
"""The entry point."""
