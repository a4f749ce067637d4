"""Whatever comes through the pipe: the run ends with a sentence or the row lies in the dead letters, and nothing is lost."""

import json
import os

import duckdb
import pytest
from hostile import TEXTS, VALUES, assert_told, last_said
from hostile_lines import NO_MESSAGES, PROPERTIES, REFUSED_ROWS, STREAM, TAKEN_ROWS, row_line, schema_line
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_core.dead_letter.store import DeadLetters
from ifs_bi_core.errors import ExitCode
from pipeline.forked import run_forked

PATIENCE = 60
ROWS = 3


class Ended:
    """How the command ended over some lines, and what it left behind."""

    def __init__(self, folder, data, **config):
        place = folder / "config.json"
        file, state_dir = folder / "warehouse.duckdb", folder / "state"
        place.write_text(json.dumps({"warehouse_url": f"duckdb:///{file}", "state_dir": str(state_dir)} | config))
        arguments = ["--config", str(place)]
        code, out, err = run_forked(
            "target-looker-warehouse", arguments, data, folder, {**os.environ}, timeout=PATIENCE
        )
        self.code, self.err = code, err.decode()
        self.states = [json.loads(line)["at"] for line in out.splitlines()]
        self.ids = set()
        if file.exists():
            with duckdb.connect(file, read_only=True) as warehouse:
                there = warehouse.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = ?", [STREAM]).fetchall()
                self.ids = (
                    {number for (number,) in warehouse.execute(f"SELECT id FROM {STREAM}").fetchall()}
                    if there
                    else set()
                )
        letters = DeadLetters(state_dir)
        self.dead = [row for letter in letters.letters() for row in letters.details(letter.id)]

    def assert_told(self):
        assert_told(self.code, self.err)


def around(line, end=b"\n"):
    """Good rows and states before and behind a line; the state tells the last row before it."""
    before = [
        part for n in range(1, ROWS) for part in (row_line(b'{"id":%d}' % n), b'{"type":"STATE","value":{"at":%d}}' % n)
    ]
    behind = [row_line(b'{"id":%d}' % ROWS), b'{"type":"STATE","value":{"at":%d}}' % ROWS]
    return end.join([schema_line(), *before, line, *behind])


@pytest.mark.parametrize("line", REFUSED_ROWS.values(), ids=REFUSED_ROWS)
def test_a_row_that_nobody_can_take_goes_to_the_dead_letters_and_all_others_arrive(tmp_path, line):
    ended = Ended(tmp_path, around(line))
    ended.assert_told()
    assert (ended.code, ended.ids, ended.states[-1]) == (ExitCode.DEAD_LETTERS, {1, 2, 3}, ROWS)
    [row] = ended.dead
    assert 10 < len(row.reason) < 300


@pytest.mark.parametrize("line", TAKEN_ROWS.values(), ids=TAKEN_ROWS)
def test_an_odd_row_that_can_be_taken_arrives(tmp_path, line):
    ended = Ended(tmp_path, around(line))
    assert (ended.code, ended.ids & {1, 2, 3}, len(ended.ids)) == (ExitCode.DONE, {1, 2, 3}, 4), last_said(ended.err)
    assert ended.states[-1] == ROWS


@pytest.mark.parametrize("line", NO_MESSAGES.values(), ids=NO_MESSAGES)
def test_a_line_that_is_no_message_ends_the_run_with_a_sentence_and_no_state_goes_past_it(tmp_path, line):
    ended = Ended(tmp_path, around(line))
    ended.assert_told()
    assert ended.code == ExitCode.FAILED
    assert max(ended.states, default=0) < ROWS
    assert set(range(1, max(ended.states, default=0) + 1)) <= ended.ids


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_the_last_line_needs_no_end(tmp_path, end):
    ended = Ended(tmp_path, around(row_line(b'{"id":4}'), end))
    assert (ended.code, ended.ids, ended.states[-1]) == (ExitCode.DONE, {1, 2, 3, 4}, ROWS)


# What nobody thought of: a message with anything anywhere, and a line with any damage.

NUMBERS = st.sampled_from(
    ["1e400", "-1e-400", "1e99999999999999999999", "9" * 5000, "9223372036854775808", "-0", "NaN", "0.1"]
)
NAMES = (
    st.sampled_from([*PROPERTIES, "_sdc_deleted_at", "_sdc_table_version", "_ifs_row_version", "dead_letter", ""])
    | TEXTS
)


