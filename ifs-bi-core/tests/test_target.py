"""A target that keeps the order of what it is told."""

import io
import json
from typing import ClassVar

import pytest
from ifs_bi_core.dead_letter.store import DeadLetters
from ifs_bi_core.errors import ContractBrokenError, ExitCode, RowRejectedError
from ifs_bi_core.ledger import history
from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_core.singer.account import TARGET_SETTINGS
from ifs_bi_core.singer.sinks import RowSink
from ifs_bi_core.singer.target import OrderedTarget
from singer_sdk import typing as th
from singer_sdk.plugin_base import _ConfigInput

SCHEMA = {"properties": {"id": {"type": "integer"}, "name": {"type": ["string", "null"]}}}
WIDER = {"properties": {**SCHEMA["properties"], "extra": {"type": ["number", "null"], "multipleOf": 0.01}}}


class NotingSink(RowSink):
    """Notes what happens, in order; a row called ``refused`` is."""

    def shape(self):
        self._prepared = []

    def prepare(self, rows):
        self._prepared += rows
        return {}

    def deliver(self, first, count, *_):
        rows = self._prepared[first : first + count]
        if any(row.get("name") == "refused" for row in rows):
            raise RowRejectedError("it is refused")
        NotingTarget.events.append(("load", [row["id"] for row in rows]))
        return 0

    def held_of(self, _, rows):
        return rows

    def forget(self):
        self._prepared = []

    def activate_version(self, new_version):
        NotingTarget.events.append(("activate", new_version))

    def finish(self):
        NotingTarget.events.append("finish")


class NotingTarget(OrderedTarget):
    name = "target-noting"
    config_jsonschema: ClassVar[dict] = th.PropertiesList(*TARGET_SETTINGS).to_dict()
    default_sink_class = NotingSink
    destination = "notes"
    events: ClassVar[list] = []


@pytest.fixture
def run(tmp_path):
    """What a target does with messages, until it finishes."""

    def ran(*messages: dict, **config) -> list:
        invoke(tmp_path, *messages, **config)
        assert NotingTarget.events.pop() == "finish"
        return list(NotingTarget.events)

    return ran


def invoke(state_dir, *messages: dict, **config) -> ExitCode:
    NotingTarget.events.clear()
    lines = io.BytesIO(b"".join(json.dumps(message).encode() + b"\n" for message in messages))
    return NotingTarget.invoke(config=_ConfigInput({"state_dir": str(state_dir), **config}), file_input=lines)


def schema(definition=SCHEMA, keys=("id",)) -> dict:
    return {"type": "SCHEMA", "stream": "s", "schema": definition, "key_properties": list(keys)}


def record(number, **values) -> dict:
    return {"type": "RECORD", "stream": "s", "record": {"id": number, **values}}


def test_rows_of_the_old_schema_are_delivered_before_those_of_the_new_one(run):
    assert run(schema(), record(1), schema(WIDER), record(2)) == [("load", [1]), ("load", [2])]


def test_a_schema_that_is_sent_again_changes_nothing(run):
    assert run(schema(), record(1), schema(), record(2)) == [("load", [1, 2])]


def test_a_version_is_activated_after_the_rows_before_it(run):
    activate = {"type": "ACTIVATE_VERSION", "stream": "s", "version": 7}
    assert run(schema(), record(1), activate, record(2)) == [("load", [1]), ("activate", 7), ("load", [2])]


def test_a_full_batch_is_delivered_at_once(run):
    assert run(schema(), *map(record, range(5)), batch_size_rows=2) == [
        ("load", [0, 1]),
        ("load", [2, 3]),
        ("load", [4]),
    ]


def test_state_leaves_after_the_rows_before_it(run, capsys):
    run(schema(), record(1), {"type": "STATE", "value": {"bookmark": 0.1, "n": 12345678901234567890123}})
    assert capsys.readouterr().out == '{"bookmark":0.1,"n":12345678901234567890123}\n'


def test_no_state_leaves_when_a_row_is_refused(run, capsys):
    with pytest.raises(RowRejectedError, match=r"s: the row id='x' can't be delivered: data.id must be integer"):
        run(schema(), {"type": "STATE", "value": {"a": 1}}, record("x"), on_row_error="fail")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("row", [{"name": "no key"}, {"id": None}])
def test_a_row_without_its_key_is_refused(run, row):
    with pytest.raises(RowRejectedError, match="its key id is missing or null"):
        run(schema(), {"type": "RECORD", "stream": "s", "record": row}, on_row_error="fail")


