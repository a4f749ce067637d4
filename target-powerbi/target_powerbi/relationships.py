"""The relationships of a new dataset: from the many side's column to the key of the one side. No I/O.

The API takes them at the creation of a dataset alone (microsoft/PowerBI-CSharp ``sdk/swaggers/swagger.json``), and a
relationship has one column a side, whose values are unique on the one side: so it leads to a stream with one key, and there
are none in `signed` and `append`, where a key has many rows. Between two tables there is one way at most: with two, Power BI
can't tell which one filters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ifs_bi_core.errors import ConfigError

from target_powerbi.limits import LIMITS
from target_powerbi.model import RELATIONSHIPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_powerbi.settings import Settings
    from target_powerbi.tables import Table


@dataclass(frozen=True)
class Relationship:
    """Rows of one table belong to a row of another one."""

    from_table: str
    from_column: str
    to_table: str
    to_column: str

    def definition(self, number: int) -> dict[str, str]:
        """The relationship as the REST API takes it; the number makes its name."""
        return {
            "name": f"relationship_{number}",
            "fromTable": self.from_table,
            "fromColumn": self.from_column,
            "toTable": self.to_table,
            "toColumn": self.to_column,
            "crossFilteringBehavior": "OneDirection",
        }


def relationships_of(tables: Mapping[str, Table], settings: Settings) -> list[Relationship]:
    """The relationships among tables: those of the setting `tables`, and those of the model that are possible beside them.

    Args:
        tables: all of the new dataset, by stream.
        settings: of the run.

    Raises:
        ConfigError: one of the setting can't be, or there are more than a dataset may have.
    """
    if settings.write_mode != "mirror":
        return []
    found: list[Relationship] = []
    for stream, choice in settings.tables.items():
        for prop, to_stream in choice.relationships.items():
            if stream in tables:
                found.append(_chosen(tables, stream, prop, to_stream, found))
    if len(found) > LIMITS.relationships_per_dataset:
        raise ConfigError(
            f"The setting 'tables' has {len(found)} relationships, and a dataset has at most "
            f"{LIMITS.relationships_per_dataset}. Take some out."
        )
    for stream, prop, to_stream in RELATIONSHIPS if settings.model else ():
        made = _made(tables, stream, prop, to_stream)
        if isinstance(made, Relationship) and not _closes(made, found):
            found.append(made)
    return found[: LIMITS.relationships_per_dataset]


def _chosen(
    tables: Mapping[str, Table], stream: str, prop: str, to_stream: str, found: Iterable[Relationship]
) -> Relationship:
    made = _made(tables, stream, prop, to_stream)
    if isinstance(made, str):
        raise ConfigError(f"tables.{stream}.relationships.{prop}: {made}")
    if _closes(made, found):
        raise ConfigError(
            f"tables.{stream}.relationships.{prop}: there would be two ways between '{made.from_table}' and "
            f"'{made.to_table}', and Power BI takes one. Take one of the relationships out."
        )
    return made


def _made(tables: Mapping[str, Table], stream: str, prop: str, to_stream: str) -> Relationship | str:
    """The relationship, or why there is none."""
    table, other = tables.get(stream), tables.get(to_stream)
    if table is None or other is None:
        return (
            f"there is no stream {stream if table is None else to_stream} in this dataset. Select it, or take this out."
        )
    if len(other.keys) != 1:
        keys = f"the key {', '.join(other.keys)}" if other.keys else "no key"
        return f"{to_stream} has {keys}, and a relationship needs one of a single column. Take it out."
    column, key = table.column_of(prop), other.column_of(other.keys[0])
    if column is None or key is None:
        return f"there is no column for {f'{stream}.{prop}' if column is None else f'{to_stream}.{other.keys[0]}'}."
    if column.type != key.type:
        return (
            f"{stream}.{prop} is {column.type} and {to_stream}.{key.property} is {key.type}. Give them one type with "
            f"tables.{stream}.columns.{prop}.type."
        )
    return Relationship(table.name, column.name, other.name, key.name)


def _closes(new: Relationship, found: Iterable[Relationship]) -> bool:
    """Whether a table would be reached in two ways, or would reach itself; there is one way at most so far."""
    onward: dict[str, list[str]] = {}
    for one in found:
        onward.setdefault(one.from_table, []).append(one.to_table)

    def reached(table: str) -> set[str]:
        return {further for step in onward.get(table, ()) for further in (step, *reached(step))}

    beyond = {new.to_table} | reached(new.to_table)
    before = [table for table in {*onward, new.from_table} if new.from_table in {table} | reached(table)]
    return new.from_table in beyond or any(beyond & reached(table) for table in before)
