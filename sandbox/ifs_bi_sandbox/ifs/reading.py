"""GET: collections, entities and counts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson

from ifs_bi_sandbox.data.history import TABLE as HISTORY_TABLE
from ifs_bi_sandbox.ifs.catalogue import LISTING
from ifs_bi_sandbox.ifs.errors import OdpError, bad_request, not_implemented
from ifs_bi_sandbox.ifs.exchange import EXACT_JSON, JSON, Answer, Call, context, entity_answer
from ifs_bi_sandbox.ifs.filter import Condition, Refusals, condition
from ifs_bi_sandbox.ifs.layout import Layout, quoted
from ifs_bi_sandbox.ifs.limits import query_seconds
from ifs_bi_sandbox.ifs.paging import next_link, window
from ifs_bi_sandbox.ifs.path import Segment
from ifs_bi_sandbox.ifs.query import OF_A_COLLECTION, OF_A_COUNT, OF_AN_ENTITY, Query, is_exact, parse
from ifs_bi_sandbox.ifs.rows import Selection

if TYPE_CHECKING:
    import sqlite3

    from ifs_bi_sandbox.ifs.resource import Reach, Resource
    from ifs_bi_sandbox.world import Switches


_NOT_EXACT = {400: "ODP_BAD_REQUEST", 406: "ODP_NOT_ACCEPTABLE", 415: "ODP_UNSUPPORTED_MEDIA_TYPE"}


@dataclass(frozen=True)
class Reading:
    """One GET of rows; ``number`` counts the reads, for the order that nobody asked for."""

    switches: Switches
    reach: Reach
    connection: sqlite3.Connection
    call: Call
    root: str
    number: int

    def answer(self, path: tuple[Segment, ...]) -> Answer:
        """Answer with a collection, an entity or a count."""
        resource = self.reach.find(path, self.connection)
        if not resource.rest:
            return self._entity(resource) if resource.single else self._collection(resource)
        name = resource.rest[0].name
        if resource.rest == (Segment("$count"),) and not resource.single:
            return self._count(resource)
        if name.startswith("IfsApp."):  # a function is called with parentheses, an action never by GET
            if resource.rest[0].arguments is None:
                raise OdpError("ODP_METHOD_NOT_ALLOWED")
            raise not_implemented(f"The function {name}")
        if resource.single and name in resource.layout.properties:
            raise not_implemented("Access to a single property")
        raise OdpError("ODP_RESOURCE_NOTFOUND")

    def _collection(self, resource: Resource) -> Answer:
        query = parse(self.call.query, OF_A_COLLECTION, resource.layout)
        selection = self._selection(resource, query)
        rows_window = window(query, self.switches)
        selection = replace(selection, limit=rows_window.limit, offset=rows_window.offset)
        rows, count = selection.json(self.connection)
        self._refuse_slow(count)
        envelope: dict[str, Any] = {"@odata.context": context(self.root, resource, query)}
        if query.count:
            total = selection.count(self.connection)
            envelope["@odata.count"] = str(total) if selection.exact else total  # an Int64, so a string too
        parts = [orjson.dumps(envelope)[:-1], b',"value":[', rows, b"]"]
        more = rows_window.linked and count == rows_window.limit
        if more and replace(selection, offset=rows_window.offset + count, limit=1).read(self.connection):
            link = next_link(
                self.root,
                self.call.path.partition("/")[2],
                self.call.query,
                rows_window.following(),
                absolute=self.switches.paging == "next_absolute",
            )
            parts += [b',"@odata.nextLink":', orjson.dumps(link)]
        return Answer(200, b"".join([*parts, b"}"]), {"Content-Type": EXACT_JSON if selection.exact else JSON})

    def _refuse_slow(self, rows: int) -> None:
        """Raise the error of a query that finds its rows too late."""
        seconds = query_seconds(self.call.place[0], self.call.headers.get("prefer", ""))
        if self.switches.rows_per_second and rows > seconds * self.switches.rows_per_second:
            message = f"Operation did not complete in the expected time ({seconds} seconds)."
            raise OdpError("ODP_OPERATION_TIMEOUT", message)

    def _entity(self, resource: Resource) -> Answer:
        query = parse(self.call.query, OF_AN_ENTITY, resource.layout)
        selection = self._selection(resource, query)
        rows = selection.read(self.connection)
        if not rows and resource.may_be_absent:
            return Answer(204)
        return entity_answer(rows, context(self.root, resource, query), exact=selection.exact)

    def _count(self, resource: Resource) -> Answer:
        query = parse(self.call.query, OF_A_COUNT, resource.layout)
        total = self._selection(resource, replace(query, count=True)).count(self.connection)
        return Answer(200, str(total).encode(), {"Content-Type": "text/plain"})

    def _selection(self, resource: Resource, query: Query) -> Selection:
        """What the query selects of the resource; raises what this tenant refuses."""
        layout, switches = resource.layout, self.switches
        exact = query.exact or is_exact(self.call.headers.get("accept", ""))
        if exact and switches.refuse_exact:
            raise OdpError(_NOT_EXACT[switches.refuse_exact], "IEEE754Compatible is not supported.")
        for refused, asked, option in (
            (switches.refuse_select, query.selected is not None, "$select"),
            (switches.refuse_count, query.count, "$count"),
            (switches.refuse_apply, query.apply is not None, "$apply"),
        ):
            if asked and layout.name in refused:
                raise bad_request(f"{option} is not supported for {layout.name}.")
        ordered = bool(query.orderby)
        where = [*resource.where, *self.reach.allowed(layout, indexed=not ordered)]
        if self.reach.service.projection is LISTING:
            marks = ", ".join("?" * len(switches.missing_projections))
            where.append(Condition(f'm."Name" NOT IN ({marks})', tuple(switches.missing_projections)))
        if layout.entity_set.table == HISTORY_TABLE:
            marks = ", ".join("?" * len(switches.logged_units))
            where.append(Condition(f'm."LuName" IN ({marks})', tuple(switches.logged_units)))
        chosen = query.filter if query.apply is None else query.apply.filter
        if chosen is not None:
            company = layout.entity_set.company
            # Few companies have many rows each: an index on them is no help where the rows come in another order.
            unindexed = {company} if company and ordered and query.orderby[0][0] != company else ()
            refusals = Refusals(switches.refuse_objstate_filter, layout.name in switches.refuse_keyset)
            where.append(condition(chosen, layout, refusals=refusals, unindexed=frozenset(unindexed)))
        return Selection(
            layout=layout,
            members=self._members(layout, query),
            where=tuple(where),
            order=self._order(layout, query, single=resource.single),
            expanded=tuple(self.reach.expanded(expansion, f"r{place}") for place, expansion in enumerate(query.expand)),
            exact=exact,
            with_etag=not query.apply
            and layout.entity_set.has_etag
            and (query.select is None or switches.etag_with_select),
            apply=query.apply,
        )

    @staticmethod
    def _members(layout: Layout, query: Query) -> tuple[str, ...]:
        if query.apply is not None:
            return query.apply.names
        return layout.members if query.select is None else query.select

    def _order(self, layout: Layout, query: Query, *, single: bool) -> tuple[str, ...]:
        if query.orderby:
            columns = []
            for name, descends in query.orderby:
                fact, column = layout.properties.get(name), f"m.{quoted(name)}"
                is_text = fact is not None and fact.type == "Decimal" and fact.scale
                sql = f"CAST({column} AS REAL)" if is_text else column if fact else f"CAST({quoted(name)} AS REAL)"
                columns.append(f"{sql} DESC" if descends else sql)
            return tuple(columns)
        if single or query.apply is not None:
            return ()
        if self.switches.paging.startswith("next_"):
            return ('m."_rowid"',)
        if self.switches.unstable_order:
            return ('m."_rowid" DESC',) if self.number % 2 else ('m."_rowid"',)
        return ()
