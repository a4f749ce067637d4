"""Rows that are refused lie in the dead letters as they came, and a replay brings them out again."""

import io
import json
import os
from typing import ClassVar

import pytest
from ifs_bi_core.dead_letter.letter import RefusedRow, RowState, State
from ifs_bi_core.dead_letter.store import DeadLetters
from ifs_bi_core.errors import ConfigError, ExitCode, IfsBiError, OutcomeUnknownError, RowRejectedError
from ifs_bi_core.ledger.database import LedgerError
from ifs_bi_core.replay.key import letter_key
from ifs_bi_core.singer.account import TARGET_SETTINGS
from ifs_bi_core.singer.sinks import RowSink
from ifs_bi_core.singer.target import OrderedTarget
from ifs_bi_core.vault.store import Vault
from singer_sdk import typing as th
from singer_sdk.plugin_base import _ConfigInput

PROPERTIES = b'"id": {"type":"integer"}, "amount":{"type": "number"}'
SCHEMA = b'{"type": "SCHEMA","stream": "orders", "schema":{"properties":{%b}},"key_properties":["id"]}' % PROPERTIES
WIDER = SCHEMA.replace(b'"amount"', b'"extra": {"type":["string", "null"]}, "amount"')
STATE = b'{"type": "STATE", "value": {"at": 1}}'


class PickySink(RowSink):
    """Delivers what the test says it takes."""

    def shape(self):
        self._prepared = []

    def prepare(self, rows):
        unfit = {place: "it is unfit" for place, row in enumerate(rows) if row["id"] in PickyTarget.unfit}
        self._prepared += [row for place, row in enumerate(rows) if place not in unfit]
        return unfit

    def deliver(self, first, count, *_):
        rows = self._prepared[first : first + count]
        if PickyTarget.vanishes:
            raise OutcomeUnknownError("No answer came.")
        if any(row["id"] in PickyTarget.refused for row in rows):
            raise RowRejectedError("it is refused")
        PickyTarget.delivered += [(self.stream_name, row["id"]) for row in rows]
        return PickyTarget.outdated

    def held_of(self, _, rows):
        return rows if PickyTarget.holds else 0

    def forget(self):
        self._prepared = []


class PickyTarget(OrderedTarget):
    name = "target-picky"
    config_jsonschema: ClassVar[dict] = th.PropertiesList(*TARGET_SETTINGS).to_dict()
    default_sink_class = PickySink
    destination = "here"
    unfit: ClassVar[set] = set()
    refused: ClassVar[set] = set()
    vanishes: ClassVar[bool] = False
    holds: ClassVar[bool] = False
    outdated: ClassVar[int] = 0
    delivered: ClassVar[list] = []


@pytest.fixture
def letters(tmp_path):
    return DeadLetters(tmp_path, key=letter_key(tmp_path, create=False))


@pytest.fixture
def run(tmp_path, monkeypatch):
    """One run over lines, for which the target's attributes are as given; exit code, and which rows were delivered."""

    def ran(*lines, config=None, **attributes):
        with monkeypatch.context() as patched:
            for name, value in {"delivered": [], **attributes}.items():
                patched.setattr(PickyTarget, name, value)
            settings = _ConfigInput({"state_dir": str(tmp_path), **(config or {})})
            code = PickyTarget.invoke(config=settings, file_input=io.BytesIO(b"\n".join(lines)))
            return code, sorted(number for _, number in PickyTarget.delivered)

    return ran


def record(number):
    return b'{"type":"RECORD", "stream":"orders","record":{"id":%d, "amount": 1.10}}' % number


def replayed(letters, state=State.PENDING):
    """The lines of a replay of all letters in a state."""
    return [line for letter in letters.letters(state) for line in letters.take(letter)]


def rows_of(letters):
    return {letter.id: [row.state for row in letters.details(letter.id)] for letter in letters.letters()}


