"""What the warehouse itself remembers of batches, and what the next run makes of one that nobody answered for."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from ifs_bi_core.columnar.rows import to_arrow
from ifs_bi_core.errors import IfsBiError
from ifs_bi_core.ledger import history
from ifs_bi_core.ledger.trail import TrailRow
from singer_lines import INTEGER, MOMENT, STRING, record, schema
from target_looker_warehouse.loads import LOADS, Load
from target_looker_warehouse.rounds import rounds
from target_looker_warehouse.tables import plan

if TYPE_CHECKING:
    from ifs_bi_core.ledger.batches import Batch
    from target_looker_warehouse.sinks import WarehouseSink

ORDERS = schema("orders", ["id"], id=INTEGER, a=STRING)
VERSIONED = schema("orders", ["id"], id=INTEGER, a=STRING, _ifs_row_version=MOMENT, _sdc_deleted_at=MOMENT)
OLD, NEW, NEWEST = (f"2024-01-0{day}T00:00:00.000000Z" for day in (1, 2, 3))
EARLIER = "20240101T000000000000Z-0123abcd-00007"
NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)


def told(box, *names: str) -> list[tuple[Any, ...]]:
    """What the table of loads says, in the order of the batches."""
    return [tuple(load[name] for name in names) for load in box.loads()]


def load(batch: str, rows: int, stream: str = "orders") -> Load:
    return Load(stream, batch, "run", rows, 8 * rows, NOON)


def orders(*ids: int) -> list[str]:
    return [record("orders", {"id": number, "a": "x"}) for number in ids]


def pushes(box) -> list[history.Push]:
    """Every batch of every run, oldest first."""
    with box.ledger() as ledger:
        found = [push for run in history.runs(ledger) for push in history.show(ledger, run.run).batches]
    return sorted(found, key=lambda push: (push.at, push.batch))


def batch_of_a_killed_run(box, *ids: int, pushing: bool = True) -> Batch:
    """Rows that a process put on disk, and was about to send, when it was killed."""
    destination = box.target().destination
    with box.ledger() as ledger:
        run = ledger.begin_run("target-looker-warehouse", "0")
        lines = [(f'{{"id":"{number}"}}', record("orders", {"id": number})) for number in ids]
        rows = [TrailRow(key, payload=line) for key, line in lines]
        batch = run.write_batch("orders", destination, rows)
        if pushing:
            batch.pushing()
    return batch


def loaded(box, ids: tuple[int, ...], done: Load | None) -> None:
    """Load rows into the warehouse as the killed process did it."""
    target = box.target()
    planned = plan("orders", {"id": INTEGER, "a": STRING}, ["id"], None, box.dialect)
    rows, _ = to_arrow([{"id": number, "a": "x"} for number in ids], planned.table.columns)
    target.warehouse.shape(planned)
    target.warehouse.merge(planned.table, rounds(rows, planned.table), done, hard_delete=False)
    target.close()


def sink_of(target, line: str = ORDERS) -> WarehouseSink:
    target.process_lines([line.encode()])
    return target.get_sink("orders")


@pytest.mark.parametrize("load_method", ["upsert", "append-only", "overwrite"])
@pytest.mark.parametrize("key", [["id"], []], ids=["with key", "without key"])
def test_each_batch_is_told_once_with_its_run_and_how_many_rows_it_brought(box, key, load_method):
    lines = schema("orders", key, id=INTEGER, a=STRING)
    box.feed(lines, *orders(1, 2, 3, 4, 5), batch_size_rows=2, load_method=load_method)
    box.feed(lines, *orders(6, 7), load_method=load_method)
    with box.ledger() as ledger:
        ran = [(run.run, history.show(ledger, run.run).batches) for run in history.runs(ledger)]
    expected = [("orders", push.batch, run, sum(push.rows.values())) for run, pushed in ran for push in pushed]
    assert sorted(told(box, "stream", "batch", "run", "rows")) == sorted(expected)
    assert sorted(rows for (rows,) in told(box, "rows")) == [1, 2, 2, 2]
    assert all(size > 0 for (size,) in told(box, "bytes"))


def test_a_load_says_when_its_rows_were_given_to_the_warehouse_and_when_they_were_there(box):
    target = box.target()
    ticks = count()
    target.clock = lambda: NOON + timedelta(seconds=next(ticks))
    target.process_lines([line.encode() for line in (ORDERS, *orders(1))])
    target.process_endofpipe()
    started, loaded_at = (box.dialect.quoted(name) for name in ("started_at", "loaded_at"))
    times = f"SELECT {', '.join(f'extract(epoch FROM {name})' for name in (started, loaded_at))} FROM {LOADS}"
    [(began, ended)] = box.query(times)
    assert NOON.timestamp() <= began < ended


def test_batches_of_more_than_one_stream_are_told_apart(box):
    box.feed(ORDERS, *orders(1), schema("lines", ["id"], id=INTEGER), record("lines", {"id": 1}))
    assert sorted(told(box, "stream", "rows")) == [("lines", 1), ("orders", 1)]


def test_loads_are_in_the_schema_of_the_tables(box):
    box.feed(ORDERS, *orders(1), schema="erp")
    assert [found["rows"] for found in box.loads("erp")] == [1]


def test_many_batches_of_an_overwriting_run_are_told_at_once(box):
    box.feed(ORDERS, *orders(*range(205)), batch_size_rows=1, load_method="overwrite")
    assert told(box, "rows") == [(1,)] * 205


@pytest.mark.parametrize(
    ("done", "held"),
    [
        (None, 0),
        (load(EARLIER, 5), 5),
        (load(EARLIER, 2), 2),
        (load(EARLIER.replace("00007", "00008"), 5), 0),
        (load(EARLIER, 5, "lines"), 0),
    ],
    ids=["none", "all", "part", "another one", "of another stream"],
)
def test_the_warehouse_tells_how_many_rows_of_a_batch_it_holds(box, done, held):
    loaded(box, (), done)
    target = box.target()
    assert sink_of(target).held_of(EARLIER, 5) == held
    target.close()


@pytest.mark.parametrize(
    ("arrived", "rows"),
    [
        ((), {"withdrawn": 3}),
        ((1, 2), {"acknowledged": 2, "withdrawn": 1}),
        ((1, 2, 3), {"acknowledged": 3}),
    ],
    ids=["none", "part", "all"],
)
def test_the_next_run_settles_a_batch_that_nobody_answered_for_by_what_the_warehouse_holds(box, arrived, rows):
    batch = batch_of_a_killed_run(box, 1, 2, 3)
    loaded(box, arrived, load(batch.id, len(arrived)) if arrived else None)
    box.feed(ORDERS, *orders(1, 2, 3, 4))
    settled, newer = pushes(box)
    assert (settled.batch, settled.rows) == (batch.id, rows)
    assert newer.rows == {"acknowledged": 4}
    assert [row["id"] for row in box.rows("orders")] == ["1", "2", "3", "4"]


def test_a_batch_that_never_left_is_withdrawn_whatever_the_warehouse_says(box):
    batch = batch_of_a_killed_run(box, 1, pushing=False)
    loaded(box, (), load(batch.id, 1))
    box.feed(ORDERS)
    [settled] = pushes(box)
    assert (settled.pushes, settled.rows) == (0, {"withdrawn": 1})


def test_an_unanswered_batch_of_another_warehouse_is_left_to_that_one(box, new_box):
    batch_of_a_killed_run(box, 1)
    box.feed(ORDERS, *orders(1), warehouse_url=new_box().config["warehouse_url"])
    assert pushes(box)[0].rows == {"pushing": 1}
    box.feed(ORDERS)
    assert pushes(box)[0].rows == {"withdrawn": 1}


def test_an_overwriting_run_tells_its_batches_only_when_their_rows_take_the_tables_place(box):
    box.feed(ORDERS, *orders(1))
    before = box.loads()
    with pytest.raises(IfsBiError):
        box.feed(ORDERS, *orders(2, 3), "{", load_method="overwrite", batch_size_rows=1)
    assert box.loads() == before
    assert [push.rows for push in pushes(box)[1:]] == [{"pushing": 1}, {"pushing": 1}]
    box.feed(ORDERS, *orders(4), load_method="overwrite")
    assert [push.rows for push in pushes(box)[1:]] == [{"withdrawn": 1}, {"withdrawn": 1}, {"acknowledged": 1}]
    assert [row["id"] for row in box.rows("orders")] == ["4"]


def test_a_row_that_is_older_than_the_kept_one_is_counted_and_noted(box):
    row = {"id": 1, "a": "new", "_ifs_row_version": NEW}
    box.feed(VERSIONED, record("orders", row), record("orders", row | {"id": 2}))
    older = row | {"a": "old", "_ifs_row_version": OLD}
    gone = {"id": 2, "_ifs_row_version": OLD, "_sdc_deleted_at": NEWEST}
    box.feed(VERSIONED, record("orders", older), record("orders", gone), record("orders", row | {"id": 3}))
    assert [kept["a"] for kept in box.rows("orders")] == ["new", "new", "new"]
    first, second = pushes(box)
    assert first.reason is None
    assert second.rows == {"acknowledged": 3}
    assert second.reason == "2 rows were older than what the destination holds, and left aside"


def test_the_same_and_newer_versions_are_not_older(box):
    row = {"id": 1, "a": "x", "_ifs_row_version": NEW}
    box.feed(VERSIONED, record("orders", row))
    box.feed(VERSIONED, record("orders", row))
    box.feed(VERSIONED, record("orders", row | {"_ifs_row_version": NEWEST}))
    assert [push.reason for push in pushes(box)] == [None, None, None]


def test_a_batch_that_went_in_parts_is_one_load_with_all_its_rows(box):
    box.run("CREATE TABLE orders (id BIGINT, a VARCHAR CHECK (a <> 'bad'))")
    rows = [record("orders", {"id": number, "a": "bad" if number == 3 else "good"}) for number in range(8)]
    box.feed(ORDERS, *rows)
    [push] = pushes(box)
    assert push.rows == {"acknowledged": 7, "refused": 1}
    assert told(box, "batch", "rows") == [(push.batch, 8)]


def feed_at(box, when: datetime, *lines: str) -> None:
    """Run the target at another time than now."""
    target = box.target()
    target.clock = lambda: when
    target.process_lines([line.encode() for line in lines])
    target.process_endofpipe()
    target.close()


def a_day_later(box) -> None:
    """Let as much time pass since old loads were last looked for."""
    [mark] = box.state_dir.glob(".pruned-*")
    os.utime(mark, (0, 0))


def test_loads_older_than_the_trails_are_forgotten_but_for_the_last_one_of_each_stream(box):
    now, lines = datetime.now(UTC), [schema("lines", ["id"], id=INTEGER), record("lines", {"id": 1})]
    for days, rows in ((500, 1), (450, 2), (300, 3)):
        feed_at(box, now - timedelta(days=days), ORDERS, *orders(*range(rows)))
    feed_at(box, now - timedelta(days=600), *lines)
    feed_at(box, now - timedelta(days=520), *lines, record("lines", {"id": 2}))
    assert sorted(told(box, "stream", "rows")) == [
        ("lines", 1),
        ("lines", 2),
        ("orders", 1),
        ("orders", 2),
        ("orders", 3),
    ]
    a_day_later(box)
    box.feed(ORDERS)
    assert sorted(told(box, "stream", "rows")) == [("lines", 2), ("orders", 3)]


def test_old_loads_are_looked_for_once_a_day(box):
    now = datetime.now(UTC)
    box.feed(ORDERS)
    for days in (500, 450):
        feed_at(box, now - timedelta(days=days), ORDERS, *orders(days))
    assert len(box.loads()) == 2
    a_day_later(box)
    box.feed(ORDERS, *orders(1))
    assert len(box.loads()) == 1


@pytest.mark.parametrize("emulated", ["redshift_box", "snowflake_box", "bigquery_box"])
def test_old_loads_are_forgotten_by_a_warehouse_of_which_there_is_an_emulator(request, emulated):
    box, now = request.getfixturevalue(emulated), datetime.now(UTC)
    for days in (500, 450):
        feed_at(box, now - timedelta(days=days), ORDERS, *orders(days))
    assert len(box.loads()) == 2
    a_day_later(box)
    box.feed(ORDERS)
    assert len(box.loads()) == 1


def test_a_run_is_done_also_where_old_loads_cannot_be_removed(box, caplog, monkeypatch):
    broken = f"SELECT count(nonsense) FROM {LOADS}"
    monkeypatch.setattr("target_looker_warehouse.loads.count_old", lambda *_: broken)
    assert box.feed(ORDERS, *orders(1)) == 0
    assert "What is older than it has to be was not removed: " in caplog.text
    assert "table '_ifs_loads'" in caplog.text
    assert [row["id"] for row in box.rows("orders")] == ["1"]
