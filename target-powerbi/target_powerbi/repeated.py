"""Rows of `append` that come a second time: whatever ended a run before its STATE left, the next one brings its rows again.

Nobody can tell afterwards which of them: a target may end in the moment in which its STATE leaves, a tap in the middle of a
stream, and both several runs in a row. So no account is kept of it. A row that has a key is a version of what the key names.
One that says the same as the newest version is no news, and one that says what an older version of the same moment says is that
version. Rows without keys may be equal and yet be two: they are taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec
from ifs_bi_core.singer.sinks import DELETED_AT
from msgspec.structs import replace

from target_powerbi.tables import METADATA

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_powerbi.changes import Row
    from target_powerbi.kept import Kept
    from target_powerbi.tables import Table

Content: TypeAlias = frozenset[tuple[str, bytes]]
"""Each column that a row fills, and its value as JSON."""
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def without_repeated(kept: Kept, stream: str, rows: Sequence[Row]) -> tuple[list[Row], list[int]]:
    """The rows that are new, in their order, and where they stood among all; each knows what it is a version of.

    Args:
        kept: the rows that are there.
        stream: of the table, in which a key may have many rows.
        rows: that came.
    """
    found = kept.table(stream)
    if found is None or not found.table.identity:
        return list(rows), list(range(len(rows)))
    said = [_said(found.table, row.sent) for row in rows]
    newest: dict[str, Content] = {}
    older = set[tuple[str, str, Content]]()
    asked = [(subject, row.version) for row, (subject, _) in zip(rows, said, strict=True)]
    for version, sent in kept.versions(stream, asked):
        subject, content = _said(found.table, sent)
        newest[subject] = content
        if version is not None:
            older.add((subject, version, content))
    new: list[Row] = []
    places: list[int] = []
    for place, (row, (subject, content)) in enumerate(zip(rows, said, strict=True)):
        if newest.get(subject) == content or (subject, row.version, content) in older:
            continue
        newest[subject] = content
        if row.version is not None:
            older.add((subject, row.version, content))
        new.append(replace(row, subject=subject))
        places.append(place)
    return new, places


def _said(table: Table, sent: bytes | None) -> tuple[str, Content]:
    """What a row is a version of, and what it says, whenever it came and was found to be gone."""
    values = {name: bytes(value) for name, value in _FIELDS.decode(sent or b"{}").items()}
    subject = [values.get(column.name, b"") for column in table.columns if column.property in table.identity]
    for column in table.all_columns:
        if column.property == DELETED_AT and column.name in values:
            values[column.name] = b"gone"
        elif column.property.startswith(METADATA):
            values.pop(column.name, None)
    return b"\n".join(subject).decode(), frozenset(values.items())
