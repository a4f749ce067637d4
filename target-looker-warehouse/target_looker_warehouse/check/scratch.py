"""The schema in which `ifs-bi warehouse-check` works: made anew, filled by the target, read back, dropped."""

from __future__ import annotations

import io
import json
import logging
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ifs_bi_core.columnar.columns import Kind
from ifs_bi_core.errors import ConfigError

from target_looker_warehouse.addresses import check_address
from target_looker_warehouse.command.plain_values import plain
from target_looker_warehouse.names import later_columns, names_for, suffixed
from target_looker_warehouse.target import TargetLookerWarehouse

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import FrameType

    from ifs_bi_core.errors import ExitCode

    from target_looker_warehouse.check.step import Row, Step
    from target_looker_warehouse.dialects.facts import Dialect
    from target_looker_warehouse.warehouses.connection import Connection

_KEPT_SETTINGS = ("warehouse_url", "staging_url", "identifier_case")
"""What of the target's settings says which warehouse it is and how; the rest is the check's own."""

_AS_PROPERTY: Mapping[Kind, Mapping[str, Any]] = {
    Kind.BOOLEAN: {"type": "boolean"},
    Kind.INTEGER: {"type": "integer"},
    Kind.DECIMAL: {"type": "number"},
    Kind.DATE: {"type": "string", "format": "date"},
}
"""Properties whose values `plain` writes as the columns' are to be written; those of all other kinds are texts."""


class _Run(TargetLookerWarehouse):
    """The target within this process."""

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        del signum, frame
        raise KeyboardInterrupt


class _Heard(logging.Handler):
    """What the target warns of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


class Scratch:
    """A schema that is there for one check.

    Args:
        config: the target's settings.
        schema: its name.
        folder: where the target keeps its state meanwhile.

    Attributes:
        name: the schema's, as the warehouse spells it.
        made: whether the schema is this check's own; also where nobody waited for the answer of the warehouse.
        streams: those that were loaded.

    Raises:
        ConfigError: the settings name no warehouse, or it can't be opened.
        IfsBiError: it can't be asked.
    """

    def __init__(self, config: Mapping[str, Any], schema: str, folder: Path) -> None:
        self._config = {name: config[name] for name in _KEPT_SETTINGS if config.get(name)}
        self._address = check_address(self._config["warehouse_url"], self._config.get("staging_url"))
        self._folder = folder
        self._schema = schema
        self.made = False
        self.streams: dict[str, None] = {}
        with self.connection() as connection:
            self.dialect = replace(
                connection.dialect, identifier_case=config.get("identifier_case") or connection.dialect.identifier_case
            )
            self.name = self.dialect.cased(schema)
            self.inside = connection.inside

    @property
    def destination(self) -> str:
        """The warehouse, without secrets."""
        return self._address.destination

    @property
    def config(self) -> dict[str, Any]:
        """The settings that lead into the schema."""
        return self._config | {"schema": self._schema, "state_dir": str(self._folder)}

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection of its own."""
        with closing(self._address.open()) as connection:
            yield connection

    def make(self) -> None:
        """Make the schema.

        Raises:
            ConfigError: there is one of that name, or this user may not make it.
            IfsBiError: it can't be made.
        """
        with self.connection() as connection, connection.transaction(f"schema {self.name!r}", "be made"):
            if connection.query(self.dialect.schemas, [self.name]):
                raise ConfigError(
                    f"There is a schema {self.name!r} in {self.destination}, and this check drops the one it works in. Give a "
                    f"name with --schema that nothing has, or none."
                )
            self.made = True
            try:
                connection.define(f"CREATE SCHEMA {self.qualified()}")
            except Exception:
                self.made = False
                raise

    def drop(self) -> None:
        """Drop the schema with all that is in it.

        Raises:
            IfsBiError: it can't be dropped.
        """
        with self.connection() as connection, connection.transaction(f"schema {self.name!r}", "be dropped"):
            connection.define(self.drop_statement)

    @property
    def drop_statement(self) -> str:
        """What drops the schema."""
        return f"DROP SCHEMA IF EXISTS {self.qualified()} CASCADE"

    def qualified(self, *table: str) -> str:
        """The schema, or a table in it, as SQL text."""
        return self.dialect.qualified(*self.inside, self.name, *table)

    def feed(self, lines: Sequence[str], **settings: Any) -> tuple[ExitCode, list[str]]:
        """Run the target over lines.

        Args:
            lines: that it reads.
            settings: beside those that lead into the schema. Views are off.

        Returns:
            How it ended, and what it warned of.

        Raises:
            IfsBiError: it failed.
        """
        self.streams |= {json.loads(line)["stream"]: None for line in lines if line.startswith('{"type": "SCHEMA"')}
        with _heard() as heard:
            target = _Run(config=self.config | {"views": False} | settings)
            try:
                with target.account.closing(target.exit_code):
                    target.listen(io.BytesIO("".join(f"{line}\n" for line in lines).encode()))  # type: ignore[arg-type]
            finally:
                target.close()
        return target.exit_code(), heard.said

    def make_strict(self, stream: str) -> None:
        """Make a table as somebody else might: its column ``x`` takes no null."""
        text, (key, column) = self.dialect.types[Kind.TEXT], map(self.dialect.quoted, map(self.dialect.cased, "kx"))
        with self.connection() as connection, connection.transaction(f"table {stream!r}", "be made"):
            connection.define(
                f"CREATE TABLE {self.qualified(self.dialect.cased(stream))} ({key} {text}, {column} {text} NOT NULL)"
            )

    def tables(self, connection: Connection) -> list[str]:
        """The names of all tables and views of the schema; within a transaction."""
        statement = self.dialect.tables_of_schema
        parameters = [] if "{schema}" in statement else [self.name]
        return [row[0] for row in connection.query(statement.replace("{schema}", self.qualified()), parameters)]

    def rows(self, step: Step) -> dict[str, list[Row]]:
        """What the tables of a step's streams hold.

        Returns:
            By stream, its rows in the order of their text; columns of no property that is expected under their own names.
        """
        with self.connection() as connection, connection.transaction("the tables", "be read"):
            named = names_for(step.tables, self.tables(connection), self.dialect)
            found = {}
            for stream, expected in step.tables.items():
                columns = self._columns(connection, named[stream])
                reading = _Reading(connection, self.dialect, columns, expected, step.beside)
                found[stream] = reading.rows(self.qualified(named[stream])) if columns else []
            return found

    def streams_tables(self, standing: Collection[str]) -> set[str]:
        """Which of the tables that stand are those of streams."""
        own = {self.dialect.folded(self.dialect.cased(stream)) for stream in self.streams}
        other = {suffixed(stream, self.dialect) for stream in self.streams}
        return {name for name in standing if self.dialect.folded(name) in own or name in other}

    def _columns(self, connection: Connection, table: str) -> dict[str, str]:
        found = connection.query(self.dialect.columns_of_tables, [self.name, table, table])
        return {column: type_name for name, column, type_name in found if name == table}


