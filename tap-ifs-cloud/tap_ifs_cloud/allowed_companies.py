"""Which companies the service user sees: IFS Cloud answers with no rows, and no error, for those that it doesn't."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ifs_bi_core.errors import IfsBiError

from tap_ifs_cloud.set_rows import all_rows

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager

    from tap_ifs_cloud.client import IfsCloud
    from tap_ifs_cloud.entities import Entity
    from tap_ifs_cloud.metadata import Property

COMPANIES = "companies"
"""The entity whose set lists the companies."""

WHERE = "in IFS Cloud, under Allowed Companies of the client's service user"
"""What to tell an administrator."""


def visible_companies(
    cloud: IfsCloud, service: str, entity: Entity, key: Sequence[Property], page_size: int, column: str | None = None
) -> list[str]:
    """The companies that the user sees, sorted.

    Args:
        cloud: the system.
        service: address of the projection.
        entity: the one called `COMPANIES`, as it is configured.
        key: of its set.
        page_size: rows to ask for a page.
        column: the property that names the company; default: the entity's own.

    Raises:
        IfsBiError: the set can't be read.
    """
    column = column or entity.company or key[0].name
    rows = all_rows(cloud, service, entity.entity_set, key, page_size, (column,))
    return sorted({str(row[column]) for row in rows if row.get(column) is not None})


def missing_companies(setting: Iterable[Any], visible: Iterable[str]) -> list[str]:
    """Those of the setting ``companies`` that the user doesn't see."""
    seen = set(visible)
    return [company for company in dict.fromkeys(map(str, setting)) if company not in seen]


class AllowedCompanies:
    """What a run knows of the companies that the user sees; it asks once, when that is first of use.

    Args:
        ask: reads them.
        setting: the setting ``companies``.
        log: where the answer is told.
    """

    def __init__(self, ask: Callable[[], list[str]], setting: Iterable[Any], log: logging.Logger) -> None:
        self._ask = ask
        self._setting = tuple(map(str, setting))
        self._log = log
        self._is_asked = False
        self._visible: list[str] | None = None

    def sees(self, company: str) -> bool | None:
        """Whether the user sees a company; None where that is not known."""
        return None if self._visible is None else company in self._visible

    def visible(self) -> list[str]:
        """All that the user sees.

        Raises:
            IfsBiError: that can't be found out.
        """
        if self._visible is None:
            self._is_asked = True
            self._visible = self._ask()
        return self._visible

    def check(self, away: Callable[[], AbstractContextManager[None]] | None = None) -> None:
        """Say which of the companies that are wanted the user does not see; once in a run.

        Args:
            away: what the answer is waited for in, where other streams are read at the same time.
        """
        if self._is_asked:
            return
        self._is_asked = True  # before anybody else has the turn
        try:
            if away is None:
                self._visible = self._ask()
            else:
                with away():
                    self._visible = self._ask()
        except IfsBiError as error:
            self._log.info(
                "Which companies the service user may see is not known, since CompanySet can't be read. %s", error
            )
            return
        for company in missing_companies(self._setting, self._visible):
            self._log.warning(
                "The service user does not see company %s of the setting `companies`, so what belongs to it reads as empty. Add "
                "it %s, or take it out of the setting.",
                company,
                WHERE,
            )
        if not self._visible:
            self._log.warning(
                "The service user sees no company, so whatever belongs to one reads as empty. Give it companies %s.",
                WHERE,
            )