@st.composite
def odd_rows(draw):
    """A RECORD whose row or envelope holds anything; its numbers are those that JSON has and Python's floats don't."""
    row = {"id": draw(st.just(1000) | VALUES)} | draw(st.dictionaries(NAMES, VALUES | st.just("@"), max_size=4))
    message = {"type": "RECORD", "stream": STREAM, "record": row}
    members = st.sampled_from(["version", "time_extracted", "record", "dead_letter", "more"])
    message |= draw(st.dictionaries(members, VALUES, max_size=1))
    return json.dumps(message).replace('"@"', draw(NUMBERS)).encode()


@st.composite
def odd_schemas(draw):
    """A SCHEMA of which one property, or one keyword of it, is anything."""
    keywords = [
        "type",
        "format",
        "multipleOf",
        "precision",
        "scale",
        "anyOf",
        "enum",
        "pattern",
        "$ref",
        "items",
        "properties",
        "required",
        "maxLength",
        "const",
    ]
    definitions = st.dictionaries(
        st.sampled_from(keywords),
        VALUES | st.sampled_from(["string", "number", ["integer", "null"], "#", 10, 2]),
        max_size=3,
    )
    properties = PROPERTIES | draw(st.dictionaries(NAMES, definitions, max_size=2))
    members = draw(
        st.dictionaries(
            st.sampled_from(["key_properties", "bookmark_properties", "run", "required"]), VALUES, max_size=1
        )
    )
    return schema_line(
        {"properties": properties} | draw(st.dictionaries(st.sampled_from(keywords), VALUES, max_size=1)), **members
    )


@st.composite
def damaged(draw, lines):
    """A line with bytes taken out, put in and changed."""
    line = bytearray(draw(lines))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(line)))
        end = draw(st.integers(at, min(len(line), at + 9)))
        line[at:end] = draw(
            st.binary(max_size=3)
            | st.sampled_from([b'"', b"\\", b"{", b"}", b"]", b",", b"null", b"\\ud800", b"\n", b"\r", b"\x00"])
        )
    return bytes(line)


GOOD_ROWS = st.just(row_line(b'{"id":1000,"a":"\xc3\xa9","m":0.10,"j":{"k":[1]},"d":"2026-01-01T00:00:00Z"}'))
ODD = st.lists(odd_rows() | damaged(odd_rows()) | damaged(GOOD_ROWS), min_size=1, max_size=4).map(b"\n".join)


def holds_for(folder, line):
    """The law: told how it ended, and every row that a state stands for is in the warehouse or in the dead letters."""
    ended = Ended(folder, around(line))
    ended.assert_told()
    dead = " ".join(row.key or "" for row in ended.dead)
    last = max((at for at in ended.states if type(at) is int), default=0)
    lost = [n for n in range(1, last + 1) if n not in ended.ids and f'"{n}"' not in dead]
    assert not lost
    if ended.code in {ExitCode.DONE, ExitCode.DEAD_LETTERS}:
        assert last == ROWS


@settings(max_examples=15, deadline=None)
@given(ODD)
def test_no_row_whatever_it_holds_is_lost_or_ends_without_a_sentence(tmp_path_factory, line):
    holds_for(tmp_path_factory.mktemp("odd"), line)


@settings(max_examples=15, deadline=None)
@given(odd_schemas() | damaged(st.just(schema_line())))
def test_no_schema_whatever_it_says_loses_what_came_before_it(tmp_path_factory, line):
    ended = Ended(tmp_path_factory.mktemp("odd"), around(line))
    ended.assert_told()
    last = max((at for at in ended.states if type(at) is int), default=0)
    assert ended.ids >= set(range(1, min(last, ROWS - 1) + 1))


@pytest.mark.prove
@settings(max_examples=400, deadline=None)
@given(ODD)
def test_no_row_is_lost_over_many(tmp_path_factory, line):
    holds_for(tmp_path_factory.mktemp("odd"), line)


@pytest.mark.prove
@settings(max_examples=400, deadline=None)
@given(odd_schemas() | damaged(odd_schemas()))
def test_no_schema_loses_anything_over_many(tmp_path_factory, line):
    ended = Ended(tmp_path_factory.mktemp("odd"), around(line))
    ended.assert_told()
