import io
import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from ifs_bi_core.columnar.columns import Kind
from ifs_bi_core.errors import ConfigError, ContractBrokenError, ExitCode, RowRejectedError
from singer_lines import INTEGER, MOMENT, MONEY, STRING, activate, raw, record, schema, state
from target_looker_warehouse import sinks, target
from target_looker_warehouse.warehouse import Warehouse

ORDERS = schema("orders", ["id"], id=INTEGER, a=STRING)
STATE = state({"bookmarks": {"orders": {"at": 1.5, "n": 10**25}}})
UNFIT = [
    schema("orders", ["id"], id=INTEGER, m=MONEY),
    raw("orders", '{"id":1,"m":0.5}'),
    raw("orders", '{"id":2,"m":0.001}'),
    STATE,
]
WRITTEN = '{"bookmarks":{"orders":{"at":1.5,"n":10000000000000000000000000}}}\n'


def test_a_wrong_address_is_told_before_anything_is_read(box):
    with pytest.raises(ConfigError, match="names no warehouse"):
        box.target(warehouse_url="nowhere")


def test_without_a_configuration_the_warehouse_is_a_file_in_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    target.TargetLookerWarehouse().listen(io.BytesIO(ORDERS.encode()))
    assert {path.name for path in tmp_path.iterdir()} == {"warehouse.duckdb", ".ifs-bi"}


def test_without_input_no_file_is_made(duckdb_box, capsys):
    duckdb_box.feed()
    assert not duckdb_box.file.exists()
    assert capsys.readouterr().out == ""


def test_state_is_written_after_its_rows_and_keeps_its_numbers(box, capsys):
    box.feed(ORDERS, record("orders", {"id": 1}), STATE)
    assert capsys.readouterr().out == WRITTEN


def test_a_row_that_does_not_fit_is_told_with_its_key_and_no_state_is_written(box, capsys):
    with pytest.raises(
        RowRejectedError,
        match=r"orders: the row id=2 can't be delivered: m can't be held as DECIMAL\(38,2\): 0.001 has",
    ):
        box.feed(*UNFIT, on_row_error="fail")
    assert capsys.readouterr().out == ""
    assert box.dead() == []


def test_a_row_that_does_not_fit_is_a_dead_letter_and_the_others_arrive_before_state(box, capsys):
    assert box.feed(*UNFIT) == ExitCode.DEAD_LETTERS
    assert box.rows("orders") == [{"id": "1", "m": "0.50"}]
    assert box.dead() == [('{"id":"2"}', "m can't be held as DECIMAL(38,2): 0.001 has more than 2 decimals")]
    assert capsys.readouterr().out == WRITTEN


def long_run(box, monkeypatch, *lines, **config):
    """Feed lines to a target that finds every row to be older than five minutes."""
    running = box.target(**config)
    monkeypatch.setattr(running, "_MAX_RECORD_AGE_IN_MINUTES", -1)
    running.process_lines([line.encode() for line in lines])
    return running


def test_a_long_run_writes_state_on_its_way(box, monkeypatch, capsys):
    long_run(box, monkeypatch, ORDERS, record("orders", {"id": 1}), STATE, record("orders", {"id": 2}))
    assert capsys.readouterr().out == WRITTEN


@pytest.mark.parametrize(("early", "method"), [([activate("orders", 1)], "upsert"), ([], "overwrite")])
def test_no_state_leaves_while_what_it_stands_for_waits_for_the_end(box, monkeypatch, capsys, early, method):
    rows = [record("orders", {"id": 1}, 1), STATE, record("orders", {"id": 2}, 1)]
    running = long_run(box, monkeypatch, ORDERS, *early, *rows, load_method=method)
    assert capsys.readouterr().out == ""
    running.process_endofpipe()
    assert capsys.readouterr().out == WRITTEN


def test_activate_version_finds_every_row_that_came_before_it(box):
    rows = [record("orders", {"id": n}, 2) for n in range(3)]
    box.feed(ORDERS, record("orders", {"id": 9}, 1), *rows, activate("orders", 2), hard_delete=True)
    assert [row["id"] for row in box.rows("orders")] == ["0", "1", "2"]


def test_metadata_columns_are_there_when_they_are_wanted_and_only_then(box):
    lines = [ORDERS, record("orders", {"id": 1}, 3)]
    box.feed(*lines)
    assert set(box.types("orders")) == {"id", "a", "_sdc_table_version"}
    before = time.time()
    box.feed(*lines, add_record_metadata=True)
    types = box.types("orders")
    moments = {"_sdc_extracted_at", "_sdc_received_at", "_sdc_batched_at", "_sdc_deleted_at"}
    assert {name for name, kind in types.items() if kind.upper() == "TIMESTAMP WITH TIME ZONE"} == moments
    [(sequence, received)] = box.query("SELECT _sdc_sequence, extract(epoch FROM _sdc_received_at) FROM orders")
    assert before <= float(received) <= time.time()
    assert abs(sequence / 1000 - float(received)) < 60


