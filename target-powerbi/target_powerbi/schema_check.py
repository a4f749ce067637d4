"""Whether a table of an existing dataset can take rows as the SCHEMA has them: checked before the first row.

What the table has is known from the kept definition, which is what the last run told Power BI; where nothing is kept, queries
show what they can. A column that is new is added, or what `on_missing_column` says. A column that changed its type or is gone
stops the run: Power BI can't mend it, and no table is ever dropped.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ifs_bi_core.errors import ConfigError, ContractBrokenError

from target_powerbi.differences import difference, difference_table
from target_powerbi.kept import Status
from target_powerbi.measures import with_measures
from target_powerbi.probe import columns_shown
from target_powerbi.tables import BATCH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_powerbi.api import PowerBI
    from target_powerbi.kept import Kept, KeptTable
    from target_powerbi.settings import Settings
    from target_powerbi.tables import Column, Table


class SchemaCheck:
    """Checks the tables of one run.

    Args:
        settings: what may be done.
        api: the workspace.
        kept: what is known.
    """

    def __init__(self, settings: Settings, api: PowerBI, kept: Kept) -> None:
        self._settings = settings
        self._api = api
        self._kept = kept
        self._log = logging.getLogger(__name__)

    def agree(self, table: Table, dataset_id: str | None) -> Table:
        """The table as rows can go to it from now on; Power BI is told what is new about it, and it is kept.

        Args:
            table: as the SCHEMA and the settings have it.
            dataset_id: of its dataset; None while that is absent.

        Raises:
            ConfigError: two streams have one table or one measure.
            ContractBrokenError: a column changed its type or is gone, one is missing and may not be added, or the table holds
                rows that nothing is known of.
        """
        tables = {stream: kept.table for stream, kept in self._kept.tables().items()}
        self._refuse_twins(table, tables)
        kept = self._kept.table(table.stream)
        if kept is not None:
            return self._evolve(kept, table, tables, dataset_id)
        if dataset_id is None:
            table = self.described(table, tables)
            self._kept.define(table, defined=False, status=Status.PENDING)
            return table
        status = self._status_of_unknown(dataset_id, table)
        table = self.described(self._as_shown(dataset_id, table, status), tables)
        self.tell(dataset_id, table)
        self._kept.define(table, defined=True, status=status)
        return table

    def described(self, table: Table, tables: Mapping[str, Table]) -> Table:
        """The table with the measures that the model has for it, among the tables of the dataset."""
        if not self._settings.model:
            return replace(table, measures=tuple(measure for measure in table.measures if not measure.shipped))
        among = {**tables, table.stream: table}
        return replace(table, measures=with_measures(table, among, self._settings.write_mode))

    def tell(self, dataset_id: str, table: Table) -> None:
        """Tell Power BI how the table is defined, where that may be."""
        if self._settings.manage_schema:
            self._api.put_table(dataset_id, table.definition())
            self._kept.define(table, defined=True)

    def _refuse_twins(self, table: Table, tables: Mapping[str, Table]) -> None:
        own = {measure.name.casefold(): measure.name for measure in table.measures}
        for stream, other in tables.items():
            if stream == table.stream:
                continue
            if other.name.casefold() == table.name.casefold():
                raise ConfigError(
                    f"The streams {stream} and {table.stream} would both go to table '{table.name}'. Give one of them another "
                    f"with tables.<stream>.table."
                )
            twins = [own[measure.name.casefold()] for measure in other.measures if measure.name.casefold() in own]
            if twins and not all(measure.shipped for measure in other.measures if measure.name.casefold() in own):
                raise ConfigError(
                    f"The streams {stream} and {table.stream} both have a measure '{twins[0]}', and a dataset has one of a name. "
                    f"Rename one in tables.<stream>.measures."
                )

    def _evolve(self, kept: KeptTable, table: Table, tables: Mapping[str, Table], dataset_id: str | None) -> Table:
        now, name = kept.table, table.name
        if now.name != name or now.keys != table.keys:
            what = f"table '{now.name}'" if now.name != name else f"the key {', '.join(now.keys) or 'none'}"
            to_be = f"table '{name}'" if now.name != name else f"the key {', '.join(table.keys) or 'none'}"
            raise ContractBrokenError(
                f"{table.stream}: its rows are kept under {what}, and now it has {to_be}. Set it back, or set another "
                f"dataset_name and run once with a full refresh."
            )
        table = self.described(self._settled(now, table, there=dataset_id is not None), tables)
        if dataset_id is not None and now.definition() != table.definition():
            self.tell(dataset_id, table)
        if now != table:
            self._kept.define(table, defined=kept.defined)
        return table

    def _settled(self, now: Table, table: Table, *, there: bool) -> Table:
        """What of a table can be, given what it is now; ``there``: Power BI has it."""
        change = difference(now, table)
        if change.broken:
            raise ContractBrokenError(
                f"{table.stream}: the SCHEMA no longer fits table '{table.name}' of dataset {self._settings.dataset}, and Power "
                f"BI can't change or drop a column that holds rows:\n{difference_table(change.broken)}\nSet the type or name in "
                f"tables.{table.stream}.columns so that it fits, or set another dataset_name and run once with a full refresh."
            )
        if not there:
            return table
        if BATCH in change.added and not self._settings.manage_schema:
            self._log.info(
                "Table '%s' has no column %s, and manage_schema is off: Power BI can't be asked whether an unanswered request "
                "arrived.",
                table.name,
                BATCH.name,
            )
            table = replace(table, technical=tuple(column for column in table.technical if column != BATCH))
        return self._without_missing(table, tuple(column for column in change.added if column != BATCH))

    def _without_missing(self, table: Table, missing: tuple[Column, ...]) -> Table:
        """The table as it may be: missing columns are added, left out, or stop the run."""
        names = ", ".join(column.name for column in missing)
        policy, stream = self._settings.on_missing_column, table.stream
        if not missing or (policy == "add" and self._settings.manage_schema):
            return table
        if policy == "drop":
            self._log.warning(
                "%s: table '%s' has no column %s, and on_missing_column is drop: left out.", stream, table.name, names
            )
            columns = tuple(column for column in table.columns if column not in missing)
            if columns and not set(table.technical) & set(missing):
                return replace(table, columns=columns)
        why = f"on_missing_column is {policy}" if self._settings.manage_schema else "manage_schema is off"
        mend = "Switch it on" if not self._settings.manage_schema else "Set on_missing_column to add"
        raise ContractBrokenError(
            f"{stream}: table '{table.name}' has no column {names}, and {why}. {mend}, or leave the columns out with "
            f"tables.{stream}.columns.<property>.drop."
        )

    def _status_of_unknown(self, dataset_id: str, table: Table) -> Status:
        """The status of a table that the dataset has and nothing is kept of: it has to be empty, or may be emptied."""
        if self._settings.replace_unknown_rows:
            return Status.PENDING
        count = self._api.count_rows(dataset_id, table.name)
        if count == 0:
            return Status.CLEAN
        holds = "may hold rows (Power BI does not tell how many)" if count is None else f"holds {count:,} rows"
        raise ContractBrokenError(
            f"{table.stream}: table '{table.name}' {holds} that this target has no record of in {self._kept.path}. If that file "
            f"was lost, restore it: without it rows would be doubled. If the rows may go, run once with the tap's full "
            f"refresh and replace_unknown_rows: true."
        )

    def _as_shown(self, dataset_id: str, table: Table, status: Status) -> Table:
        """What of a table can be, given what queries show of it.

        An empty table that may be defined anew needs no question: its definition brings all that it lacks.
        """
        settings = self._settings
        may_define = settings.manage_schema and settings.on_missing_column == "add"
        if status is Status.CLEAN and may_define:
            return table

        def ask(query: str) -> list[dict[str, Any]]:
            return self._api.query(dataset_id, query, operation=f"columns of table '{table.name}'")

        shown = columns_shown(table, ask)
        if shown is None:
            self._log.warning(
                "%s: Power BI does not tell which columns table '%s' has; it is taken to have all of them.",
                table.stream,
                table.name,
            )
            return table
        if not settings.manage_schema:  # what the SCHEMA does not have stays blank
            wanted = {column.name for column in table.all_columns}
            shown = tuple(column for column in shown if column.name in wanted)
        return self._settled(replace(table, columns=shown, technical=()), table, there=True)
