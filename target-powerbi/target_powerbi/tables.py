"""From the SCHEMA of a stream to a table of a push dataset. No I/O.

Names: a table is named like its stream and a column like its property; characters that Power BI forbids become ``_``. The
patterns are those of microsoft/PowerBI-CSharp ``sdk/swaggers/swagger.json`` (Table, Column). Names of one table that
differ in case alone are the same to Power BI.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ifs_bi_core.errors import ConfigError, ContractBrokenError
from ifs_bi_core.singer.sinks import DELETED_AT, ROW_VERSION

from target_powerbi.choices import NUMBERS, ColumnChoice, TableChoice
from target_powerbi.columns import data_type
from target_powerbi.limits import LIMITS
from target_powerbi.model import TYPES, ColumnFacts, facts_of, needed_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from target_powerbi.choices import DataType, SummarizeBy
    from target_powerbi.settings import WriteMode

METADATA = "_sdc_"
"""Properties of this prefix tell about the transport of a row, not about its subject."""

_FORBIDDEN_IN_TABLES = re.compile(r"[^\t\n\r #\-0-9@A-Z^_a-z~-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FORBIDDEN_IN_COLUMNS = re.compile(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_RESERVED = "date"
"""A table of this name is lost by the service (sql-bi/Pbi-PushDataset renames it for that reason)."""


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        property: the stream's property that fills it.
        name: how Power BI calls it.
        type: its data type there.
        format: how Power BI shows the values, or None.
        chosen: the type was chosen, in the setting `tables` or by the model, with whatever it does to a value.
        summarize_by: how visuals add its values up, or None for what Power BI does by itself.
        hidden: people who build reports don't see it.
    """

    property: str
    name: str
    type: DataType
    format: str | None = None
    chosen: bool = False
    summarize_by: SummarizeBy | None = None
    hidden: bool = False

    def definition(self) -> dict[str, Any]:
        """The column as the REST API takes it."""
        said = {"formatString": self.format, "summarizeBy": self.summarize_by, "isHidden": self.hidden or None}
        return {
            "name": self.name,
            "dataType": self.type,
            **{name: value for name, value in said.items() if value is not None},
        }


BATCH = Column("_ifs_batch", "_ifs_batch", "String", hidden=True)
"""The name of the request that brought a row: by it the target finds out whether an unanswered one arrived."""

SIGN = Column("_sign", "_sign", "Int64", summarize_by="sum")
"""1 for a row that counts, -1 for one that takes back an earlier one (`signed` alone)."""


@dataclass(frozen=True)
class Measure:
    """One measure; `shipped`: it comes from the model, not from the setting `tables`."""

    name: str
    expression: str
    format: str | None = None
    description: str | None = None
    shipped: bool = False

    def definition(self) -> dict[str, Any]:
        """The measure as the REST API takes it."""
        said = {"formatString": self.format, "description": self.description}
        return {
            "name": self.name,
            "expression": self.expression,
            **{name: value for name, value in said.items() if value is not None},
        }


