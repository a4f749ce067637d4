"""POST, PATCH and DELETE: which of them a resource takes, and the ETag that guards it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ifs_bi_sandbox.ifs.errors import OdpError
from ifs_bi_sandbox.ifs.exchange import Answer, Call, context, entity_answer
from ifs_bi_sandbox.ifs.filter import Condition
from ifs_bi_sandbox.ifs.layout import OBJSTATE, Layout, quoted
from ifs_bi_sandbox.ifs.path import Segment
from ifs_bi_sandbox.ifs.query import OF_A_DOCUMENT, Query, is_exact, parse
from ifs_bi_sandbox.ifs.resource import Reach, Resource
from ifs_bi_sandbox.ifs.rows import ETAG, Selection
from ifs_bi_sandbox.ifs.values import key_literal
from ifs_bi_sandbox.ifs.writer import Writer, action_state, body_values

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping


@dataclass(frozen=True)
class Writing:
    """One request that changes rows; ``numbered`` are the entity sets whose new rows IFS gives a number."""

    writer: Writer
    reach: Reach
    connection: sqlite3.Connection
    call: Call
    root: str
    numbered: frozenset[str] = frozenset()

    def answer(self, resource: Resource) -> Answer:
        """Create, change or delete a row, or run an action on it."""
        parse(self.call.query, OF_A_DOCUMENT)
        layout = resource.layout
        action = resource.rest[0] if len(resource.rest) == 1 and resource.rest[0].name.startswith("IfsApp.") else None
        if not resource.is_direct or not layout.entity_set.has_etag or (resource.rest and action is None):
            raise OdpError("ODP_METHOD_NOT_ALLOWED")
        match self.call.method, resource.single, action:
            case "POST", False, None:
                return self._create(layout)
            case "PATCH", True, None:
                values = body_values(layout, self.call.body)
                return self._change(resource, values)
            case "DELETE", True, None:
                where = self._guarded(resource)
                self.writer.delete(self.connection, layout, where)
                return Answer(204)
            case "POST", True, Segment():
                state = action_state(layout, resource.rest[0].name)
                return self._change(resource, {OBJSTATE: state})
        raise OdpError("ODP_METHOD_NOT_ALLOWED")

    def _create(self, layout: Layout) -> Answer:
        values = body_values(layout, self.call.body)
        company = layout.entity_set.company
        if company and self.reach.companies is not None and values.get(company) not in self.reach.companies:
            raise OdpError("SE_UNAUTHORIZED")
        if layout.name in self.numbered:
            values = self._with_number(layout, values)
        self.writer.insert(self.connection, layout, values)
        where = tuple(Condition(f"m.{quoted(name)} = ?", (values[name],)) for name in layout.entity_set.key)
        key = ",".join(f"{fact.name}={key_literal(layout, fact, values[fact.name])}" for fact in layout.key)
        answer = self._entity(Resource(layout, where, single=True, path=layout.name))
        return replace(answer, status=201, headers={**answer.headers, "Location": f"{self.root}{layout.name}({key})"})

    def _with_number(self, layout: Layout, values: dict[str, Any]) -> dict[str, Any]:
        """The values with the next number as the last part of the key, unless it was given."""
        *others, last = layout.key
        if last.name in values:
            return values
        column = quoted(last.name)
        same = " AND ".join(f"{quoted(fact.name)} = ?" for fact in others) or "1"
        highest = self.connection.execute(
            f"SELECT max(CAST({column} AS INTEGER)) FROM {layout.table} WHERE {same}",  # noqa: S608 - names are facts, values are bound
            tuple(values.get(fact.name) for fact in others),
        ).fetchone()[0]
        number = (highest or 0) + 1
        return {**values, last.name: str(number) if last.type == "String" else number}

    def _change(self, resource: Resource, values: Mapping[str, Any]) -> Answer:
        where = self._guarded(resource)
        self.writer.update(self.connection, resource.layout, where, values)
        return self._entity(resource)

    def _guarded(self, resource: Resource) -> Condition:
        """The row's condition, if the request may change it: ``If-Match`` names its present ETag, or is ``*``."""
        expected = self.call.headers.get("if-match")
        if expected is None:
            raise OdpError("ODP_MISSING_PRECONDITION")
        where = (*resource.where, *self.reach.allowed(resource.layout))
        rows = Selection(resource.layout, resource.layout.members, where).read(self.connection)
        if not rows:
            raise OdpError("ODP_RESOURCE_NOTFOUND")
        if expected.strip() != "*" and rows[0][ETAG] not in [tag.strip() for tag in expected.split(",")]:
            raise OdpError("ODP_PRECONDITION_FAILED")
        return resource.where[0]

    def _entity(self, resource: Resource) -> Answer:
        exact = is_exact(self.call.headers.get("accept", ""))
        layout = resource.layout
        rows = Selection(layout, layout.members, resource.where, exact=exact).read(self.connection)
        return entity_answer(rows, context(self.root, replace(resource, single=True), Query()), exact=exact)
