"""Steps of `ifs-bi warehouse-check` that lines and rows alone can't show. Each tells what is wrong; nothing, if all is well."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from threading import Timer
from typing import TYPE_CHECKING

import pyarrow as pa

from target_looker_warehouse import loads, statements
from target_looker_warehouse.check.scene import SCENE, SPENT, VIEW_ROWS
from target_looker_warehouse.check.step import STRING, lines
from target_looker_warehouse.row_counts import count_query
from target_looker_warehouse.tables import plan
from target_looker_warehouse.views.catalogue import VIEWS
from target_looker_warehouse.views.rendering import column_names, view_name
from target_looker_warehouse.views.upkeep import OWN_VIEWS
from target_looker_warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_looker_warehouse.check.scratch import Scratch
    from target_looker_warehouse.dialects.facts import Dialect

ASKS, CLAIMED = "asks", "claimed"
"""What the other process of `one_at_a_time` says before and after it has the stream (`check.rival`)."""
_PATIENCE_SECONDS = 1.0
"""How long the other process is watched waiting."""
_LIMIT_SECONDS = 90.0
_LOCKED = "locked"


@dataclass(frozen=True, slots=True)
class Probe:
    """A step that is a function.

    Attributes:
        name: what it is, for people.
        flaw: what is wrong, as a sentence; empty if all is well.
        absent: why there is nothing to be looked at in a warehouse, as a sentence; empty where there is.
    """

    name: str
    flaw: Callable[[Scratch], str]
    absent: Callable[[Dialect], str] = lambda _: ""


class _BrokenOff(Exception):  # noqa: N818 - no error
    """Ends a transaction before its end."""


def broken_off(scratch: Scratch) -> str:
    """A transaction that is broken off after rows and their load were written, and then the same one to its end."""
    with scratch.connection() as connection:
        warehouse = Warehouse(connection, scratch.name, identifier_case=scratch.dialect.identifier_case)
        dialect, stream = scratch.dialect, "broken"
        planned = plan(dialect.cased(stream), {"k": STRING}, (), None, dialect)
        warehouse.shape(planned)
        now, table = datetime.now(UTC), planned.table
        rows = pa.table({table.columns[0].name: ["1", "2"]})
        load = loads.Load(stream=stream, batch="1", run="check", rows=2, size=rows.nbytes, started_at=now)
        insert = statements.insert_values(warehouse.loads, loads.columns(dialect), 1, dialect)
        found = []
        for breaks in (True, False):
            with suppress(_BrokenOff), connection.transaction(f"table {stream!r}", "be written"):
                connection.append(scratch.qualified(table.name), rows)
                connection.write(insert, loads.values(load, now, dialect))
                if breaks:
                    raise _BrokenOff
            [count] = warehouse.row_counts([table.name]).values()
            found.append((count, warehouse.rows_of(stream, load.batch)))
        if found == [(0, 0), (2, 2)]:
            return ""
        (left, told), (written, noted) = found
        return (
            f"After it was broken off there were {left} rows and a load of {told}, where there should be none; after it came to "
            f"its end {written} rows and a load of {noted}, where there should be 2."
        )


def history(scratch: Scratch) -> str:
    """Each batch has a row in the table of loads."""
    stream = "loads"
    scratch.feed(lines(stream, {"k": STRING}, *({"k": str(k)} for k in range(5))), batch_size_rows=2)
    dialect = scratch.dialect
    rows, name = (dialect.quoted(dialect.cased(column)) for column in ("rows", "stream"))
    with scratch.connection() as connection, connection.transaction("the table of loads", "be read"):
        table = scratch.qualified(dialect.cased(loads.LOADS))
        found = connection.query(f"SELECT {rows} FROM {table} WHERE {name} = $1", [stream])  # noqa: S608 - quoted names
    told = sorted(int(row[0]) for row in found)
    return "" if told == [1, 2, 2] else f"Of batches of 2, 2 and 1 rows the table of loads tells {told}."


def one_at_a_time(scratch: Scratch) -> str:
    """While this process has a stream, another one doesn't get it; then it does, or was told to come again."""
    rival = subprocess.Popen(
        [sys.executable, "-m", "target_looker_warehouse.check.rival"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    late = Timer(_LIMIT_SECONDS, rival.kill)
    late.start()
    try:
        with scratch.connection() as connection:
            connection.claim(scratch.name, _LOCKED)
            said, waits = _asked(rival, scratch)
        if waits:
            said += rival.stdout.read() if rival.stdout else ""
    finally:
        late.cancel()
        rival.kill()
        rival.wait()
    if waits:
        return (
            "" if CLAIMED in said else f"It was not let in when the first one had ended: {said or 'it said nothing.'}"
        )
    return "Both had the stream at the same time." if CLAIMED in said or not said else ""


def _asked(rival: subprocess.Popen[str], scratch: Scratch) -> tuple[str, bool]:
    """What the other process says, and whether it waits."""
    if rival.stdin is None or rival.stdout is None:
        return "", False
    with rival.stdin as asked:
        json.dump(scratch.config | {"schema": scratch.name, "stream": _LOCKED}, asked)
    said = rival.stdout.readline()
    if not said.startswith(ASKS):
        return said, False
    try:
        rival.wait(_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        return said, True
    return rival.stdout.read(), False


def views(scratch: Scratch) -> str:
    """The roll-up views are made, and show what their tables have."""
    _, warned = scratch.feed(SCENE, views=True)
    if warned:
        return " ".join(warned)
    dialect = scratch.dialect
    places = {view.name: scratch.qualified(view_name(view, dialect)) for view in VIEWS}
    [spend] = (view for view in VIEWS if view.name == SPENT.view)
    amount = dialect.quoted(column_names(spend, dialect)[SPENT.column])
    with scratch.connection() as connection, connection.transaction("the views", "be read"):
        counted = {int(place): int(rows) for place, rows in connection.query(count_query(places.values()))}
        spent = connection.query(f"SELECT sum({amount}) FROM {places[spend.name]}")[0][0]  # noqa: S608 - quoted names
    found = {name: counted[place] for place, name in enumerate(places)}
    wrong = [f"{name} has {found[name]} rows and not {rows}" for name, rows in VIEW_ROWS.items() if found[name] != rows]
    if Decimal(str(spent)) != SPENT.amount:
        wrong.append(f"{spend.name} sums up to {spent} and not to {SPENT.amount}")
    return f"{'; '.join(wrong)}." if wrong else ""


def nothing_aside(scratch: Scratch) -> str:
    """Of the tables in which rows waited none is left."""
    dialect = scratch.dialect
    with scratch.connection() as connection, connection.transaction("the tables", "be listed"):
        standing = scratch.tables(connection)
    own = {dialect.cased(name) for name in (loads.LOADS, OWN_VIEWS, "broken")}
    own |= {view_name(view, dialect) for view in VIEWS} | set(scratch.streams_tables(standing))
    left = sorted(set(standing) - own)
    return f"These tables are left: {', '.join(left)}." if left else ""


PROBES = (
    Probe("A transaction that is broken off leaves neither rows nor word of their load", broken_off),
    Probe("The table of loads tells each batch", history),
    Probe(
        "One run at a time writes a stream's table",
        one_at_a_time,
        lambda dialect: (
            ""
            if dialect.has_lock
            else f"{dialect.name} has no lock for it: see to it that no two runs load one stream."
        ),
    ),
    Probe("The roll-up views show what their tables have", views),
    Probe("No table in which rows waited is left", nothing_aside),
)
"""In the order in which they are run, after all others."""
