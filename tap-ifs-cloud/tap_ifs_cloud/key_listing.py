"""The keys of all rows of a stream, each with the version of its row, in bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_ifs_cloud.odata import ETAG_MEMBER
from tap_ifs_cloud.versions import version_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ifs_bi_core.source_counts import Keys

    from tap_ifs_cloud.entire_streams import EntireStreams, Question


def key_listing(entire: EntireStreams, stream: str) -> Iterator[Keys]:
    """The keys of a stream as its records carry them, with the version that the ETag tells; None where a row has none.

    Args:
        entire: the system.
        stream: its name.

    Raises:
        ContractBrokenError: the tenant has no such stream, or refuses to tell.
        IfsBiError: the system can't be asked.
    """
    names = tuple(prop.name for prop in entire.source(stream).key)
    for question in entire.questions(stream):
        reader = entire.reader(question.asking.source, names)
        for rows in _rows(entire, question, names):
            records = map(reader.record, rows)
            yield [
                (tuple(record[name] for name in names), _version(row))
                for row, record in zip(rows, records, strict=True)
            ]


def _rows(entire: EntireStreams, question: Question, names: tuple[str, ...]) -> Iterator[list[dict[str, Any]]]:
    """Rows with no more than their keys; whole ones where only those carry ETags."""
    is_first = True
    for rows in entire.rows(question, names):
        if is_first and rows and ETAG_MEMBER not in rows[0] and _whole_rows_carry_etags(entire, question):
            yield from entire.rows(question, ())
            return
        is_first = False
        yield rows


def _whole_rows_carry_etags(entire: EntireStreams, question: Question) -> bool:
    if not question.asking.source.has_etag:
        return False
    url = question.url({"$filter": question.asking.scope(None), "$top": "1"})
    rows = entire.cloud.page(url, f"a row of {question.asking.name}").rows
    return any(ETAG_MEMBER in row for row in rows)


def _version(row: dict[str, Any]) -> str | None:
    etag = row.get(ETAG_MEMBER)
    return str(version_of(etag)) if etag else None
