"""The views of one warehouse: made where their tables stand, and made again where a table got another shape.

The table `_ifs_views` says which views are this target's own, and what each was made of. Any other view or table of such a name
belongs to somebody else and stays as it is. A run that changes no table's shape asks for nothing but that table.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from ifs_bi_core.columnar.columns import Column, ColumnType, Kind
from ifs_bi_core.errors import IfsBiError

from target_looker_warehouse import statements
from target_looker_warehouse.tables import table_name
from target_looker_warehouse.views.catalogue import VIEWS
from target_looker_warehouse.views.rendering import Lack, Standing, create_view, drop_view, view_name

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from target_looker_warehouse.dialects.facts import Dialect
    from target_looker_warehouse.tables import ExistingTables
    from target_looker_warehouse.views.catalogue import View
    from target_looker_warehouse.warehouses.connection import Connection

OWN_VIEWS = "_ifs_views"
"""The table that says what views are there, before `Dialect.cased`."""

_COLUMNS = ("view_name", "made_of", "state")
_MADE, _LEFT_OUT = "made", "left out"


class _Kept(NamedTuple):
    """What `_ifs_views` says of a view: what it was made of (nothing: it has to be looked at), and whether it stands."""

    made_of: str
    state: str


_UNKNOWN = _Kept("", _LEFT_OUT)
_SOMEBODY_ELSES = (
    "There is a view or table '%s' that this target did not make. It stays as it is; rename it to get the view that comes with "
    "the target, or set 'views' to false."
)


def columns(dialect: Dialect) -> list[Column]:
    """The columns of `_ifs_views`: view_name, made_of (the view's fingerprint) and state (made or left out)."""
    return [Column(name, dialect.cased(name), ColumnType(Kind.TEXT)) for name in _COLUMNS]


class ViewUpkeep:
    """Keeps the views of one schema.

    Args:
        connection: to the warehouse.
        dialect: the warehouse's, with the case of names in it.
        schema: where tables and views are.
        standing: the tables whose names may be meant by a name; called within a transaction.
    """

    def __init__(
        self, connection: Connection, dialect: Dialect, schema: str, standing: Callable[[str], ExistingTables]
    ) -> None:
        self._connection = connection
        self._dialect = dialect
        self._schema = schema
        self._standing = standing
        self._own = self._qualified(self._dialect.cased(OWN_VIEWS))
        self._view_name, self._made_of, self._state = (self._dialect.quoted(c.name) for c in columns(self._dialect))
        self._known: dict[str, _Kept] | None = None
        self._outdated: set[str] = set()

    def outdate(self, table: str) -> None:
        """See that `keep` looks at the views over a table again, in this run or, should it end before that, in the next one.

        Call it before the table gets another shape.
        """
        names = {view.name for view in self._over(table)} - self._outdated
        self._outdated |= names
        if names and self._known is None:
            self._known = self._read()
        known = [name for name in sorted(names) if (self._known or {}).get(name, _UNKNOWN).made_of]
        if known:
            with self._connection.transaction(f"table {OWN_VIEWS!r}", "be written"):
                text = f"UPDATE {self._own} SET {self._made_of} = '' WHERE {self._named(known)}"  # noqa: S608 - quoted names
                self._connection.write(text, known)

    @contextmanager
    def aside(self, table: str) -> Iterator[None]:
        """Within a transaction, take the views over a table away while its columns change, and make them again.

        Where statements that make views don't belong to transactions, no view stands in the way of its table.
        """
        own = self._own_views() if self._dialect.transactional_ddl else {}
        views = [view for view in self._over(table) if own.get(view.name, _UNKNOWN).state == _MADE]
        granted = {view.name: self._drop(view) for view in views}
        yield
        for view in views:
            statement = create_view(self._place(view), view, self._tables(view, {}), self._dialect)
            if isinstance(statement, Lack):
                self._write({view: _UNKNOWN})
            else:
                self._define(statement, *granted[view.name])

    def keep(self, logger: logging.Logger) -> None:
        """Make the views that are new, or whose tables got another shape. What can't be made is told and tried again."""
        try:
            self._keep(logger)
        except IfsBiError as error:
            logger.warning("The views were not looked at, the tables are loaded: %s", error)

    def _keep(self, logger: logging.Logger) -> None:
        known = self._read()
        own = {view: known.get(view.name, _UNKNOWN) for view in VIEWS}
        due = [v for v, kept in own.items() if v.name in self._outdated or kept.made_of != v.fingerprint]
        if not due:
            return
        statements_of, done = self._looked_at(due, own, logger)
        self._note({view: _Kept("", _MADE) for view in statements_of})  # known as ours before it stands
        for view, statement in statements_of.items():
            try:
                self._make(view, statement, stands=own[view].state == _MADE)
                done[view] = _Kept(view.fingerprint, _MADE)
            except IfsBiError as error:
                logger.warning("The view %s was not made, the tables are loaded: %s", view.name, error)
                done[view] = _Kept("", own[view].state)
        self._note(done)
        self._outdated.clear()

    def _looked_at(
        self, due: Sequence[View], own: Mapping[View, _Kept], logger: logging.Logger
    ) -> tuple[dict[View, str], dict[View, _Kept]]:
        """The statements of the views that can be made, and what is to be said of those that are left out."""
        statements_of: dict[View, str] = {}
        left_out: dict[View, _Kept] = {}
        looked_up: dict[str, Standing | None] = {}
        with self._connection.transaction("views", "be looked up"):
            for view in due:
                statement = create_view(self._place(view), view, self._tables(view, looked_up), self._dialect)
                if isinstance(statement, Lack):
                    logger.info("The view %s is left out: there is no %s", view.name, statement.what)
                    left_out[view] = _Kept(view.fingerprint, own[view].state)
                elif own[view].state != _MADE and view_name(view, self._dialect) in self._standing(view.name):
                    logger.warning(_SOMEBODY_ELSES, view.name)
                else:
                    statements_of[view] = statement
        return statements_of, left_out

    def _make(self, view: View, statement: str, *, stands: bool) -> None:
        try:
            with self._connection.transaction(f"view {view.name!r}", "be made"):
                self._define(statement)
        except IfsBiError:
            if not stands:
                raise
            with self._connection.transaction(
                f"view {view.name!r}", "be made"
            ):  # with other types it can't be replaced
                granted = self._drop(view)
                self._define(statement, *granted)

    def _drop(self, view: View) -> list[str]:
        """Remove a view; what gives others their rights back on one that is made in its place. Within a transaction."""
        grants = self._dialect.grants
        names = [self._schema, view_name(view, self._dialect)]
        granted = [grant for (grant,) in self._connection.query(grants, names)] if grants else []
        self._define(drop_view(self._place(view)))
        return granted

    def _define(self, *texts: str) -> None:
        for text in texts:
            self._connection.define(text)

    def _read(self) -> dict[str, _Kept]:
        with self._connection.transaction(f"table {OWN_VIEWS!r}", "be read"):
            return self._own_views()

    def _own_views(self) -> dict[str, _Kept]:
        """What `_ifs_views` says; within a transaction."""
        text = f"SELECT {self._view_name}, {self._made_of}, {self._state} FROM {self._own}"  # noqa: S608 - quoted names
        return {name: _Kept(made_of, state) for name, made_of, state in self._connection.query(text)}

    def _note(self, kept: Mapping[View, _Kept]) -> None:
        """Say something of views, in one transaction."""
        if kept:
            with self._connection.transaction(f"table {OWN_VIEWS!r}", "be written"):
                self._write(kept)

    def _write(self, kept: Mapping[View, _Kept]) -> None:
        """The same, within a transaction."""
        names = [view.name for view in kept]
        self._connection.write(f"DELETE FROM {self._own} WHERE {self._named(names)}", names)  # noqa: S608 - quoted names
        insert = statements.insert_values(self._own, columns(self._dialect), len(kept), self._dialect)
        self._connection.write(insert, [value for view, each in kept.items() for value in (view.name, *each)])

    def _named(self, names: Sequence[str]) -> str:
        """The rows of views. Parameters: their names."""
        return f"{self._view_name} IN ({', '.join(f'${place}' for place in range(1, len(names) + 1))})"

    def _over(self, table: str) -> list[View]:
        """The views that read a table."""
        return [view for view in VIEWS if any(table_name(s, [table], self._dialect) == table for s in view.streams)]

    def _tables(self, view: View, looked_up: dict[str, Standing | None]) -> dict[str, Standing]:
        """The tables of the view's streams; within a transaction."""
        for stream in view.streams - looked_up.keys():
            found = self._standing(stream)
            name = table_name(stream, found, self._dialect)
            looked_up[stream] = Standing(self._qualified(name), found[name]) if name in found else None
        return {stream: standing for stream in view.streams if (standing := looked_up[stream])}

    def _place(self, view: View) -> str:
        return self._qualified(view_name(view, self._dialect))

    def _qualified(self, name: str) -> str:
        return self._dialect.qualified(*self._connection.inside, self._schema, name)
