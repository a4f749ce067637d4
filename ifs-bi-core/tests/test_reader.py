"""Lines reach whoever takes them in their order, alone or many at once, however the input is cut."""

import fcntl
import io
import json
import os
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.errors import ContractBrokenError
from ifs_bi_core.singer.pipes import ReadAhead, widen
from ifs_bi_core.singer.reader import LineReader

SCHEMA = b'{"type":"SCHEMA","stream":"a","schema":{"properties":{}}}'
STATE = b'{"type":"STATE","value":{}}'
STREAMS = ("a", "b", 'q"\\')


def record(stream, number, spaces, *, late=False):
    message = {"type": "RECORD", "stream": stream, "record": {"n": number}}
    if late:  # what it is comes last, as some taps have it
        message = dict(reversed(message.items()))
    return json.dumps(message, separators=(", ", ": ") if spaces else (",", ":")).encode()


LINES = st.lists(
    st.one_of(
        st.builds(record, st.sampled_from(STREAMS), st.integers(0, 9), st.booleans(), late=st.booleans()),
        st.sampled_from([SCHEMA, STATE]),
    ),
    max_size=30,
)


class Pipe(io.RawIOBase):
    """Gives what it holds in pieces, as a pipe does."""

    def __init__(self, data, sizes):
        self._data, self._sizes = io.BytesIO(data), sizes

    def read1(self, size):
        return self._data.read(min(size, next(self._sizes)))


class Taker:
    """Takes lines of some streams; everything that came, in its order."""

    def __init__(self, *streams):
        self.streams = streams
        self.came = []
        self.at_once = 0

    def takes_lines(self, stream):
        return stream in self.streams

    def take_lines(self, stream, lines, count, number):
        assert lines.count(b"\n") == count - 1
        for place, line in enumerate(lines.split(b"\n")):
            self.came.append((number + place, json.loads(line)))
            assert self.came[-1][1]["stream"] == stream
        self.at_once += count

    def read(self, source):
        reader = LineReader()
        reader.taker = self
        kinds = ("RECORD", "SCHEMA", "STATE")
        return reader.process_lines(source, dict.fromkeys(kinds, lambda message: self.came.append((0, message))))


@given(LINES, st.sampled_from([b"\n", b"\r\n"]), st.booleans(), st.integers(1, 200))
def test_every_message_comes_once_in_its_order_however_the_input_is_cut(lines, end, ended, size):
    data = end.join(lines) + (end if ended and lines else b"")
    taker = Taker("a", 'q"\\')
    counts = taker.read(Pipe(data, iter(lambda: size, None)))
    assert [message for _, message in taker.came] == [json.loads(line) for line in lines]
    assert all(number in {0, place} for place, (number, _) in enumerate(taker.came, 1))
    assert counts == Counter(json.loads(line)["type"] for line in lines)


def test_lines_that_begin_alike_come_together_once_the_first_was_read():
    taker = Taker("a")
    taker.read(io.BytesIO(b"\n".join([SCHEMA, *(record("a", n, spaces=True) for n in range(100))])))
    assert taker.at_once == 99


def test_a_stream_that_nobody_takes_lines_of_comes_line_by_line():
    taker = Taker()
    taker.read(io.BytesIO(b"\n".join(record("a", n, spaces=False) for n in range(3))))
    assert (taker.at_once, len(taker.came)) == (0, 3)


def test_a_new_schema_asks_again_who_takes_lines():
    taker = Taker("a")
    rows = [record("a", n, spaces=False) for n in range(3)]
    taker.read(io.BytesIO(b"\n".join([*rows, SCHEMA, *rows])))
    assert taker.at_once == 4


def test_a_line_longer_than_what_is_read_at_once_is_one_line():
    line = json.dumps({"type": "STATE", "value": {"a": "x" * 3_000_000}}).encode()
    taker = Taker()
    taker.read(io.BytesIO(line + b"\n" + STATE))
    assert [message["type"] for _, message in taker.came] == ["STATE", "STATE"]


@pytest.mark.parametrize("bad", [b"", b"{", b"[]", b'{"stream":"a"}'], ids=["empty", "cut", "a list", "no type"])
def test_a_line_that_is_no_message_is_named_by_its_number(bad):
    rows = [record("a", n, spaces=False) for n in range(5)]
    with pytest.raises(ContractBrokenError, match="Line 6 of the input is no Singer message"):
        Taker("a").read(io.BytesIO(b"\n".join([*rows, bad, *rows])))


def test_a_line_that_was_taken_is_read_again_by_its_number():
    reader = LineReader()
    reader.deserialize_json(STATE)
    row = record("a", 1, spaces=False)
    with reader.again(row, 7) as message:
        assert (message, reader.line) == (json.loads(row), row)
    assert reader.line == STATE  # it is worked on still
    with pytest.raises(ContractBrokenError, match="Line 9 of"), reader.again(b"{", 9):
        pass


def test_a_pipe_holds_more_than_the_system_gives_it_and_anything_else_is_left_alone(tmp_path):
    first, last = os.pipe()
    with os.fdopen(first, "rb") as out, os.fdopen(last, "wb") as into:
        before = fcntl.fcntl(into, fcntl.F_GETPIPE_SZ)
        widen(out)
        assert fcntl.fcntl(into, fcntl.F_GETPIPE_SZ) > before
    with (tmp_path / "lines").open("wb") as file:
        widen(file)
    widen([b"a line"])
    widen(io.BytesIO())


@given(st.binary(max_size=200), st.integers(1, 50))
def test_what_is_read_ahead_of_a_pipe_is_what_was_written(written, most):
    first, last = os.pipe()
    with os.fdopen(first, "rb") as out:
        ahead = ReadAhead(out.fileno(), most)
        with os.fdopen(last, "wb", buffering=0) as into:
            for byte in written:
                into.write(bytes([byte]))
        assert b"".join(iter(ahead.read, b"")) == written
        assert ahead.read() == b""


def test_a_pipe_that_cannot_be_read_says_so():
    ahead = ReadAhead(-1)
    with pytest.raises(OSError, match="Bad file descriptor"):
        ahead.read()


def test_files_and_texts_are_not_read_ahead(tmp_path):
    assert ReadAhead.of(io.BytesIO(b"x")) is None
    (tmp_path / "lines").write_bytes(b"x")
    with (tmp_path / "lines").open("rb") as file:
        assert ReadAhead.of(file) is None