@dataclass(frozen=True)
class Table:
    """One table: where its rows come from, what it is called, and what it holds.

    Attributes:
        stream: where its rows come from.
        name: how Power BI calls it.
        keys: the properties that tell its rows apart; there are none where every row that comes is one more.
        columns: those that properties fill.
        measures: sums that it offers.
        identity: the properties that tell the subjects of its rows apart: `keys`, also where one subject may have many rows.
        technical: columns that the target fills by itself, after the others.
    """

    stream: str
    name: str
    keys: tuple[str, ...]
    columns: tuple[Column, ...]
    measures: tuple[Measure, ...] = ()
    identity: tuple[str, ...] = ()
    technical: tuple[Column, ...] = ()

    @property
    def all_columns(self) -> tuple[Column, ...]:
        """All columns that Power BI has, in its order."""
        return (*self.columns, *self.technical)

    def column_of(self, prop: str) -> Column | None:
        """The column that a property fills, or that the target fills by this name."""
        return next((column for column in self.all_columns if column.property == prop), None)

    @property
    def adds_up(self) -> bool:
        """Whether a plain sum over its rows means something: there is one row for each subject."""
        return self.keys == self.identity and SIGN not in self.technical

    def definition(self) -> dict[str, Any]:
        """The table as the REST API takes it.

        Where plain sums mean nothing, visuals don't offer them by themselves, whatever a column says: measures do.
        """
        measures = [measure.definition() for measure in self.measures]
        columns = [column.definition() for column in self.all_columns]
        if not self.adds_up:
            for column in columns:
                if column["dataType"] in NUMBERS and column["name"] != SIGN.name:
                    column["summarizeBy"] = "none"
        return {"name": self.name, "columns": columns, **({"measures": measures} if measures else {})}

    def record(self) -> dict[str, Any]:
        """The table as JSON, for `from_record`."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Table:
        """The table that `record` was made of, by this version or an earlier one."""
        return cls(
            record["stream"],
            record["name"],
            tuple(record["keys"]),
            tuple(Column(**column) for column in record["columns"]),
            tuple(Measure(**item) if isinstance(item, dict) else Measure(*item) for item in record["measures"]),
            tuple(record.get("identity", ())),
            tuple(Column(**column) for column in record.get("technical", ())),
        )


def table_of(
    stream: str,
    schema: Mapping[str, Any],
    keys: Sequence[str],
    *,
    write_mode: WriteMode,
    choice: TableChoice | None = None,
    model: bool = True,
) -> Table:
    """The table of a stream.

    In `append` the ``_sdc_`` properties have columns, and ``_sdc_deleted_at`` always. Else they have none: the table shows what
    is, not how it came.

    Args:
        stream: its name.
        schema: of its rows.
        keys: properties that tell them apart.
        write_mode: how rows are written.
        choice: what the setting `tables` says of it.
        model: the shipped model says the rest.

    Raises:
        ConfigError: names clash, are too long or can't be, or there are more columns than a table may have.
        ContractBrokenError: the SCHEMA has no property that could be a column.
    """
    choice = choice or TableChoice()
    properties = dict(schema["properties"])
    if write_mode == "append":
        properties.setdefault(DELETED_AT, {"type": ["string", "null"], "format": "date-time"})
    else:
        properties = {name: definition for name, definition in properties.items() if not name.startswith(METADATA)}

    def facts(prop: str, kind: DataType) -> ColumnFacts:
        return facts_of(stream, properties, prop, kind, frozenset(keys), versions=write_mode == "append")

    columns = tuple(_columns(stream, properties, choice.columns, facts if model else None))
    name = choice.table or _FORBIDDEN_IN_TABLES.sub("_", stream)
    _check_name(f"table of stream '{stream}'", name, f"tables.{stream}.table", _FORBIDDEN_IN_TABLES)
    if name.strip().casefold() == _RESERVED:
        raise ConfigError(
            f"The table of stream '{stream}' would be called '{name}', and Power BI loses a pushed table of that name. Give it "
            f"another one with tables.{stream}.table."
        )
    if not columns:
        raise ContractBrokenError(
            f"The SCHEMA of '{stream}' has no property to make a column of; leave the stream out."
        )
    technical = (SIGN, BATCH) if write_mode == "signed" else (BATCH,)
    measures = tuple(Measure(title, expression) for title, expression in sorted(choice.measures.items()))
    _check_count(stream, columns, technical, keys)
    _check_clashes(stream, columns, technical, choice.measures)
    told_apart = () if write_mode == "append" else tuple(keys)
    return Table(stream, name, told_apart, columns, measures, tuple(keys), technical)


def unknown_choices(schema: Mapping[str, Any], choice: TableChoice) -> list[str]:
    """The properties that the setting `tables` names and the SCHEMA has not."""
    named = choice.columns.keys() | choice.relationships.keys()
    return sorted(named - schema["properties"].keys() - {DELETED_AT})


def _columns(
    stream: str,
    properties: Mapping[str, Any],
    choices: Mapping[str, ColumnChoice],
    facts: Callable[[str, DataType], ColumnFacts] | None,
) -> Iterator[Column]:
    for prop, definition in properties.items():
        choice = choices.get(prop, ColumnChoice())
        if choice.drop:
            continue
        name = choice.name or _FORBIDDEN_IN_COLUMNS.sub("_", prop)
        _check_name(f"column of {stream}.{prop}", name, f"tables.{stream}.columns.{prop}.name", _FORBIDDEN_IN_COLUMNS)
        chosen = choice.type or (TYPES.get((stream, prop)) if facts else None)
        kind = chosen or data_type(definition)
        known = facts(prop, kind) if facts else ColumnFacts()
        yield Column(
            prop,
            name,
            kind,
            choice.format or known.format,
            chosen=chosen is not None,
            summarize_by=choice.summarize_by or known.summarize_by,
            hidden=known.hidden if choice.hidden is None else choice.hidden,
        )


def _check_count(stream: str, columns: Sequence[Column], technical: Sequence[Column], keys: Sequence[str]) -> None:
    """Refuse more columns than a table may have, and name those that are the least missed.

    These are the last ones: no keys, and none that the model builds on.
    """
    surplus = len(columns) + len(technical) - LIMITS.columns_per_table
    if surplus <= 0:
        return
    kept = {*keys, *needed_of(stream), ROW_VERSION}
    spare = [column.property for column in columns if column.property not in kept]
    own = " and ".join(column.name for column in technical)
    raise ConfigError(
        f"{stream} has {len(columns)} columns and needs {own} beside them, and a table of a push dataset holds "
        f"{LIMITS.columns_per_table}: {surplus} too many. Choose which to leave out with "
        f"tables.{stream}.columns.<property>.drop: true. Left alone, these would go: {', '.join(spare[-surplus:])}."
    )


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


def _check_clashes(
    stream: str, columns: Iterable[Column], technical: Iterable[Column], measures: Iterable[str]
) -> None:
    taken: dict[str, str] = {}
    for source, name in (
        *((f"the target's own column {column.name}", column.name) for column in technical),
        *((column.property, column.name) for column in columns),
        *((f"measure {title}", title) for title in measures),
    ):
        other = taken.setdefault(name.casefold(), source)
        if other != source:
            raise ConfigError(
                f"{stream}: {other} and {source} would both be called '{name}' in Power BI, which does not tell upper from lower "
                f"case. Give one of them another name with tables.{stream}.columns.<property>.name."
            )
