"""A desk at which the group's data is changed: one write transaction at one instant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from ifs_bi_sandbox.data import clock
from ifs_bi_sandbox.data.business.books import Books, Moment
from ifs_bi_sandbox.data.business.chart import Codes
from ifs_bi_sandbox.data.business.dice import Dice
from ifs_bi_sandbox.data.business.group import COMPANIES, COUNTRIES, Company, Site
from ifs_bi_sandbox.data.business.partners import Partner
from ifs_bi_sandbox.data.tables import Table, row_version, table

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from ifs_bi_sandbox.data.values import Row, Stored

RECENT = 200  # changes pick their row among so many of the youngest that fit


class NothingToChangeError(ValueError):
    """No row is in the state that a change needs."""


@dataclass(frozen=True)
class Desk:
    """Reads and changes rows; every change moves the row version, and the table's modified column, to ``at``."""

    connection: sqlite3.Connection
    at: str
    dice: Dice

    @classmethod
    def open(cls, connection: sqlite3.Connection, at: str | None = None, seed: int = 1) -> Desk:
        """A desk at the given or the next instant, within a transaction of the caller."""
        instant = clock.tick(connection, at)
        return cls(connection, instant, Dice(f"{seed} {instant}"))

    @property
    def today(self) -> date:
        """The day of the change."""
        return date.fromisoformat(self.at[:10])

    @property
    def moment(self) -> Moment:
        """Today, and the instant of the change."""
        return Moment(self.today, self.at)

    @property
    def books(self) -> Books:
        """The books, as of today."""
        return Books(lambda name, row, _: self.insert(name, row), self.number, self.today)

    def number(self, series: str) -> int:
        """The next number of a series."""
        return clock.number(self.connection, series)

    def insert(self, name: str, row: Row) -> None:
        """Add a row; ValueError when its values don't fit or its key is taken."""
        target = table(name)
        values = target.stored(row, self.at)
        if self._find(target, row):
            raise ValueError(f"{name} has a row {_key(target, row)} already")
        self.connection.execute(target.insertion, values)

    def update(self, name: str, key: Mapping[str, Any], values: Row) -> None:
        """Change columns of a row; ValueError when there is no such row, or a value doesn't fit or belongs to the key."""
        target = table(name)
        moving = {**values, target.modified: self.at} if target.modified else values
        target.check_names(moving)
        if moving.keys() & set(target.key):
            raise ValueError(
                f"{name}: the key {', '.join(target.key)} of a row never changes; delete it and insert another"
            )
        stored = {column: target.storing[column](value) for column, value in moving.items()}
        stored["_rowversion"] = row_version(self.at)
        assignments = ", ".join(f'"{column}" = ?' for column in stored)
        self._one(target, key, f'UPDATE "{name}" SET {assignments}', tuple(stored.values()))  # noqa: S608 - names of our own facts

    def delete(self, name: str, key: Mapping[str, Any]) -> None:
        """Remove a row; ValueError when there is no such row."""
        self._one(table(name), key, f'DELETE FROM "{name}"')  # noqa: S608 - the same

    def row(self, name: str, key: Mapping[str, Any]) -> Row:
        """One row by its key; ValueError when there is no such row."""
        target = table(name)
        found = self._find(target, key)
        if not found:
            raise _missing(target, key)
        return found

    def rows(self, name: str, **equal: Any) -> list[Row]:
        """The rows whose columns have these values, in the order of the key."""
        target = table(name)
        order = ", ".join(f'"{column}"' for column in target.key)
        condition = " AND ".join(f'"{column}" = ?' for column in equal) or "TRUE"
        statement = f"{target.select} WHERE {condition} ORDER BY {order}"
        return [target.loaded(raw) for raw in self.connection.execute(statement, tuple(equal.values()))]

    def pick(self, name: str, what: str, states: Sequence[str] = (), **equal: Any) -> Row:
        """One of the youngest rows with these values and one of these states; NothingToChangeError when there is none.

        ``what`` says in the error what was looked for.
        """
        target = table(name)
        conditions = [f'"{column}" = ?' for column in equal]
        if states:
            conditions.append(f'"Objstate" IN ({", ".join("?" for _ in states)})')
        statement = f'{target.select} WHERE {" AND ".join(conditions) or "TRUE"} ORDER BY "_rowid" DESC LIMIT {RECENT}'
        found = self.connection.execute(statement, (*equal.values(), *states)).fetchall()
        if not found:
            raise NothingToChangeError(f"there is no {what}")
        return target.loaded(self.dice.pick(found))

    def company(self, code: str) -> Company:
        """The legal entity of that code; ValueError when it is none of the group's."""
        for company in COMPANIES:
            if company.code == code:
                return company
        raise ValueError(f"there is no company {code}; there are {', '.join(each.code for each in COMPANIES)}")

    def place(self) -> tuple[Company, Site]:
        """A company and one of its sites."""
        return self.dice.pick([(company, site) for company in COMPANIES for site in company.sites])

    def supplier(self, identity: str | None = None) -> Partner:
        """The supplier of that identity, or one of them."""
        row = (
            self.row("supplier_info", {"SupplierId": identity}) if identity else self.pick("supplier_info", "supplier")
        )
        return _partner(row["SupplierId"], row["Name"], row["CountryDb"])

    def customer(self, identity: str | None = None) -> Partner:
        """The customer of that identity, or one of them."""
        row = (
            self.row("customer_info", {"CustomerId": identity}) if identity else self.pick("customer_info", "customer")
        )
        return _partner(row["CustomerId"], row["Name"], row["CountryCode"])

    def codes(self, company: str) -> Codes:
        """The code part values of a company."""
        values = {
            part: tuple(
                row["CodePartValue"] for row in self.rows("accounting_code_part_value", Company=company, CodePart=part)
            )
            for part in "BF"
        }
        if not values["B"]:
            raise ValueError(f"company {company} has no cost centres (code part B) to book on")
        return Codes(cost_centres=values["B"], projects=values["F"])

    def _find(self, target: Table, key: Mapping[str, Any]) -> Row | None:
        statement = f"{target.select} WHERE {_condition(target)}"
        raw = self.connection.execute(statement, _values(target, key)).fetchone()
        return target.loaded(raw) if raw else None

    def _one(self, target: Table, key: Mapping[str, Any], statement: str, values: tuple[Stored, ...] = ()) -> None:
        cursor = self.connection.execute(f"{statement} WHERE {_condition(target)}", (*values, *_values(target, key)))
        if not cursor.rowcount:
            raise _missing(target, key)


def _partner(identity: str, name: str, country: str | None) -> Partner:
    return Partner(identity, name, COUNTRIES.get(country or "", COMPANIES[0].country))


def _condition(target: Table) -> str:
    return " AND ".join(f'"{column}" = ?' for column in target.key)


def _values(target: Table, key: Mapping[str, Any]) -> tuple[Stored, ...]:
    missing = [column for column in target.key if column not in key]
    if missing:
        raise ValueError(f"{target.name}: its key is {', '.join(target.key)}; {', '.join(missing)} is missing")
    return tuple(target.storing[column](key[column]) for column in target.key)


def _key(target: Table, row: Mapping[str, Any]) -> str:
    return ", ".join(f"{column}={row[column]}" for column in target.key)


def _missing(target: Table, key: Mapping[str, Any]) -> ValueError:
    return ValueError(f"{target.name} has no row {_key(target, key)}")
