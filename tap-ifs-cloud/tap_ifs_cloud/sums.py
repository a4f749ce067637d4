"""Sums of a stream's amounts by some of its properties, to the last digit.

The server adds up where it takes ``$apply`` (OData Extension for Data Aggregation 4.0). IFS says that it does, and not how far.
So where it refuses, or its answer is not the one that was asked for, the amounts of all rows are read and added up here.
"""

from __future__ import annotations

import logging
from decimal import Context, Decimal, localcontext
from typing import TYPE_CHECKING, Any

from ifs_bi_core.errors import ContractBrokenError

from tap_ifs_cloud.outcomes import TooSlowError
from tap_ifs_cloud.rows import decimal
from tap_ifs_cloud.source import STAGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ifs_bi_core.source_counts import Sums

    from tap_ifs_cloud.entire_streams import EntireStreams, Question

    Added = Iterable[tuple[tuple[Any, ...], tuple[Decimal, ...]]]

_LOG = logging.getLogger(__name__)
_EXACT = Context(prec=500)  # digits; Oracle's numbers have 40, between 1e-130 and 1e126
_NOTHING = Decimal(0)


def sums(entire: EntireStreams, stream: str, by: Sequence[str], of: Sequence[str]) -> Sums:
    """The sums of the properties ``of``, by the values of the properties ``by``.

    Memory grows with the number of sums, not with that of rows. Of a property that a stage of the stream lacks, the value is null
    there, and the sum 0.

    Args:
        entire: the system.
        stream: its name.
        by: properties of the stream, or ``stage``.
        of: numbers.

    Raises:
        ContractBrokenError: the tenant has no such stream, or refuses to tell.
        IfsBiError: the system can't be asked.
    """
    found: Sums = {}
    with localcontext(_EXACT):
        for question in entire.questions(stream):
            for group, amounts in _of_question(entire, question, by, of):
                before = found.get(group, (_NOTHING,) * len(of))
                found[group] = tuple(map(Decimal.__add__, before, amounts))
    return found


def _of_question(entire: EntireStreams, question: Question, by: Sequence[str], of: Sequence[str]) -> Added:
    adding = _Adding(entire, question, by, of)
    try:
        return adding.by_server()
    except (ContractBrokenError, TooSlowError) as error:
        _LOG.info("%s: the amounts of all rows are read and added up. %s", question.asking.name, error)
    return adding.by_rows()


class _Adding:
    """One question for sums."""

    def __init__(self, entire: EntireStreams, question: Question, by: Sequence[str], of: Sequence[str]) -> None:
        self._entire = entire
        self._question = question
        self._name = question.asking.name
        self._by = by
        source = question.asking.source
        self._groups = [name for name in by if name in source.properties]
        self._of = of
        self._amounts = [name for name in of if name in source.properties]
        self._reader = entire.reader(source, self._groups)
        # An alias must not be the name of a declared property (OData Data Aggregation 4.0, 3.1.1).
        self._aliases = {name: _alias(name, source.properties) for name in self._amounts}

    def by_rows(self) -> Added:
        """The amounts of each row."""
        for rows in self._entire.rows(self._question, [*self._groups, *self._amounts]):
            yield from ((self._group(row), self._values(row, {})) for row in rows)

    def by_server(self) -> Added:
        """What the server adds up.

        Raises:
            ContractBrokenError: it refuses, or the answer is another one than was asked for.
            TooSlowError: it takes too long.
        """
        found: dict[tuple[Any, ...], tuple[Decimal, ...]] = {}
        expected = {*self._groups, *self._aliases.values()}
        told, link, followed = 0, None, set[str]()
        while True:
            page = self._entire.cloud.page(link or self._url(told), f"sums of {self._name}", may_shrink=True)
            if any(not expected <= row.keys() for row in page.rows):
                raise ContractBrokenError("$apply was answered with rows that are no sums.")
            found |= {self._group(row): self._values(row, self._aliases) for row in page.rows}
            told, link = told + len(page.rows), page.link
            if len(found) != told:  # a page that came twice would be added twice
                raise ContractBrokenError("$apply was answered with one sum twice.")
            if link in followed:
                raise ContractBrokenError("$apply was answered with one @odata.nextLink twice.")
            if link:
                followed.add(link)
            elif not (page.rows and self._groups):  # servers may send less than a page without a word
                return found.items()

    def _url(self, skip: int) -> str:
        totals = ",".join(f"{name} with sum as {alias}" for name, alias in self._aliases.items())
        added = f"aggregate({totals})"
        grouped = f"groupby(({','.join(self._groups)}),{added})" if self._groups else added
        chosen = self._question.filter
        return self._question.url(
            {
                "$apply": f"filter({chosen})/{grouped}" if chosen else grouped,
                "$orderby": ",".join(self._groups),
                "$top": str(self._entire.page_size) if self._groups else "",
                "$skip": str(skip) if skip else "",
            }
        )

    def _group(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        record = {**self._reader.record(row), STAGE: self._question.stage}
        return tuple(record.get(name) for name in self._by)

    def _values(self, row: Mapping[str, Any], aliases: Mapping[str, str]) -> tuple[Decimal, ...]:
        values = (row.get(aliases.get(name, name)) for name in self._of)
        return tuple(_NOTHING if value is None else _number(value) for value in values)


def _alias(name: str, declared: Mapping[str, Any]) -> str:
    alias = f"{name}Total"
    while alias in declared:
        alias += "_"
    return alias


def _number(value: Any) -> Decimal:
    try:
        return decimal(value)
    except (ArithmeticError, ValueError) as error:
        raise ContractBrokenError(f"{value!r} can't be added up ({error}).") from None
