"""Changes to rows: what a body says in storage terms, the row version that moves, and the actions on states.

Every change takes its instant from a clock; the row version and the table's modified column, if it has one, get that instant.
"""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from ifs_bi_sandbox.ifs.errors import OdpError
from ifs_bi_sandbox.ifs.layout import KEYREF, LUNAME, OBJGRANTS, OBJSTATE, quoted
from ifs_bi_sandbox.ifs.values import stored

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ifs_bi_sandbox.ifs.filter import Condition
    from ifs_bi_sandbox.ifs.layout import Layout

    Clock = Callable[[sqlite3.Connection], str]  # the instant of a change, YYYY-MM-DDTHH:MM:SS

# Actions bound to an entity, by the end of their name, and the state they lead to. IFS has many more; none of these is public.
ACTIONS: Final = {
    "Plan": "Planned",
    "Release": "Released",
    "Confirm": "Confirmed",
    "Receive": "Received",
    "Stop": "Stopped",
    "Close": "Closed",
    "Cancel": "Cancelled",
    "Post": "Posted",
}


def body_values(layout: Layout, body: bytes) -> dict[str, str | int | None]:
    """A JSON body as column values.

    Raises:
        OdpError: 400 when it is no JSON object, names what isn't there, or holds a value that doesn't fit.
    """
    try:
        members = json.loads(body, parse_float=Decimal)
    except ValueError:
        raise OdpError("ODP_DESERIALIZATION_ERROR") from None
    if not isinstance(members, dict):
        raise OdpError("ODP_DESERIALIZATION_ERROR")
    values = {}
    for name, value in members.items():
        if "@" in name or name in {LUNAME, KEYREF, OBJGRANTS}:
            continue  # annotations and system members may come back as they were sent
        if name not in layout.properties:
            raise OdpError("ODP_DESERIALIZATION_ERROR", f"{layout.entity_set.entity_type} has no property {name}.")
        values[name] = stored(layout, layout.properties[name], value)
    return values


def action_state(layout: Layout, name: str) -> str:
    """The state that the action ``IfsApp.<Projection>.<EntityType>_<Action>`` leads to.

    Raises:
        OdpError: 404 when the entity has no such action.
    """
    prefix = f"IfsApp.{layout.entity_set.projection}.{layout.entity_set.entity_type}_"
    state = ACTIONS.get(name.removeprefix(prefix)) if name.startswith(prefix) else None
    if state is None or OBJSTATE not in layout.enums or state not in layout.enums[OBJSTATE][1]:
        raise OdpError("ODP_RESOURCE_NOTFOUND")
    return state


class Writer:
    """Writes rows of one tenant.

    Args:
        modified: By table, the column that moves at every change.
        clock: Gives the instant of a change; None: the second after the table's last one.
    """

    def __init__(self, modified: Mapping[str, str], clock: Clock | None) -> None:
        self._modified = modified
        self._clock = clock

    def insert(self, connection: sqlite3.Connection, layout: Layout, values: dict[str, Any]) -> None:
        """Write a new row; a state machine starts in its first state.

        Raises:
            OdpError: 400 when a mandatory value is missing or the key exists.
        """
        if OBJSTATE in layout.enums:
            values = {OBJSTATE: layout.enums[OBJSTATE][1][0], **values}
        values |= self._moving(connection, layout)
        for fact in layout.properties.values():
            mandatory = not fact.nullable or fact.name in layout.entity_set.key
            if mandatory and values.get(fact.name) is None:
                raise OdpError("DATABASE_ERROR", f"ORA-20113: {fact.name}: field [{fact.name}] is mandatory.")
        columns, marks = ", ".join(map(quoted, values)), ", ".join("?" * len(values))
        try:
            connection.execute(f"INSERT INTO {layout.table} ({columns}) VALUES ({marks})", tuple(values.values()))  # noqa: S608 - names are facts, values are bound
        except sqlite3.IntegrityError:
            unit = layout.entity_set.logical_unit
            text = f"ORA-20112: {unit}.FND_RECORD_EXIST: The {unit} already exists."
            raise OdpError("DATABASE_ERROR", text) from None

    def update(
        self, connection: sqlite3.Connection, layout: Layout, where: Condition, values: Mapping[str, Any]
    ) -> None:
        """Change columns of the rows that meet a condition.

        Raises:
            OdpError: 400 for a change of the key.
        """
        for name in layout.entity_set.key:
            if name in values:
                raise OdpError("DATABASE_ERROR", f"ORA-20107: {name}: field [{name}] may not be modified.")
        changes = {**values, **self._moving(connection, layout)}
        assignments = ", ".join(f"{quoted(name)} = ?" for name in changes)
        connection.execute(
            f"UPDATE {layout.table} AS m SET {assignments} WHERE {where.sql}",  # noqa: S608 - names are facts, values are bound
            (*changes.values(), *where.params),
        )

    def delete(self, connection: sqlite3.Connection, layout: Layout, where: Condition) -> None:
        """Remove the rows that meet a condition; nothing remembers them but the history log, where the tenant keeps it."""
        if self._clock:
            self._clock(connection)
        connection.execute(f"DELETE FROM {layout.table} AS m WHERE {where.sql}", where.params)  # noqa: S608 - names are facts, values are bound

    def _moving(self, connection: sqlite3.Connection, layout: Layout) -> dict[str, str]:
        """The columns that move at every change, with the change's instant."""
        at = self._clock(connection) if self._clock else _next_second(connection, layout)
        columns = {"_rowversion": at.translate(_NO_PUNCTUATION)}
        if layout.entity_set.table in self._modified:
            columns[self._modified[layout.entity_set.table]] = at
        return columns


_NO_PUNCTUATION: Final = str.maketrans("", "", "-:T")


def _next_second(connection: sqlite3.Connection, layout: Layout) -> str:
    """The second after the table's last change."""
    latest = connection.execute(f'SELECT max("_rowversion") FROM {layout.table}').fetchone()[0]  # noqa: S608 - a fact's name
    if latest is None:
        return "2026-01-01T00:00:00"
    moment = datetime.strptime(latest, "%Y%m%d%H%M%S")  # noqa: DTZ007 - IFS Cloud's times name no zone either
    return (moment + timedelta(seconds=1)).isoformat()
