"""Rows that are typed together are delivered, refused and written down as rows that come one by one."""

import io
import threading
from contextlib import closing
from typing import ClassVar

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_core.columnar.columns import Column, ColumnType, Kind, column_type
from ifs_bi_core.columnar.rows import to_arrow
from ifs_bi_core.dead_letter.store import DeadLetters
from ifs_bi_core.errors import ContractBrokenError, UnavailableError
from ifs_bi_core.ledger import history
from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_core.ledger.trail import read
from ifs_bi_core.singer.account import TARGET_SETTINGS
from ifs_bi_core.singer.line_sinks import LineSink
from ifs_bi_core.singer.lines import encode
from ifs_bi_core.singer.sinks import TABLE_VERSION
from ifs_bi_core.singer.target import OrderedTarget
from singer_sdk import typing as th
from singer_sdk.plugin_base import _ConfigInput

PROPERTIES = {
    "id": {"type": ["integer"]},
    "amount": {"type": ["number", "null"], "multipleOf": 0.01},
    "at": {"type": ["string", "null"], "format": "date-time"},
    "_ifs_row_version": {"type": ["string", "null"], "format": "date-time"},
    "_sdc_deleted_at": {"type": ["string", "null"], "format": "date-time"},
}
SCHEMA = {"type": "SCHEMA", "stream": "s", "schema": {"properties": PROPERTIES}, "key_properties": ["id"]}
STATE = {"type": "STATE", "value": {"n": 1}}
COLUMNS = (
    *(Column(name, name, column_type(definition)) for name, definition in PROPERTIES.items()),
    Column(TABLE_VERSION, TABLE_VERSION, ColumnType(Kind.INTEGER)),
)


class TableSink(LineSink):
    """Keeps what was delivered."""

    columns = COLUMNS

    def shape(self):
        self.tables = []
        self.met = set()

    def prepare(self, rows):
        table, flaws = to_arrow(rows, self.columns)
        self.tables.append(table)
        return flaws

    def keep(self, table):
        if pa.compute.any(pa.compute.equal(table["amount"], 13)).as_py():
            return False
        self.tables.append(table)
        TableTarget.together += table.num_rows
        return True

    def release(self):
        self.leaving, self.tables = self.tables, []

    def deliver(self, first, count, _):
        rows = pa.concat_tables(self.leaving).slice(first, count)
        TableTarget.delivered.append((rows.num_rows, rows.to_pylist()))
        return 0

    def held_of(self, _, rows):
        return rows

    def forget(self):
        self.leaving = []

    def accept(self, row, message):
        super().accept(row, message)
        TableTarget.versions.add(message.get("version"))

    def versions_met(self, versions):
        TableTarget.versions.update(versions)


class SingleSink(TableSink):
    """The same, row by row."""

    takes_lines = False


class TableTarget(OrderedTarget):
    name = "target-table"
    config_jsonschema: ClassVar[dict] = th.PropertiesList(
        *TARGET_SETTINGS, th.Property("batch_size_rows", th.IntegerType, default=5)
    ).to_dict()
    destination = "tables"
    default_sink_class = TableSink
    delivered: ClassVar[list] = []
    versions: ClassVar[set] = set()
    together = 0


def fed(folder, sink, lines, **config):
    """What the target did: what was delivered, refused, and written down of each row."""
    TableTarget.default_sink_class = sink
    TableTarget.delivered.clear()
    TableTarget.versions.clear()
    TableTarget.together = 0
    settings = {"state_dir": str(folder), **config}
    TableTarget.invoke(config=_ConfigInput(settings), file_input=io.BytesIO(b"\n".join(lines)))
    letters = DeadLetters(folder)
    refused = sorted((str(row.key), row.reason) for letter in letters.letters() for row in letters.details(letter.id))
    batches = sorted(folder.rglob("*.parquet"), key=lambda path: int(path.stem.rsplit("-", 1)[1]))
    trail = [row._replace(transformed_at=None) for batch in batches for row in read(batch)]
    return list(TableTarget.delivered), refused, set(TableTarget.versions), trail


MOMENTS = st.none() | st.sampled_from(["2026-01-01T00:00:00Z", "1899-12-31T23:59:59.5+01:00"])
ROWS = st.fixed_dictionaries(
    {"id": st.integers(0, 5) | st.sampled_from([None, "7"])},
    optional={
        "amount": st.none() | st.decimals(0, 20, places=2) | st.sampled_from([13, 1.005, "x"]),
        "at": MOMENTS | st.just("soon"),
        "_ifs_row_version": MOMENTS,
        "_sdc_deleted_at": MOMENTS,
        "other": st.just(1),
    },
)
GOOD = st.fixed_dictionaries({"id": st.integers(0, 99), "amount": st.decimals(0, 9, places=2)})
MESSAGES = st.lists(
    st.one_of(
        st.builds(
            lambda row, more: {"type": "RECORD", "stream": "s", "record": row} | more,
            GOOD | GOOD | ROWS,
            st.sampled_from([{}, {"version": 7}, {"time_extracted": "2026-01-01T00:00:00Z"}]),
        ),
        st.sampled_from([SCHEMA, STATE]),
    ),
    max_size=30,
)


@settings(max_examples=25, deadline=None)
@given(MESSAGES, st.integers(1, 9))
def test_the_same_rows_are_delivered_refused_and_written_down(tmp_path_factory, messages, batch_size_rows):
    lines = [encode(message) for message in [SCHEMA, *messages]]
    one = fed(tmp_path_factory.mktemp("one"), SingleSink, lines, batch_size_rows=batch_size_rows)
    many = fed(tmp_path_factory.mktemp("many"), TableSink, lines, batch_size_rows=batch_size_rows)
    assert [row for _, rows in many[0] for row in rows] == [row for _, rows in one[0] for row in rows]
    assert max((count for count, _ in many[0]), default=0) <= batch_size_rows
    assert many[1:] == one[1:]


