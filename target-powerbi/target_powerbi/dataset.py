"""The push dataset of a run: found or made, and each table's columns checked before its first row.

A dataset is made with all of its tables, since the API can't add one later. So while it is absent, rows are kept and nothing is
sent; at the end of the input, when every SCHEMA is known, it is made. No dataset and no table is ever dropped here: after
October 2027 Microsoft will not let anybody make them again.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from ifs_bi_core.errors import ConfigError, ContractBrokenError, OutcomeUnknownError

from target_powerbi.limits import LIMITS
from target_powerbi.relationships import relationships_of
from target_powerbi.schema_check import SchemaCheck

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_powerbi.api import Dataset, PowerBI
    from target_powerbi.kept import Kept
    from target_powerbi.settings import Settings
    from target_powerbi.tables import Table


def named(datasets: Iterable[Dataset], name: str) -> Dataset | None:
    """The dataset of that name; None where there is none.

    Raises:
        ConfigError: two have the name.
    """
    found = [dataset for dataset in datasets if dataset.name == name]
    if len(found) > 1:
        ids = ", ".join(dataset.id for dataset in found)
        raise ConfigError(
            f"The workspace has {len(found)} datasets called '{name}': {ids}. Set dataset_id to the one that is meant instead of "
            f"dataset_name, or delete the others."
        )
    return found[0] if found else None


class PushDataset:
    """The dataset that a run delivers to.

    Args:
        settings: which one, and what may be done to it.
        api: its workspace.
        kept: what is known of it.

    Attributes:
        id: its id; None while it is absent.
    """

    def __init__(self, settings: Settings, api: PowerBI, kept: Kept) -> None:
        self.id: str | None = None
        self._settings = settings
        self._api = api
        self._kept = kept
        self._tables = SchemaCheck(settings, api, kept)
        self._names: frozenset[str] = frozenset()
        self._log = logging.getLogger(__name__)

    def find(self) -> None:
        """Look the dataset up, and make the tables right that are kept but not known to it.

        Raises:
            ConfigError: it is none to push to, there are two of its name, or it is absent and may not be made.
            ContractBrokenError: it lacks tables of kept rows.
        """
        if self._kept.dataset_id is None and not self._kept.creating:
            self._kept.clear()  # a first run that ended early: its rows come again, since its state did not move
        found = self._look_up()
        if found is None:
            self._expect_creation()
            return
        if not found.push:
            raise ConfigError(
                f"Dataset '{found.name}' ({found.id}) was not made for pushing: one that was published from a file takes no "
                f"rows. Name another one, or a dataset_name that does not exist yet."
            )
        if self._settings.dataset_name and found.name != self._settings.dataset_name:
            self._log.warning("The dataset %s is now called '%s' in Power BI.", self._settings.dataset, found.name)
        self.id = found.id
        self._names = frozenset(self._api.tables(found.id))
        if self._kept.creating:
            self._kept.created(found.id)  # the answer to its creation was lost
        else:
            self._kept.adopt(found.id)
        untold = [kept.table for kept in self._kept.tables().values() if not kept.defined]
        self._require(untold)
        for table in untold:
            self._tables.tell(found.id, table)

    def _look_up(self) -> Dataset | None:
        if self._settings.dataset_id:
            return self._api.dataset(self._settings.dataset_id)
        found = named(self._api.datasets(), self._settings.dataset_name or "")
        if found is None and self._kept.dataset_id is not None:
            with suppress(ConfigError):  # no such dataset: it is gone indeed, and was not just renamed
                return self._api.dataset(self._kept.dataset_id)
        return found

    def _expect_creation(self) -> None:
        if not self._settings.manage_schema:
            raise ConfigError(
                f"The workspace has no dataset {self._settings.dataset}, and manage_schema is off. Check dataset_name, or switch "
                f"manage_schema on to have it made."
            )
        if self._kept.dataset_id is None:
            self._kept.clear()
        else:
            self._kept.lose()
            self._log.warning(
                "The dataset %s is gone from the workspace. It is made again at the end of this run, from the kept rows.",
                self._settings.dataset,
            )

    def check(self, table: Table) -> Table:
        """The table as rows can go to it: checked before the first one, and Power BI is told what is new about it.

        Raises:
            ConfigError: two streams have the same table.
            ContractBrokenError: the dataset lacks the table, or the table does not fit (`target_powerbi.schema_check`).
        """
        if self.id is not None:
            self._require([table])
        return self._tables.agree(table, self.id)

    def _require(self, tables: Iterable[Table]) -> None:
        missing = [table for table in tables if table.name not in self._names]
        if missing:
            names = ", ".join(f"'{table.name}' (stream {table.stream})" for table in missing)
            raise ContractBrokenError(
                f"The dataset {self._settings.dataset} has no table {names}, and Power BI can't add a table to a push dataset. "
                f"Either set another dataset_name, which makes a new dataset with all tables, or leave the stream out "
                f"(deselect it in the tap)."
            )

    def create(self) -> str:
        """Make the dataset with all tables that are kept; its id.

        Raises:
            ConfigError: there are more tables than a dataset may have, or a relationship of the settings can't be.
            OutcomeUnknownError: whether it was made is not known; the next start finds out.
        """
        name = self._settings.dataset_name or ""
        tables = {stream: kept.table for stream, kept in self._kept.tables().items()}
        if len(tables) > LIMITS.tables_per_dataset:
            raise ConfigError(
                f"{len(tables)} streams are {len(tables)} tables, and a push dataset has at most {LIMITS.tables_per_dataset}. "
                f"Leave some out, or deliver them to another dataset_name."
            )
        for stream, table in tables.items():  # now that all of them are known
            tables[stream] = self._tables.described(table, tables)
            if tables[stream] != table:
                self._kept.define(tables[stream], defined=False)
        relationships = relationships_of(tables, self._settings)
        self._log.info(
            "Making dataset '%s' with %d tables and %d relationships.", name, len(tables), len(relationships)
        )
        self._kept.begin_creation()
        try:
            made = self._api.create(
                name,
                [table.definition() for table in tables.values()],
                [relationship.definition(number) for number, relationship in enumerate(relationships, 1)],
                retention=self._settings.retention_policy,
            )
        except OutcomeUnknownError as error:
            found = named(self._api.datasets(), name)
            if found is None:
                raise OutcomeUnknownError(
                    f"{error} No dataset of that name is there yet. Run again in some minutes."
                ) from None
            made = found.id
        self._kept.created(made)
        self.id = made
        return made