def test_a_delete_stays_a_delete_with_and_without_metadata_columns(box):
    lines = [
        ORDERS,
        record("orders", {"id": 1, "a": "x"}),
        record("orders", {"id": 1, "_sdc_deleted_at": "2024-01-01T00:00:00Z"}),
    ]
    for wanted in (False, True):
        box.feed(*lines, add_record_metadata=wanted)
        assert box.query("SELECT a, _sdc_deleted_at::VARCHAR FROM orders") == [("x", "2024-01-01 00:00:00+00")]


def test_a_property_outside_the_schema_is_spoken_of_once(box, caplog):
    box.feed(ORDERS, *(record("orders", {"id": n, "more": n}) for n in range(5)), batch_size_rows=2)
    said = [entry.getMessage() for entry in caplog.records if "Not loaded" in entry.getMessage()]
    assert said == ["Not loaded, because the SCHEMA doesn't have it: more"]
    assert box.types("orders").keys() == {"id", "a"}


def test_activate_version_without_versions_on_the_rows_is_spoken_of(box, caplog):
    box.feed(ORDERS, record("orders", {"id": 1}), activate("orders", 5))
    assert "ACTIVATE_VERSION 5 has no effect" in caplog.text
    assert box.rows("orders") == [{"id": "1"}]


def test_validation_can_be_switched_off_and_values_are_still_refused(box):
    lines = [
        schema("orders", ["id"], id=INTEGER, a={"type": "string", "enum": ["x"]}),
        record("orders", {"id": 1, "a": "y"}),
    ]
    with pytest.raises(RowRejectedError):
        box.feed(*lines, on_row_error="fail")
    box.feed(*lines, validate_records=False)
    assert box.rows("orders") == [{"id": "1", "a": "y"}]
    with pytest.raises(RowRejectedError, match="a can't be held as VARCHAR: 5 is no text"):
        box.feed(lines[0], record("orders", {"id": 2, "a": 5}), validate_records=False, on_row_error="fail")


def test_stream_maps_and_flattening_work_as_in_the_sdk(box):
    nested = {"type": "object", "properties": {"n": {"type": "integer"}}}
    config = {
        "flattening_enabled": True,
        "flattening_max_depth": 1,
        "stream_maps": {
            "orders": {
                "__alias__": "purchases",
                "a": "a.upper()",
                "amount": "float(id) / 10",
                "__key_properties__": ["id"],
            }
        },
    }
    box.feed(
        schema("orders", ["id"], id=INTEGER, a=STRING, o=nested),
        record("orders", {"id": 1, "a": "x", "o": {"n": 5}}),
        **config,
    )
    [row] = box.rows("purchases")
    assert row["a"] == "X"
    assert row["amount"].startswith("0.1")
    assert row["o__n"] == "5"


def test_a_stream_whose_key_cannot_be_changed_is_stopped_with_the_ways_out(box):
    box.feed(schema("orders", ["a"], a=STRING), record("orders", {"a": "x"}))
    with pytest.raises(ContractBrokenError, match=rf'Column "a" of table "orders" is {box.dialect.types[Kind.TEXT]}'):
        box.feed(schema("orders", ["a"], a=MOMENT))


def test_an_unchanged_table_of_100_columns_costs_at_most_3_statements_to_the_catalogue(box, monkeypatch):
    wide = schema("wide", ["id"], id=INTEGER, **{f"c{n}": STRING for n in range(100)})
    box.feed(wide)
    running = box.target()
    asked = []
    opened = running._address.open()
    monkeypatch.setattr(running, "_address", running._address._replace(open=lambda: opened))
    for name in ("query", "define"):
        called = getattr(opened, name)
        told = lambda text, *rest, called=called: asked.append(text) or called(text, *rest)  # noqa: E731
        monkeypatch.setattr(opened, name, told)
    lines = [wide, record("wide", {"id": 1}), wide, record("wide", {"id": 2}), wide]
    running.process_lines([line.encode() for line in lines])
    at_start = [text for text in asked if "lock" not in text]
    assert len(at_start) <= 3
    assert not any(text.startswith(("ALTER", "CREATE")) for text in asked)
    running.process_endofpipe()


def test_rows_wait_as_arrow_data_and_are_loaded_early_where_they_are_wide(box, monkeypatch):
    monkeypatch.setattr(sinks.WarehouseSink, "chunk_bytes", 1000)
    narrow = replace(box.dialect, held_bytes=10_000)
    prepare = Warehouse._prepare
    monkeypatch.setattr(Warehouse, "_prepare", lambda self: setattr(self, "dialect", narrow) or prepare(self))
    loaded = []
    merge = Warehouse.merge
    monkeypatch.setattr(
        Warehouse,
        "merge",
        lambda self, table, rounds, load, **kwargs: (
            loaded.append((table.name, sum(r.live.num_rows for r in rounds)))
            or merge(self, table, rounds, load, **kwargs)
        ),
    )
    other = schema("other", ["id"], id=INTEGER, a=STRING)
    rows = [record(stream, {"id": n, "a": "x" * 100}) for n in range(200) for stream in ("orders", "other")]
    box.feed(ORDERS, other, *rows)
    assert len(loaded) > 2
    assert max(count for _, count in loaded) < 150
    assert {name: sum(count for table, count in loaded if table == name) for name, _ in loaded} == {
        "orders": 200,
        "other": 200,
    }
    assert [len(box.rows(name)) for name in ("orders", "other")] == [200, 200]