def foreign(letters, *numbers, destination="elsewhere"):
    """A letter that another destination refused."""
    rows = [RefusedRow(record(number), "there is no room") for number in numbers]
    return letters.put("orders", schema=SCHEMA, rows=rows, run="R", destination=destination).id


@pytest.mark.parametrize("why", ["unfit", "refused"])
def test_a_row_lies_in_a_letter_as_it_came_also_where_a_map_renames_its_stream(run, letters, why):
    maps = {"orders": {"__alias__": "renamed", "amount": "record['amount'] * 2"}}
    code, delivered = run(SCHEMA, *map(record, range(3)), config={"stream_maps": maps}, **{why: {1}})
    assert (code, delivered) == (ExitCode.DEAD_LETTERS, [0, 2])
    [letter] = letters.letters()
    assert (letter.stream, letter.destination, letter.reason) == ("orders", "here", f"it is {why}")
    assert letters.payload(letter.id) == [SCHEMA, record(1)]
    [row] = letters.details(letter.id)
    assert json.loads(row.key) == {"id": "1"}
    code, delivered = run(*replayed(letters), config={"stream_maps": maps})
    assert (code, delivered) == (ExitCode.DONE, [1])
    assert [letter.state for letter in letters.letters()] == [State.DONE]


@pytest.mark.parametrize("why", ["unfit", "refused"])
def test_rows_after_another_schema_lie_in_another_letter(run, letters, why):
    run(SCHEMA, record(1), WIDER, record(2), **{why: {1, 2}})
    assert [letters.payload(letter.id) for letter in letters.letters()] == [[SCHEMA, record(1)], [WIDER, record(2)]]


def test_a_letter_holds_a_bounded_number_of_rows_and_none_is_missing(run, letters):
    code, delivered = run(SCHEMA, *map(record, range(1001)), unfit=set(range(1001)))
    assert (code, delivered) == (ExitCode.DEAD_LETTERS, [])
    assert [letter.rows for letter in letters.letters()] == [500, 500, 1]
    lines = [line for letter in letters.letters() for line in letters.payload(letter.id)[1:]]
    assert lines == [record(number) for number in range(1001)]


def test_no_state_leaves_before_what_was_refused_lies_on_disk(run, letters, capsys):
    letters.folder.write_text("in the way")
    with pytest.raises(IfsBiError, match="dead letters can't be written"):
        run(SCHEMA, record(1), STATE, unfit={1})
    assert capsys.readouterr().out == ""


def test_a_row_that_is_refused_again_stays_in_its_letter(run, letters):
    run(SCHEMA, record(1), record(2), record(3), unfit={1}, refused={2, 3})
    first = rows_of(letters)
    code, delivered = run(*replayed(letters), unfit={1}, refused={2})
    assert (code, delivered) == (ExitCode.DEAD_LETTERS, [3])
    assert rows_of(letters).keys() == first.keys()
    states = sorted(state for states in rows_of(letters).values() for state in states)
    assert states == [RowState.DONE, RowState.REFUSED, RowState.REFUSED]
    assert run(*replayed(letters, State.REFUSED)) == (ExitCode.DONE, [1, 2])
    assert {letter.state for letter in letters.letters()} == {State.DONE}


def test_a_letter_tells_that_the_destination_holds_something_newer(run, letters):
    run(SCHEMA, record(1), refused={1})
    run(*replayed(letters), outdated=1)
    [letter] = letters.letters(State.DONE)
    [row] = letters.details(letter.id)
    assert row.note == "1 rows were older than what the destination holds, and left aside"


def test_a_replayed_row_that_a_stream_map_leaves_out_is_answered(run, letters):
    run(SCHEMA, record(1), record(2), unfit={1, 2})
    maps = {"orders": {"__filter__": "record['id'] > 1"}}
    code, delivered = run(*replayed(letters), config={"stream_maps": maps})
    assert (code, delivered) == (ExitCode.DONE, [2])
    (letter,) = letters.letters(State.DONE)
    assert [row.note for row in letters.details(letter.id)] == ["a stream map leaves it out", None]


