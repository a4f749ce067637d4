"""``ifs-bi verify``: what streams have at their source beside what their tables have in the warehouse."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ifs_bi_core.errors import ConfigError, ContractBrokenError
from ifs_bi_core.source_counts import filtered, mapped

from target_looker_warehouse.addresses import check_address, missing_file
from target_looker_warehouse.command.key_differences import key_file
from target_looker_warehouse.command.plain_values import plain
from target_looker_warehouse.command.standing_tables import StandingTables
from target_looker_warehouse.command.trial_balance import compared, lines_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ifs_bi_core.source_counts import Shape, Source

    from target_looker_warehouse.command.key_differences import KeyDifferences
    from target_looker_warehouse.command.standing_tables import StandingTable
    from target_looker_warehouse.command.trial_balance import TrialBalance


@dataclass(frozen=True)
class Verified:
    """What was found out about one stream.

    Attributes:
        stream: its name.
        table: as the warehouse calls it; None where there is none, or nothing was compared.
        source_rows: how many rows it has at the source; None where that is not known.
        rows: how many the table has that are not marked as deleted.
        deleted: how many it has that are.
        balance: the trial balance; None of a stream that has none.
        keys: what is different about keys and versions; None where that was not asked.
        unlike: why amounts and keys were not compared.
        skipped: why nothing was compared, though all is well.
        problem: why something could not be told.
    """

    stream: str
    table: str | None = None
    source_rows: int | None = None
    rows: int = 0
    deleted: int = 0
    balance: TrialBalance | None = None
    keys: KeyDifferences | None = None
    unlike: str | None = None
    skipped: str | None = None
    problem: str | None = None

    @property
    def holds(self) -> bool:
        """Whether both sides are the same, as far as they were to be compared."""
        if self.skipped is not None:
            return True
        same_lines = self.balance is None or not self.balance.differing
        same_keys = self.keys is None or self.keys.hold
        return self.problem is None and self.source_rows == self.rows and same_lines and same_keys


@contextmanager
def standing_tables(config: Mapping[str, Any]) -> Iterator[StandingTables]:
    """The tables that the target's settings lead to.

    Raises:
        ConfigError: the settings lead to no warehouse.
        IfsBiError: it can't be opened.
    """
    address = check_address(config["warehouse_url"], config.get("staging_url"))
    if (file := missing_file(address)) is not None:  # opening it would make an empty one
        raise ConfigError(f"There is no file {file}. Check the setting 'warehouse_url', or run the target first.")
    with closing(address.open()) as connection:
        case = config.get("identifier_case") or connection.dialect.identifier_case
        dialect, schema = replace(connection.dialect, identifier_case=case), config.get("schema")
        yield StandingTables(connection, dialect, dialect.cased(schema) if schema else connection.main_schema)


def verified(
    config: Mapping[str, Any], source: Source, names: Sequence[str] = (), *, keys: bool = False, most: int = 20
) -> list[Verified]:
    """Compare streams with their tables.

    Args:
        config: the target's settings.
        source: what the tap reads.
        names: streams; none: those that were loaded, and those that the tap's settings choose.
        keys: whether to compare keys and versions.
        most: how many keys of each kind of difference to name.

    Raises:
        ConfigError: the settings are wrong, nothing was ever loaded, or the tap has no stream of a name.
        IfsBiError: the source or the warehouse can't be asked.
    """
    for name in names:
        if not source.rows.knows(name):
            raise ConfigError(
                f"The tap has no stream '{name}'. Check the name, or add it to the tap's setting 'entities'."
            )
    with standing_tables(config) as tables:
        streams = list(dict.fromkeys(names)) or sorted({*tables.loaded(), *source.rows.streams()})
        if not streams:
            raise ConfigError(
                "Nothing was loaded yet into this schema. Check warehouse_url and schema, or run the target first."
            )
        return [_Verifying(config, source, tables, stream).verified(most if keys else None) for stream in streams]


class _Verifying:
    """One stream on its two sides."""

    def __init__(self, config: Mapping[str, Any], source: Source, tables: StandingTables, stream: str) -> None:
        self._config = config
        self._source = source
        self._tables = tables
        self._stream = stream

    def verified(self, most: int | None) -> Verified:
        """What was found out; the keys are compared where it is said how many of them to name."""
        found = Verified(self._stream)
        if not self._source.rows.knows(self._stream):
            return replace(found, skipped=f"the tap for {self._source.system} has no stream of that name.")
        try:
            shape = self._source.rows.shape(self._stream)
            if why := self._not_one_each(shape):
                return replace(found, skipped=why)
            found = replace(found, source_rows=self._source.rows.count(self._stream))
            table = self._tables.table(self._stream, shape)
        except ContractBrokenError as error:
            return replace(found, problem=str(error))
        if table is None:
            return found
        rows, deleted = table.rows()
        found = replace(found, table=table.name, rows=rows, deleted=deleted)
        if unlike := mapped(self._config, self._stream) or mapped(self._source.config, self._stream):
            return replace(found, unlike=unlike)
        for part in (self._with_balance, self._with_keys):
            try:
                found = part(found, table, shape, most)
            except ContractBrokenError as error:
                found = replace(found, problem=" ".join(filter(None, (found.problem, str(error)))))
        return found

    def _not_one_each(self, shape: Shape) -> str | None:
        """Why the rows of the table are not one each with those at the source."""
        method = self._config["load_method"]
        if method == "append-only":
            return "with load_method append-only every version of a row is a row."
        if method == "upsert" and not shape.key:
            return "it has no key, so every row that comes is one more."
        return filtered(self._config, self._stream) or filtered(self._source.config, self._stream)

    def _with_balance(self, found: Verified, table: StandingTable, shape: Shape, most: int | None) -> Verified:
        """The trial balance, of what the table has: who leaves out a property has no column of it."""
        del most
        made = lines_of([name for name in shape.properties if table.has(name)])
        if made is None:
            return found
        by, amounts = made
        write = plain([shape.properties[name] for name in by])
        there = table.sums(by, amounts)
        here = self._source.rows.sums(self._stream, by, amounts)
        return replace(found, balance=compared(by, amounts, {write(of): sums for of, sums in here.items()}, there))

    def _with_keys(self, found: Verified, table: StandingTable, shape: Shape, most: int | None) -> Verified:
        if most is None or not shape.key:
            return found
        write = plain([shape.properties[name] for name in shape.key])
        with key_file() as file:
            for page in self._source.rows.keys(self._stream):
                file.add_source((write(key), version) for key, version in page)
            for rows in table.key_pages():
                file.add_warehouse(rows)
            versions = shape.version is not None and table.has(shape.version)
            return replace(found, keys=file.differences(shape.key, most, versions=versions))
