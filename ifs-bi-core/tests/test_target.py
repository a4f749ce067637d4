"""A target that keeps the order of what it is told."""

import io
import json
from typing import ClassVar

import pytest
from ifs_bi_core.errors import ContractBrokenError, RowRejectedError
from ifs_bi_core.singer.target import OrderedTarget, RowSink

SCHEMA = {"properties": {"id": {"type": "integer"}, "name": {"type": ["string", "null"]}}}
WIDER = {"properties": {**SCHEMA["properties"], "extra": {"type": ["number", "null"], "multipleOf": 0.01}}}


class NotingSink(RowSink):
    """Notes what happens, in order."""

    def load(self, rows):
        self._target_events.append(("load", [row["id"] for row in rows]))

    def activate_version(self, new_version):
        self._target_events.append(("activate", new_version))

    @property
    def _target_events(self):
        return NotingTarget.events


class NotingTarget(OrderedTarget):
    name = "target-noting"
    config_jsonschema: ClassVar[dict] = {"properties": {}}
    default_sink_class = NotingSink
    events: ClassVar[list] = []


def run(*messages: dict, **config) -> list:
    NotingTarget.events.clear()
    NotingTarget(config=config).listen(io.BytesIO(b"".join(json.dumps(m).encode() + b"\n" for m in messages)))
    return list(NotingTarget.events)


def schema(definition=SCHEMA, keys=("id",)) -> dict:
    return {"type": "SCHEMA", "stream": "s", "schema": definition, "key_properties": list(keys)}


def record(number, **values) -> dict:
    return {"type": "RECORD", "stream": "s", "record": {"id": number, **values}}


def test_rows_of_the_old_schema_are_delivered_before_those_of_the_new_one():
    assert run(schema(), record(1), schema(WIDER), record(2)) == [("load", [1]), ("load", [2])]


def test_a_schema_that_is_sent_again_changes_nothing():
    assert run(schema(), record(1), schema(), record(2)) == [("load", [1, 2])]


def test_a_version_is_activated_after_the_rows_before_it():
    activate = {"type": "ACTIVATE_VERSION", "stream": "s", "version": 7}
    assert run(schema(), record(1), activate, record(2)) == [("load", [1]), ("activate", 7), ("load", [2])]


def test_a_full_batch_is_delivered_at_once():
    assert run(schema(), *map(record, range(5)), batch_size_rows=2) == [
        ("load", [0, 1]),
        ("load", [2, 3]),
        ("load", [4]),
    ]


def test_state_leaves_after_the_rows_before_it(capsys):
    run(schema(), record(1), {"type": "STATE", "value": {"bookmark": 0.1, "n": 12345678901234567890123}})
    assert capsys.readouterr().out == '{"bookmark":0.1,"n":12345678901234567890123}\n'


def test_no_state_leaves_when_a_row_is_refused(capsys):
    with pytest.raises(RowRejectedError, match=r"s: the row id='x' can't be delivered: data.id must be integer"):
        run(schema(), {"type": "STATE", "value": {"a": 1}}, record("x"))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("row", [{"name": "no key"}, {"id": None}])
def test_a_row_without_its_key_is_refused(row):
    with pytest.raises(RowRejectedError, match="its key id is missing or null"):
        run(schema(), {"type": "RECORD", "stream": "s", "record": row})


def test_a_delete_needs_its_key_alone():
    required = {**SCHEMA, "required": ["id", "name"]}
    assert run(schema(required), record(1, _sdc_deleted_at="2026-01-01T00:00:00Z")) == [("load", [1])]


def test_a_message_before_its_schema_is_refused():
    with pytest.raises(ContractBrokenError, match="'s' came before its SCHEMA"):
        run(record(1))


def test_a_schema_without_its_key_property_is_refused():
    with pytest.raises(ContractBrokenError, match="names keys that it has no property for: nr"):
        run(schema(keys=["nr"]))


def test_precision_is_no_matter_of_the_shape():
    assert run(schema(WIDER), record(1, extra=0.07), record(2, extra=0.123)) == [("load", [1, 2])]


def test_a_property_may_be_called_like_a_keyword():
    odd = {"properties": {"id": {"type": "integer"}, "format": {"type": "string"}, "multipleOf": {"type": "integer"}}}
    with pytest.raises(RowRejectedError, match="format must be string"):
        run(schema(odd), record(1, format=3))