@pytest.mark.parametrize("why", ["unfit", "refused"])
def test_the_letter_of_another_destination_is_given_back(run, letters, why):
    theirs = foreign(letters, 1, 2)
    code, delivered = run(*replayed(letters), **{why: {2}})
    assert (code, delivered) == (ExitCode.DEAD_LETTERS, [1])
    pending, ours = letters.letters(State.PENDING)
    assert (pending.id, pending.destination, pending.undelivered) == (theirs, "elsewhere", 2)
    assert ours.destination == "here"
    assert letters.payload(ours.id) == [SCHEMA, record(2)]


@pytest.mark.parametrize("why", ["unfit", "refused"])
def test_a_letter_that_is_not_in_this_folder_is_no_place_for_a_row(run, letters, tmp_path, why):
    away = DeadLetters(tmp_path / "away")
    foreign(away, 1, destination="here")
    run(*replayed(away), **{why: {1}})
    [ours] = letters.letters()
    assert letters.payload(ours.id) == [SCHEMA, record(1)]


@pytest.mark.parametrize("arrived", [True, False])
def test_what_became_of_a_replay_is_found_out_by_the_next_run(run, letters, arrived):
    run(SCHEMA, record(1), refused={1})
    theirs = foreign(letters, 2)
    with pytest.raises(OutcomeUnknownError):
        run(*replayed(letters), vanishes=True)
    [ours] = rows_of(letters).keys() - {theirs}
    assert rows_of(letters) == {ours: [RowState.PENDING], theirs: [RowState.PENDING]}
    run(SCHEMA, holds=arrived)
    assert rows_of(letters) == {ours: [RowState.DONE if arrived else RowState.PENDING], theirs: [RowState.PENDING]}
    assert {letter.id: letter.state for letter in letters.letters()}[theirs] is State.PENDING


def test_a_replay_that_stops_at_a_refused_row_can_be_begun_again(run, letters):
    run(SCHEMA, record(1), record(2), record(3), unfit={1}, refused={2, 3})
    for why in ({"unfit": {1}}, {"unfit": {2}}, {"refused": {3}}):
        with pytest.raises(RowRejectedError):
            run(*replayed(letters), config={"on_row_error": "fail"}, **why)
        assert {letter.state for letter in letters.letters()} == {State.PENDING}
    assert run(*replayed(letters), config={"on_row_error": "fail"}) == (ExitCode.DONE, [1, 2, 3])


def test_a_replay_that_can_t_be_written_ahead_can_be_begun_again(run, letters, tmp_path):
    run(SCHEMA, record(1), unfit={1})
    lines = replayed(letters)
    tmp_path.joinpath("batches").write_text("in the way")
    with pytest.raises(LedgerError, match="can't be written"):
        run(*lines)
    assert [letter.state for letter in letters.letters()] == [State.PENDING]


@pytest.mark.parametrize("why", ["unfit", "refused"])
def test_letters_are_sealed_where_there_is_a_vault(run, letters, tmp_path, why):
    Vault.within(tmp_path, {}).set("ifs", "secret")
    run(SCHEMA, record(1), **{why: {1}})
    [letter] = letters.letters()
    assert letter.sealed
    assert letters.payload(letter.id) == [SCHEMA, record(1)]
    rows = letters.folder / State.PENDING / letter.id / "rows.singer.sealed"
    assert b"amount" not in rows.read_bytes()
    assert run(*replayed(letters)) == (ExitCode.DONE, [1])


def test_a_vault_that_can_t_be_opened_stops_the_run_before_anything_is_delivered(run, tmp_path, monkeypatch):
    vault = Vault.within(tmp_path, {})
    vault.set("ifs", "secret")
    vault.path.write_bytes(os.urandom(200))
    delivered = []
    with pytest.raises(ConfigError, match="vault"):
        run(SCHEMA, record(1), delivered=delivered)
    assert delivered == []
    assert not list(tmp_path.glob("batches/*/*"))
