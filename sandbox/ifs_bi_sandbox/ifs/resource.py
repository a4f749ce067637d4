"""From a path to the rows it means: an entity set, one entity of it, or what a navigation property leads to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ifs_bi_sandbox.ifs.errors import OdpError, bad_request
from ifs_bi_sandbox.ifs.filter import Condition
from ifs_bi_sandbox.ifs.layout import quoted
from ifs_bi_sandbox.ifs.path import Segment, key_condition
from ifs_bi_sandbox.ifs.rows import Expanded

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from ifs_bi_sandbox.data.model import Reference
    from ifs_bi_sandbox.ifs.catalogue import Service
    from ifs_bi_sandbox.ifs.layout import Layout
    from ifs_bi_sandbox.ifs.query import Expansion


@dataclass(frozen=True)
class Resource:
    """What a path means.

    Attributes:
        layout: The entity set its rows are of.
        where: The conditions that the path puts on them, with the table's alias ``m``.
        single: Whether it is one entity.
        path: The path below the service root, decoded.
        rest: Segments that follow, such as ``$count`` or an action.
        may_be_absent: Whether no row is an empty answer (a reference that leads nowhere), not a missing resource.
        is_direct: Whether it is the set itself or a row by its key, which alone can be written.
    """

    layout: Layout
    where: tuple[Condition, ...]
    single: bool
    path: str
    rest: tuple[Segment, ...] = ()
    may_be_absent: bool = False
    is_direct: bool = True


@dataclass(frozen=True)
class Reach:
    """Finds resources of one service, within the companies that the user is allowed."""

    service: Service
    companies: Sequence[str] | None  # None: all

    def allowed(self, layout: Layout, alias: str = "m", *, indexed: bool = True) -> tuple[Condition, ...]:
        """The condition that leaves rows of allowed companies alone.

        Args:
            layout: The entity set.
            alias: Its table's alias.
            indexed: Whether SQLite may choose an index for it; not where another one serves the order.
        """
        company = layout.entity_set.company
        if company is None or self.companies is None:
            return ()
        column = f"{'' if indexed else '+'}{alias}.{quoted(company)}"
        marks = ", ".join("?" * len(self.companies))
        return (Condition(f"{column} IN ({marks})", tuple(self.companies)),)

    def find(self, path: tuple[Segment, ...], connection: sqlite3.Connection) -> Resource:
        """The resource of a path below the service root.

        Raises:
            OdpError: 404 for a set, navigation property or parent row that isn't there; 400 for what is no key.
        """
        first, *others = path
        layout = self.service.layouts.get(first.name)
        if layout is None:
            raise OdpError("ODP_RESOURCE_NOTFOUND")
        resource = Resource(layout, (), single=False, path=first.name)
        if first.arguments is not None:
            resource = _by_key(resource, first)
        for place, segment in enumerate(others):
            reference = resource.layout.references.get(segment.name)
            if not resource.single or reference is None:
                return replace(resource, rest=tuple(others[place:]))
            resource = self._follow(resource, reference, segment, connection)
        return resource

    def expanded(self, expansion: Expansion, alias: str) -> Expanded:
        """The join that shows a ``…Ref`` within each row.

        Raises:
            OdpError: 400 for a member that the target does not have.
        """
        target = self.service.layouts[expansion.reference.target_set]
        wanted = target.members if expansion.select is None else expansion.select
        for name in wanted:
            if name not in target.members:
                raise bad_request(f"$expand: {target.entity_set.entity_type} has no property {name!r}.")
        on = [f"m.{quoted(own)} = {alias}.{quoted(other)}" for own, other in expansion.reference.on]
        allowed = self.allowed(target, alias)
        return Expanded(
            name=expansion.reference.name,
            layout=target,
            members=tuple(name for name in target.members if name in wanted),
            alias=alias,
            on=Condition(
                " AND ".join([*on, *(condition.sql for condition in allowed)]),
                tuple(param for condition in allowed for param in condition.params),
            ),
        )

    def _follow(
        self, parent: Resource, reference: Reference, segment: Segment, connection: sqlite3.Connection
    ) -> Resource:
        """The rows behind a navigation property of one row."""
        own = ", ".join(f"m.{quoted(name)}" for name, _ in reference.on)
        where = (*parent.where, *self.allowed(parent.layout))
        row = connection.execute(
            f"SELECT {own} FROM {parent.layout.table} AS m WHERE {' AND '.join(f'({c.sql})' for c in where)}",  # noqa: S608 - names are facts, values are bound
            tuple(param for condition in where for param in condition.params),
        ).fetchone()
        if row is None:
            raise OdpError("ODP_RESOURCE_NOTFOUND")
        target = Resource(
            layout=self.service.layouts[reference.target_set],
            where=tuple(
                Condition(f"m.{quoted(other)} = ?", (value,))
                for other, value in (*zip((name for _, name in reference.on), row, strict=True), *reference.fixed)
            ),
            single=not reference.many,
            path=f"{parent.path}/{segment.name}",
            may_be_absent=not reference.many,
            is_direct=False,
        )
        if segment.arguments is None:
            return target
        if not reference.many:
            raise bad_request(f"{reference.name} leads to one entity and takes no key.")
        return _by_key(target, segment)


def _by_key(resource: Resource, segment: Segment) -> Resource:
    """One row of a collection."""
    condition = key_condition(resource.layout, segment.arguments or "")
    path = f"{resource.path}({segment.arguments})"
    return replace(resource, where=(*resource.where, condition), single=True, path=path)