def test_good_rows_are_typed_together(tmp_path):
    rows = [encode({"type": "RECORD", "stream": "s", "record": {"id": n}}) for n in range(100)]
    fed(tmp_path, TableSink, [encode(SCHEMA), *rows], batch_size_rows=1000)
    assert TableTarget.together == 99  # the first one tells how the others begin


def test_one_bad_row_of_many_is_put_aside_and_the_others_are_still_typed_together(tmp_path):
    rows = [{"type": "RECORD", "stream": "s", "record": {"id": n}} for n in range(1000)]
    rows[500]["record"]["amount"] = "much"
    delivered, refused, _, _ = fed(tmp_path, TableSink, map(encode, [SCHEMA, *rows]), batch_size_rows=2000)
    assert [row["id"] for _, part in delivered for row in part] == [n for n in range(1000) if n != 500]
    [(key, reason)] = refused
    assert key == '{"id":"500"}'
    assert "amount" in reason
    assert TableTarget.together > 980


def test_a_line_that_is_cut_in_the_middle_of_many_is_named_by_its_number(tmp_path):
    rows = [encode({"type": "RECORD", "stream": "s", "record": {"id": n}}) for n in range(40)]
    rows[20] = rows[20][:-3]
    with pytest.raises(ContractBrokenError, match="Line 22 of the input"):
        fed(tmp_path, TableSink, [encode(SCHEMA), *rows], batch_size_rows=1000)
    assert TableTarget.delivered == []


def test_a_state_leaves_when_the_batch_before_it_is_delivered(tmp_path, capsys):
    rows = [encode({"type": "RECORD", "stream": "s", "record": {"id": n}}) for n in range(8)]
    states = [encode({"type": "STATE", "value": {"n": n}}) for n in range(8)]
    mixed = [line for pair in zip(rows, states, strict=True) for line in pair]
    fed(tmp_path, TableSink, [encode(SCHEMA), *mixed], batch_size_rows=3)
    assert capsys.readouterr().out.split() == ['{"n":2}', '{"n":5}', '{"n":7}']  # states came while it was on its way


def rows_of(count):
    return [encode({"type": "RECORD", "stream": "s", "record": {"id": n}}) for n in range(count)]


class BarrierSink(TableSink):
    """Delivers only when rows behind the batch have come."""

    came = threading.Event()

    def accept_lines(self, lines, count, number):
        if number > 4:
            self.came.set()
        super().accept_lines(lines, count, number)

    def deliver(self, first, count, batch):
        assert self.came.wait(60)
        return super().deliver(first, count, batch)


def test_rows_are_read_while_others_are_delivered(tmp_path):
    first, rest = rows_of(9)[:3], rows_of(9)[3:]
    pieces = iter([b"\n".join([encode(SCHEMA), *first, b""]), b"\n".join(rest)])

    class Pipe(io.BytesIO):
        def read1(self, _=-1):
            return next(pieces, b"")

    TableTarget.default_sink_class = BarrierSink
    TableTarget.delivered.clear()
    TableTarget.invoke(config=_ConfigInput({"state_dir": str(tmp_path), "batch_size_rows": 3}), file_input=Pipe())
    assert [count for count, _ in TableTarget.delivered] == [3, 3, 3]


class FailingSink(TableSink):
    """The second batch can't be delivered."""

    def deliver(self, first, count, batch):
        if TableTarget.delivered:
            raise UnavailableError("the destination is gone")
        return super().deliver(first, count, batch)


def test_a_batch_that_fails_on_its_way_ends_the_run_before_a_state_behind_it_leaves(tmp_path, capsys):
    rows = rows_of(9)
    lines = [encode(SCHEMA), *rows[:3], encode(STATE), *rows[3:], encode({"type": "STATE", "value": {"n": 2}})]
    with pytest.raises(UnavailableError, match="the destination is gone"):
        fed(tmp_path, FailingSink, lines, batch_size_rows=3)
    assert capsys.readouterr().out.split() == ['{"n":1}']
    assert [count for count, _ in TableTarget.delivered] == [3]


def test_a_run_that_ends_by_a_bad_line_still_says_what_became_of_the_batch_on_its_way(tmp_path):
    with pytest.raises(ContractBrokenError, match="Line 6"):
        fed(tmp_path, TableSink, [encode(SCHEMA), *rows_of(4), b"{"], batch_size_rows=3)
    with closing(Ledger.open(None, tmp_path)) as ledger:
        [part] = history.runs(ledger)
        assert [batch.rows for batch in history.show(ledger, part.run).batches] == [{"acknowledged": 3}]


class HoldingTarget(TableTarget):
    """Tells its one STATE at the end."""

    name = "target-holding"
    confirms_at_end = True


def test_states_that_wait_for_the_end_of_the_run_take_no_memory(tmp_path):
    HoldingTarget.default_sink_class = TableSink
    target = HoldingTarget(config={"state_dir": str(tmp_path), "batch_size_rows": 3})
    states = [encode({"type": "STATE", "value": {"n": n}}) for n in range(90)]
    mixed = [line for pair in zip(rows_of(90), states, strict=True) for line in pair]
    target.process_lines(io.BytesIO(b"\n".join([encode(SCHEMA), *mixed])))
    assert len(target._states.leave()) < 5
    target.flight.land()
    target.account.run.end(0)
    target.account.ledger.close()
