"""What the setting `tables` may say of a stream: its table, columns, measures and relationships."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from singer_sdk import typing as th

if TYPE_CHECKING:
    from collections.abc import Mapping

DataType: TypeAlias = Literal["String", "Int64", "Double", "Decimal", "Boolean", "DateTime"]
DATA_TYPES: tuple[DataType, ...] = ("String", "Int64", "Double", "Decimal", "Boolean", "DateTime")
"""What a column of a push dataset can be (MicrosoftDocs/powerbi-docs ``developer/api-dataset-properties.md``)."""
NUMBERS: frozenset[DataType] = frozenset({"Int64", "Double", "Decimal"})
"""Those that can be added up."""

SummarizeBy: TypeAlias = Literal["default", "none", "sum", "min", "max", "count", "average", "distinctCount"]
SUMMARIZE_BY: tuple[SummarizeBy, ...] = (
    "default",
    "none",
    "sum",
    "min",
    "max",
    "count",
    "average",
    "distinctCount",
)
"""How visuals can add up a column (the same document)."""

_COLUMN = th.ObjectType(
    th.Property("name", th.StringType, description="Name of the column; default: that of the property"),
    th.Property("type", th.StringType, allowed_values=list(DATA_TYPES), description="Data type of the column"),
    th.Property("format", th.StringType, description="How Power BI shows the values, such as `#,0.00`"),
    th.Property(
        "summarize_by",
        th.StringType,
        allowed_values=list(SUMMARIZE_BY),
        description="How visuals add the values up by themselves; `none` for numbers that are codes",
    ),
    th.Property("hidden", th.BooleanType, description="Hide the column from those who build reports"),
    th.Property("drop", th.BooleanType, description="Leave the property out"),
    additional_properties=False,
)
TABLE = th.ObjectType(
    th.Property("table", th.StringType, description="Name of the table; default: that of the stream"),
    th.Property("columns", th.ObjectType(additional_properties=_COLUMN), description="Property → what its column is"),
    th.Property(
        "measures", th.ObjectType(additional_properties=th.StringType), description="Name of a measure → DAX expression"
    ),
    th.Property(
        "relationships",
        th.ObjectType(additional_properties=th.StringType),
        description="Property → the stream whose only key it holds, for the creation of the dataset in `mirror`",
    ),
    additional_properties=False,
)
"""One item of the setting, as JSON schema."""


@dataclass(frozen=True)
class ColumnChoice:
    """What the setting `tables` says of one property; None and False: the default."""

    name: str | None = None
    type: DataType | None = None
    format: str | None = None
    summarize_by: SummarizeBy | None = None
    hidden: bool | None = None
    drop: bool = False


@dataclass(frozen=True)
class TableChoice:
    """What the setting `tables` says of one stream."""

    table: str | None = None
    columns: Mapping[str, ColumnChoice] = field(default_factory=dict)
    measures: Mapping[str, str] = field(default_factory=dict)
    relationships: Mapping[str, str] = field(default_factory=dict)


def table_choice(given: Mapping[str, Any]) -> TableChoice:
    """The choices of one item that has passed the JSON schema."""
    columns = {name: ColumnChoice(**choice) for name, choice in (given.get("columns") or {}).items()}
    return TableChoice(given.get("table"), columns, given.get("measures") or {}, given.get("relationships") or {})