class _Reading:
    """How the rows of one table are read."""

    def __init__(
        self,
        connection: Connection,
        dialect: Dialect,
        columns: Mapping[str, str],
        expected: Sequence[Row],
        beside: Collection[str],
    ) -> None:
        self._connection = connection
        self._dialect = dialect
        self._columns = columns
        self._kinds = {
            name: held.kind for name, type_name in columns.items() if (held := dialect.column_type(type_name))
        }
        self._expected = expected
        self._properties = self._named(beside)

    def _named(self, beside: Collection[str]) -> dict[str, str]:
        """The properties that columns hold."""
        sources = dict.fromkeys(name for row in self._expected for name in row)
        named = names_for(sources, self._columns, self._dialect, system=self._dialect.system_columns)
        found = {column: source for source, column in named.items()}
        for source in beside:
            found |= dict.fromkeys(later_columns(named[source], self._columns, self._dialect), source)
        return found

    def rows(self, table: str) -> list[Row]:
        """The rows, values by property."""
        parameters: list[str] = []
        shown = [self._shown(column, parameters) for column in self._columns]
        writers = [_writer(self._kinds.get(column, Kind.TEXT)) for column in self._columns]
        found = self._connection.query(f"SELECT {', '.join(shown)} FROM {table}", parameters)  # noqa: S608 - quoted names
        rows = (
            {
                self._properties.get(column, column): writer(value)
                for column, writer, value in zip(self._columns, writers, row, strict=True)
                if value is not None
            }
            for row in found
        )
        return sorted(rows, key=repr)

    def _shown(self, column: str, parameters: list[str]) -> str:
        """The SQL for a column's values, whose parameters are added.

        Instants are compared in the warehouse, since drivers and casts write them in the zone and with the places that a session
        asks for; JSON is told as text, since drivers read its numbers.
        """
        name, kind = self._dialect.quoted(column), self._kinds.get(column)
        if kind is Kind.JSON:
            return f"CAST({name} AS {self._dialect.types[Kind.TEXT]})"
        if kind is not Kind.TIMESTAMP:
            return name
        source, text = self._properties.get(column, column), self._dialect.types[Kind.TEXT]
        cases = []
        for moment in dict.fromkeys(row[source] for row in self._expected if source in row):
            parameters += [moment.replace("Z", "+00:00"), moment]
            place = len(parameters)
            cases.append(
                f"WHEN {name} = CAST(${place - 1} AS {self._dialect.types[Kind.TIMESTAMP]}) THEN CAST(${place} AS {text})"
            )
        return f"CASE WHEN {name} IS NULL THEN NULL {' '.join(cases)} ELSE CAST({name} AS {text}) END"


def _writer(kind: Kind) -> Callable[[Any], str]:
    if kind not in _AS_PROPERTY:
        return str
    write = plain([_AS_PROPERTY[kind]])
    return lambda value: write([value])[0] or ""


@contextmanager
def _heard() -> Iterator[_Heard]:
    """What is logged meanwhile, and nowhere else: the outcome of a step is all that people are to read."""
    root, heard = logging.getLogger(), _Heard()
    before, root.handlers = root.handlers, [heard]
    try:
        yield heard
    finally:
        root.handlers = before
