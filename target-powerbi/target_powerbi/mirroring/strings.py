"""Strings that a mirrored table can't hold. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from ifs_bi_core.columnar.columns import Kind

from target_powerbi.limits import LIMITS
from target_powerbi.values import length_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ifs_bi_core.columnar.columns import Column

LONGEST_STRING = LIMITS.characters_per_mirrored_string
"""UTF-16 units that a string of a mirrored table holds."""


def too_long(rows: pa.Table, columns: Sequence[Column]) -> Iterator[tuple[int, Column, str]]:
    """Place, column and text of every string that is longer than that."""
    for index, column in enumerate(columns):
        if column.type.kind not in {Kind.TEXT, Kind.JSON}:
            continue
        texts = rows.column(index)
        sizes = pc.binary_length(texts)  # bytes of UTF-8: never fewer than units of UTF-16
        if (pc.max(sizes).as_py() or 0) <= LONGEST_STRING:
            continue
        for place in pc.indices_nonzero(pc.greater(sizes, pa.scalar(LONGEST_STRING, sizes.type))).to_pylist():
            text = texts[place].as_py()
            if length_of(text) > LONGEST_STRING:
                yield place, column, text


def cut(text: str) -> str:
    """The text as far as a table holds it; half of a surrogate pair at the end is left out."""
    return text.encode("utf-16-le")[: 2 * LONGEST_STRING].decode("utf-16-le", errors="ignore")
