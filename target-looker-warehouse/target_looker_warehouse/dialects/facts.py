"""What a warehouse can do, as data: the engine reads these facts, and never asks which warehouse it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from string import ascii_lowercase, ascii_uppercase
from typing import TYPE_CHECKING, Literal, NamedTuple

from ifs_bi_core.columnar.columns import ColumnType, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

IdentifierCase = Literal["keep", "lower", "upper"]

_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)
_UPPER = str.maketrans(ascii_lowercase, ascii_uppercase)
_PARAMETERS = re.compile(r"(.+?)\s*\((\d+)(?:,\s*(\d+))?\)")
ANY_NAME = re.compile(r"[^\0]+")
"""Names of a warehouse that quotes any character but the null character."""


class Widening(StrEnum):
    """What the type of a column may become in its place, with the values that it has."""

    EVERYTHING = "any type that holds all its values"
    PRECISION = "a decimal with more digits before the point"
    NOTHING = "nothing"


class DecimalType(NamedTuple):
    """A family of decimal types of a warehouse.

    Attributes:
        name: without digits, as the catalogue spells it.
        precision: the most digits in all.
        scale: the most digits after the point.
        whole: the most digits before the point.
    """

    name: str
    precision: int
    scale: int
    whole: int

    def holds(self, column_type: ColumnType) -> bool:
        """Whether there is a type of this family with the precision and scale of a DECIMAL."""
        digits = column_type.precision, column_type.scale, column_type.precision - column_type.scale
        return all(needed <= most for needed, most in zip(digits, self[1:], strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """The facts of one kind of warehouse.

    Attributes:
        name: of the product, for sentences.
        types: the warehouse's own name of each kind of column but DECIMAL, as its catalogue spells it. Where JSON is not kept
            digit by digit, its name is that of TEXT.
        other_types: names of types that this target never makes, and that hold the same values as the types given.
        decimals: the first one that holds a DECIMAL is used; where none does, the column is a TEXT.
        columns_of_tables: the statement that tells the columns of tables: table, column, type, in the table's order. Parameters:
            the schema, and two names that a table may have.
        schemas: the statement that tells whether there is a schema. Parameter: its name.
        tables_of_schema: the statement that tells the names of the tables and views of a schema, with the place ``{schema}`` for
            its name as SQL text. Parameter: its name, unless ``{schema}`` stands in it.
        quote: what stands before and after an identifier.
        quote_escape: what stands for ``quote`` in an identifier.
        name_bytes: of the longest identifier; 0 where there is no limit to speak of.
        name_pattern: what an identifier looks like that needs no other name; ``_`` is in all of them.
        case_sensitive: whether two quoted names that differ only in the case of ASCII letters are two names.
        identifier_case: the case of ASCII letters in names that this target makes.
        system_columns: names that no column may have.
        blank_padded: whether texts that differ in blanks at their ends are equal; their lengths are compared as well then.
        unheld: a character that no text can hold; empty where there is none.
        text_bytes: of the longest text, in UTF-8; 0 where there is no limit to speak of.
        indexes_keys: whether rows are found by an index on the key. Where columns are scanned, keeping one makes a load dearer.
        merges: whether rows are applied by MERGE; else by DELETE and INSERT.
        transactional_ddl: whether statements that make and change tables belong to the transaction in which they stand.
        widens: what a column's type may become in its place.
        has_lock: whether a run can keep others off a stream's table.
        batch_size_rows: how many rows a load takes, if the settings don't say.
        held_bytes: how much Arrow data of all streams together may wait for its load, and how much of it may be on its way.
        connections: over how many connections streams are loaded at the same time.
        days_between: the days from one date to another, as SQL text with the places ``{earlier}`` and ``{later}``.
        view_options: what stands before AS where a view is replaced, so that who may read it still may.
        grants: the statement that tells what to run so that others may read a view again that is dropped and made anew; empty
            where there is no need. Parameters: the schema, the view.
    """

    name: str
    types: Mapping[Kind, str]
    other_types: Mapping[str, ColumnType]
    decimals: tuple[DecimalType, ...]
    columns_of_tables: str
    schemas: str
    tables_of_schema: str = "SELECT table_name FROM information_schema.tables WHERE table_schema = $1"
    quote: str = '"'
    quote_escape: str = '""'
    name_bytes: int = 0
    name_pattern: re.Pattern[str] = ANY_NAME
    case_sensitive: bool = True
    identifier_case: IdentifierCase = "keep"
    system_columns: frozenset[str] = frozenset()
    blank_padded: bool = False
    unheld: str = ""
    text_bytes: int = 0
    indexes_keys: bool = False
    merges: bool = False
    transactional_ddl: bool = True
    widens: Widening = Widening.EVERYTHING
    has_lock: bool = True
    batch_size_rows: int = 10_000
    held_bytes: int = 32 << 20
    connections: int = 1
    days_between: str = "{later} - {earlier}"
    view_options: str = ""
    grants: str = ""

    def quoted(self, name: str) -> str:
        """An identifier as SQL text."""
        return f"{self.quote}{name.replace(self.quote, self.quote_escape)}{self.quote}"

    def qualified(self, *names: str) -> str:
        """Identifiers from the outer to the inner, as SQL text."""
        return ".".join(map(self.quoted, names))

    def type_name(self, column_type: ColumnType) -> str:
        """The type as SQL text."""
        if column_type.kind is not Kind.DECIMAL:
            return self.types[column_type.kind]
        name = self.decimal_name(column_type)
        return f"{name}({column_type.precision},{column_type.scale})" if name else self.types[Kind.TEXT]

    def decimal_name(self, column_type: ColumnType) -> str | None:
        """The family of decimal types in which a DECIMAL is kept; None where none holds it."""
        return next((decimal.name for decimal in self.decimals if decimal.holds(column_type)), None)

    def column_type(self, type_name: str) -> ColumnType | None:
        """The type that the catalogue calls so; None for one that may not hold every value exactly."""
        if other := self.other_types.get(type_name):
            return other
        for kind in Kind:
            if self.types.get(kind) == type_name:
                return self._plain(kind)
        parts = _PARAMETERS.fullmatch(type_name)
        if parts and parts[1].casefold() in {decimal.name.casefold() for decimal in self.decimals}:
            return ColumnType(Kind.DECIMAL, int(parts[2]), int(parts[3] or 0))
        return None

    def _plain(self, kind: Kind) -> ColumnType:
        """The type of a name that more than one kind may have: JSON kept as text is text."""
        return ColumnType(Kind.TEXT if self.types[kind] == self.types[Kind.TEXT] else kind)

    def stored(self, column_type: ColumnType) -> ColumnType:
        """The type that a column has in which values of a type are kept: another one where the warehouse has no such type."""
        return self.column_type(self.type_name(column_type)) or column_type

    def cased(self, name: str) -> str:
        """A name with its letters in the case of this target's names."""
        if self.identifier_case == "keep":
            return name
        return name.translate(_LOWER if self.identifier_case == "lower" else _UPPER)

    def folded(self, name: str) -> str:
        """A name as the warehouse compares it."""
        return name if self.case_sensitive else name.translate(_LOWER)

    def holds(self, name: str) -> bool:
        """Whether a name can be an identifier as it is."""
        too_long = self.name_bytes and len(name.encode(errors="surrogatepass")) > self.name_bytes
        return bool(self.name_pattern.fullmatch(name)) and not too_long

    def holdable(self, name: str) -> str:
        """A name of any length with ``_`` in the place of characters that no identifier has."""
        kept = "".join(letter if self.name_pattern.fullmatch(f"_{letter}") else "_" for letter in name)
        return kept if not kept or self.name_pattern.fullmatch(kept) else f"_{kept}"