def test_a_delete_needs_its_key_alone(run):
    required = {**SCHEMA, "required": ["id", "name"]}
    assert run(schema(required), record(1, _sdc_deleted_at="2026-01-01T00:00:00Z")) == [("load", [1])]


def test_a_message_before_its_schema_is_refused(run):
    with pytest.raises(ContractBrokenError, match="'s' came before its SCHEMA"):
        run(record(1))


def test_a_schema_without_its_key_property_is_refused(run):
    with pytest.raises(ContractBrokenError, match="names keys that it has no property for: nr"):
        run(schema(keys=["nr"]))


def test_precision_is_no_matter_of_the_shape(run):
    assert run(schema(WIDER), record(1, extra=0.07), record(2, extra=0.123)) == [("load", [1, 2])]


def test_a_property_may_be_called_like_a_keyword(run):
    odd = {"properties": {"id": {"type": "integer"}, "format": {"type": "string"}, "multipleOf": {"type": "integer"}}}
    with pytest.raises(RowRejectedError, match="format must be string"):
        run(schema(odd), record(1, format=3), on_row_error="fail")


STATE = {"type": "STATE", "value": {"a": 1}}
BAD_ROWS = [record("x"), record(None), record(2, name="refused")]


def ending(state_dir):
    """The exit code that the ledger holds, and the rows of stream ``s`` by what became of them."""
    ledger = Ledger.open(None, state_dir, create=False)
    try:
        [part] = history.runs(ledger)
        balance = history.balance(ledger, part.run)
        assert balance.holds
        return part.exit_code, balance.streams
    finally:
        ledger.close()


@pytest.mark.parametrize("bad", BAD_ROWS)
def test_a_run_that_must_not_lose_a_row_stops_at_the_first_that_is_refused(tmp_path, capsys, bad):
    with pytest.raises(RowRejectedError, match=r"it is refused|can't be delivered") as stopped:
        invoke(tmp_path, schema(), record(1), bad, STATE, on_row_error="fail")
    assert stopped.value.exit_code is ExitCode.FAILED
    assert capsys.readouterr().out == ""
    assert NotingTarget.events == []
    assert DeadLetters(tmp_path).letters() == []
    code, lines = ending(tmp_path)
    assert code == ExitCode.FAILED
    assert all(line.dead == 0 for line in lines)


@pytest.mark.parametrize("bad", BAD_ROWS)
def test_a_run_that_puts_a_row_aside_goes_on_and_says_so(tmp_path, capsys, caplog, bad):
    assert invoke(tmp_path, schema(), record(1), bad, record(3), STATE) is ExitCode.DEAD_LETTERS
    assert capsys.readouterr().out == '{"a":1}\n'
    assert sorted(number for _, numbers in NotingTarget.events[:-1] for number in numbers) == [1, 3]
    [letter] = DeadLetters(tmp_path).letters()
    assert (letter.stream, letter.destination, letter.rows) == ("s", "notes", 1)
    code, [line] = ending(tmp_path)
    assert code == ExitCode.DEAD_LETTERS
    assert (line.read, line.acknowledged, line.dead) == (3, 2, 1)
    assert caplog.messages[-1] == (
        "1 rows went to the dead letters (s 1); everything else was delivered. See the reasons with: ifs-bi dead-letters list. "
        "When the cause is gone, send them again with: ifs-bi replay | target-noting."
    )


def test_a_run_without_a_bad_row_says_nothing_of_dead_letters(tmp_path, caplog):
    assert invoke(tmp_path, schema(), record(1), STATE) is ExitCode.DONE
    assert "dead" not in caplog.text
    code, [line] = ending(tmp_path)
    assert code == ExitCode.DONE
    assert (line.read, line.acknowledged, line.dead) == (1, 1, 0)


def test_state_waits_for_the_end_where_the_destination_shows_rows_then(tmp_path, capsys, monkeypatch):
    def full(sink):
        raise RowRejectedError("there is no room")

    monkeypatch.setattr(NotingTarget, "confirms_at_end", True)
    monkeypatch.setattr(NotingSink, "finish", full)
    with pytest.raises(RowRejectedError, match="no room"):
        invoke(tmp_path, schema(), record(1), STATE)
    assert capsys.readouterr().out == ""
    code, [line] = ending(tmp_path)
    assert (code, line.acknowledged, line.unknown) == (ExitCode.FAILED, 0, 1)