def test_no_row_waits_longer_for_its_batch_than_it_may(box):
    other = schema("other", ["id"], id=INTEGER)
    running = box.target(batch_wait_limit_seconds=60)
    now = [datetime(2024, 5, 6, tzinfo=UTC)]
    running.clock = lambda: now[0]

    def come(*lines, after):
        now[0] += timedelta(seconds=after)
        running.process_lines([line.encode() for line in lines])
        return [sink.current_size for sink in running.row_sinks()]

    assert come(ORDERS, other, record("orders", {"id": 1}), after=0) == [1, 0]
    assert come(record("other", {"id": 1}), after=30) == [1, 1]
    assert come(record("orders", {"id": 2}), after=29) == [2, 1]
    assert come(record("other", {"id": 2}), after=1) == [0, 2]
    assert come(record("orders", {"id": 3}), after=20) == [1, 2]
    assert come(STATE, after=10) == [1, 0]
    assert come(record("orders", {"id": 4}), after=10) == [2, 0]
    running.process_endofpipe()
    assert [len(box.rows(name)) for name in ("orders", "other")] == [4, 2]


def test_columns_that_appear_within_a_batch_are_null_in_the_rows_before(box, monkeypatch):
    monkeypatch.setattr(sinks.WarehouseSink, "chunk_bytes", 1)
    gone = record("orders", {"id": 1, "_sdc_deleted_at": "2024-01-01T00:00:00Z"}, 7)
    box.feed(ORDERS, record("orders", {"id": 1, "a": "x"}), gone, record("orders", {"id": 2}))
    assert json.dumps(box.rows("orders")) == json.dumps(
        [{"id": "1", "a": "x", "_sdc_deleted_at": "2024-01-01 00:00:00+00", "_sdc_table_version": "7"}, {"id": "2"}]
    )


@pytest.mark.parametrize("case", ["lower", "upper"])
@pytest.mark.parametrize("load_method", ["upsert", "append-only", "overwrite"])
def test_a_stream_does_not_take_the_table_of_one_whose_name_differs_in_case_alone(box, case, load_method):
    config = {"identifier_case": case, "load_method": load_method}
    first, second = (schema(name, ["id"], id=INTEGER) for name in ("Orders", "orders"))
    box.feed(first, record("Orders", {"id": 1}), **config)
    [table] = box.tables()
    with pytest.raises(ContractBrokenError) as caught:
        box.feed(second, record("orders", {"id": 2}), **config)
    assert str(caught.value) == (
        f"Table {table!r} holds the rows of stream 'Orders', and stream 'orders' differs from it in case alone. If it is the "
        "same, name it 'Orders' with a stream map (__alias__), else by any other name, then run again; nothing was changed."
    )
    box.feed(second, record("orders", {"id": 3}), **config, stream_maps={"orders": {"__alias__": "Orders"}})
    assert box.tables() == [table]
    assert "2" not in {row[next(iter(row))] for row in box.rows(table)}


@pytest.mark.parametrize("emulated", ["redshift_box", "snowflake_box"])
def test_a_warehouse_whose_names_have_one_case_refuses_the_second_stream_too(request, emulated):
    box = request.getfixturevalue(emulated)
    box.config.pop("identifier_case", None)
    first, second = (schema(name, ["id"], id=INTEGER) for name in ("Orders", "orders"))
    box.feed(first, record("Orders", {"id": 1}))
    with pytest.raises(ContractBrokenError, match="holds the rows of stream 'Orders'"):
        box.feed(second, record("orders", {"id": 2}))


@pytest.mark.parametrize("case", ["lower", "upper"])
def test_streams_that_were_loaded_together_once_keep_their_tables_when_they_come_alone(box, case):
    lines = {name: schema(name, ["id"], id=INTEGER) for name in ("Orders", "orders")}
    both = [(line, record(name, {"id": 1})) for name, line in lines.items()]
    box.feed(*both[0], *both[1], identifier_case=case)
    before = box.tables()
    assert len(before) == 2
    for number, (name, line) in enumerate(reversed(lines.items()), 2):
        box.feed(line, record(name, {"id": number}), identifier_case=case)
    assert box.tables() == before
    assert sorted(len(box.rows(table)) for table in before) == [2, 2]


def test_a_name_is_asked_for_where_it_may_be_another_streams_alone(box, monkeypatch):
    """An unchanged table costs as many statements as before, and so does a new one."""
    asked = []
    monkeypatch.setattr("target_looker_warehouse.loads.read_streams", lambda *_: asked.append(1))
    box.feed(schema("Orders", ["id"], id=INTEGER), record("Orders", {"id": 1}))
    box.feed(schema("Orders", ["id"], id=INTEGER), record("Orders", {"id": 1}))
    box.feed(schema("Lines", ["id"], id=INTEGER), identifier_case="upper", schema="erp")
    assert asked == []
