"""From the SCHEMA of a stream to a table of a push dataset, and what became different between two of them. No I/O.

Names: a table is named like its stream and a column like its property; characters that Power BI forbids become ``_``. The
patterns are those of microsoft/PowerBI-CSharp ``sdk/swaggers/swagger.json`` (Table, Column). Names of one table that
differ in case alone are the same to Power BI.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ifs_bi_core.errors import ConfigError, ContractBrokenError
from ifs_bi_core.singer.sinks import DELETED_AT

from target_powerbi.limits import LIMITS
from target_powerbi.settings import ColumnChoice, TableChoice

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from target_powerbi.settings import DataType, WriteMode

METADATA = "_sdc_"
"""Properties of this prefix tell about the transport of a row, not about its subject."""

_FORBIDDEN_IN_TABLES = re.compile(r"[^\t\n\r #\-0-9@A-Z^_a-z~-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FORBIDDEN_IN_COLUMNS = re.compile(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        property: the stream's property that fills it.
        name: how Power BI calls it.
        type: its data type there.
        format: how Power BI shows the values, or None.
        chosen: the type was chosen in the setting `tables`, with whatever it does to a value.
    """

    property: str
    name: str
    type: DataType
    format: str | None = None
    chosen: bool = False


@dataclass(frozen=True)
class Table:
    """One table: where its rows come from, what it is called, and what it holds.

    `keys` are the properties that tell its rows apart; there are none where every row that comes is one more.
    """

    stream: str
    name: str
    keys: tuple[str, ...]
    columns: tuple[Column, ...]
    measures: tuple[tuple[str, str], ...] = ()

    def definition(self) -> dict[str, Any]:
        """The table as the REST API takes it."""
        columns = [
            {"name": column.name, "dataType": column.type, **({"formatString": column.format} if column.format else {})}
            for column in self.columns
        ]
        measures = [{"name": name, "expression": expression} for name, expression in self.measures]
        return {"name": self.name, "columns": columns, **({"measures": measures} if measures else {})}

    def record(self) -> dict[str, Any]:
        """The table as JSON, for `from_record`."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Table:
        """The table that `record` was made of."""
        return cls(
            record["stream"],
            record["name"],
            tuple(record["keys"]),
            tuple(Column(**column) for column in record["columns"]),
            tuple((name, expression) for name, expression in record["measures"]),
        )


@dataclass(frozen=True)
class Difference:
    """What a table would have to become.

    Attributes:
        added: columns it doesn't have yet; Power BI can add them.
        broken: column, its type now, and its type to be ("gone" where the SCHEMA has it no more); Power BI can't mend these.
        described: formats or measures differ, which costs no rows.
    """

    added: tuple[str, ...]
    broken: tuple[tuple[str, str, str], ...]
    described: bool


def difference(now: Table, wanted: Table) -> Difference:
    """What `wanted` has otherwise than `now`."""
    types = {column.name: column.type for column in now.columns}
    wanted_types = {column.name: column.type for column in wanted.columns}
    return Difference(
        added=tuple(name for name in wanted_types if name not in types),
        broken=tuple(
            (name, kind, wanted_types.get(name, "gone"))
            for name, kind in types.items()
            if wanted_types.get(name) != kind
        ),
        described=now.definition() != wanted.definition(),
    )


def difference_table(broken: Iterable[tuple[str, str, str]]) -> str:
    """The broken columns as a small text table."""
    rows = [("column", "in Power BI", "in the SCHEMA"), *broken]
    widths = [max(len(row[place]) for row in rows) for place in range(3)]
    return "\n".join(
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def table_of(
    stream: str,
    schema: Mapping[str, Any],
    keys: Sequence[str],
    *,
    write_mode: WriteMode,
    choice: TableChoice | None = None,
) -> Table:
    """The table of a stream.

    In `mirror` the ``_sdc_`` properties have no column: the table shows what is, not how it came. In `append` they have, and
    ``_sdc_deleted_at`` always.

    Raises:
        ConfigError: names clash or are too long, or there are more columns than a table may have.
        ContractBrokenError: the SCHEMA has no property that could be a column.
    """
    choice = choice or TableChoice()
    properties = dict(schema["properties"])
    if write_mode == "append":
        properties.setdefault(DELETED_AT, {"type": ["string", "null"], "format": "date-time"})
    else:
        properties = {name: definition for name, definition in properties.items() if not name.startswith(METADATA)}
    columns = tuple(_columns(stream, properties, choice.columns))
    name = choice.table or _FORBIDDEN_IN_TABLES.sub("_", stream)
    _check_name(f"table of stream '{stream}'", name, f"tables.{stream}.table", _FORBIDDEN_IN_TABLES)
    if not columns:
        raise ContractBrokenError(
            f"The SCHEMA of '{stream}' has no property to make a column of; leave the stream out."
        )
    if len(columns) > LIMITS.columns_per_table:
        surplus = ", ".join(column.property for column in columns[LIMITS.columns_per_table :])
        raise ConfigError(
            f"{stream} has {len(columns)} columns and a table of a push dataset holds {LIMITS.columns_per_table}. Choose "
            f"which to leave out with tables.{stream}.columns.<property>.drop: true; left alone, these would go: {surplus}."
        )
    _check_clashes(stream, columns, choice.measures)
    told_apart = () if write_mode == "append" else tuple(keys)
    return Table(stream, name, told_apart, columns, tuple(sorted(choice.measures.items())))


def unknown_choices(schema: Mapping[str, Any], choice: TableChoice) -> list[str]:
    """The properties that the setting `tables` names and the SCHEMA has not."""
    return sorted(choice.columns.keys() - schema["properties"].keys() - {DELETED_AT})


def _columns(stream: str, properties: Mapping[str, Any], choices: Mapping[str, ColumnChoice]) -> Iterator[Column]:
    for prop, definition in properties.items():
        choice = choices.get(prop, ColumnChoice())
        if choice.drop:
            continue
        name = choice.name or _FORBIDDEN_IN_COLUMNS.sub("_", prop)
        _check_name(f"column of {stream}.{prop}", name, f"tables.{stream}.columns.{prop}.name", _FORBIDDEN_IN_COLUMNS)
        yield Column(prop, name, choice.type or data_type(definition), choice.format, chosen=choice.type is not None)


def _check_name(what: str, name: str, setting: str, forbidden: re.Pattern[str]) -> None:
    if found := forbidden.search(name):
        raise ConfigError(
            f"The {what} is to be called {name!r}, and Power BI forbids {found[0]!r} there. Mend {setting}."
        )
    if not name.strip() or len(name) > LIMITS.characters_per_name:
        raise ConfigError(
            f"The {what} would be called {name!r}: that has {len(name)} characters, and Power BI allows 1 to "
            f"{LIMITS.characters_per_name}. Give it a name with {setting}."
        )


def _check_clashes(stream: str, columns: Iterable[Column], measures: Iterable[str]) -> None:
    taken: dict[str, str] = {}
    for source, name in (*((c.property, c.name) for c in columns), *((f"measure {m}", m) for m in measures)):
        other = taken.setdefault(name.casefold(), source)
        if other != source:
            raise ConfigError(
                f"{stream}: {other} and {source} would both be called '{name}' in Power BI, which does not tell upper from lower "
                f"case. Give one of them another name with tables.{stream}.columns.<property>.name."
            )


def data_type(definition: Any) -> DataType:
    """The data type that holds every value which a property's JSON schema allows, or can refuse it exactly.

    A number with at most four decimals is a Decimal; one with more, or with nobody saying how many, is a Double, and
    values that a Double can't hold are refused row by row. What may be of several kinds is a String.
    """
    branches = list(_branches(definition))
    kinds = {kind for kind, _ in branches}
    if kinds == {"string"} and all(branch.get("format") in {"date", "date-time"} for _, branch in branches):
        return "DateTime"
    if kinds == {"integer"}:
        return "Int64"
    if kinds == {"boolean"}:
        return "Boolean"
    if kinds and kinds <= {"integer", "number"}:
        return "Decimal" if all(_is_fixed(branch) for kind, branch in branches if kind == "number") else "Double"
    return "String"


def _branches(definition: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each type that a value may have, with the schema that says so; null aside."""
    if not isinstance(definition, dict):
        yield "any", {}
        return
    alternatives = definition.get("anyOf") or definition.get("oneOf")
    if alternatives:
        for alternative in alternatives:
            yield from _branches(alternative)
        return
    types = definition.get("type", "any")
    for kind in [types] if isinstance(types, str) else types:
        if kind != "null":
            yield kind, definition


def _is_fixed(number: Mapping[str, Any]) -> bool:
    """Whether the schema says that a number has few enough decimals, and does not say that it has too many digits."""
    scale = number.get("scale")
    if scale is None and number.get("multipleOf"):
        exponent = Decimal(str(number["multipleOf"])).normalize().as_tuple().exponent
        scale = max(0, -exponent) if isinstance(exponent, int) else None
    return (
        scale is not None
        and scale <= LIMITS.decimal_scale
        and number.get("precision", LIMITS.decimal_digits) <= LIMITS.decimal_digits
    )
