"""How many rows tables have: one query for all of them, for the warehouse itself and for who looks through Looker. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def count_query(tables: Iterable[str], remark: str = "") -> str:
    """Counts the rows of each table, by its place in ``tables``.

    Args:
        tables: quoted and qualified, as SQL names them.
        remark: letters, digits, dots and hyphens for a comment: with a new one, no cache of texts knows the answer.
    """
    counts = (f"SELECT {place} AS place, COUNT(*) AS row_count FROM {table}" for place, table in enumerate(tables))  # noqa: S608 - names are quoted, and there are no values
    return (f"-- {remark}\n" if remark else "") + "\nUNION ALL ".join(counts)


def counts_of(rows: Iterable[Mapping[str, object]]) -> dict[int, int]:
    """The answer to that query; a warehouse may write names of columns in its own case, and Looker numbers as text.

    Raises:
        KeyError: it is none.
        ValueError: the same.
    """
    named = ({name.lower(): value for name, value in row.items()} for row in rows)
    return {int(str(row["place"])): int(str(row["row_count"])) for row in named}
