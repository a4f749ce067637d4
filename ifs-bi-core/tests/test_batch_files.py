"""Rows that travel in files arrive as rows that come through the pipe, and the files are gone when they have."""

import gzip
import io
import json
import os
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_core.columnar.columns import Column, column_type
from ifs_bi_core.columnar.rows import to_arrow
from ifs_bi_core.errors import ContractBrokenError, UnavailableError
from ifs_bi_core.singer.account import TARGET_SETTINGS
from ifs_bi_core.singer.batch_files import batch_files
from ifs_bi_core.singer.line_sinks import LineSink
from ifs_bi_core.singer.lines import decode, encode
from ifs_bi_core.singer.target import OrderedTarget
from singer_sdk import typing as th
from singer_sdk.plugin_base import _ConfigInput

PROPERTIES = {"id": {"type": ["integer"]}, "note": {"type": ["string", "null"]}}
SCHEMA = {"type": "SCHEMA", "stream": "s", "schema": {"properties": PROPERTIES}, "key_properties": ["id"]}


class NotingSink(LineSink):
    """Keeps what was delivered, and which files were there then."""

    columns = tuple(Column(name, name, column_type(definition)) for name, definition in PROPERTIES.items())

    def shape(self):
        self.kept = []

    def prepare(self, rows):
        table, flaws = to_arrow(rows, self.columns)
        self.kept += table.to_pylist()
        return flaws

    def keep(self, table):
        self.kept += table.to_pylist()
        return True

    def release(self):
        self.leaving, self.kept = self.kept, []

    def deliver(self, first, count, _):
        if NotingTarget.fails:
            raise UnavailableError("the destination is gone")
        NotingTarget.delivered += self.leaving[first : first + count]
        return 0

    def held_of(self, _, rows):
        return rows

    def forget(self):
        self.leaving = []


class OneByOneSink(NotingSink):
    takes_lines = False


class NotingTarget(OrderedTarget):
    name = "target-noting-files"
    config_jsonschema: ClassVar[dict] = th.PropertiesList(
        *TARGET_SETTINGS, th.Property("batch_size_rows", th.IntegerType, default=5)
    ).to_dict()
    destination = "notes"
    default_sink_class = NotingSink
    delivered: ClassVar[list] = []
    fails = False


def fed(folder, *messages, sink=NotingSink, fails=False, **config):
    NotingTarget.default_sink_class, NotingTarget.fails = sink, fails
    NotingTarget.delivered.clear()
    lines = b"\n".join(map(encode, messages))
    settings = _ConfigInput({"state_dir": str(folder / "state"), **config})
    NotingTarget.invoke(config=settings, file_input=io.BytesIO(lines))
    return list(NotingTarget.delivered)


def written(folder, name, rows, *, compression="gzip", end="\n"):
    path = folder / name
    text = end.join(json.dumps(row) for row in rows).encode() + end.encode()
    path.write_bytes(gzip.compress(text) if compression == "gzip" else text)
    return path


def batch(*paths, compression="gzip", **more):
    encoding = {"format": "jsonl", "compression": compression}
    return {"type": "BATCH", "stream": "s", "encoding": encoding, "manifest": [p.as_uri() for p in paths]} | more


@settings(max_examples=15, deadline=None)
@given(
    rows=st.lists(
        st.fixed_dictionaries({"id": st.integers(0, 9), "note": st.none() | st.text(max_size=9)}), max_size=30
    ),
    compression=st.sampled_from(["gzip", None, "none"]),
    end=st.sampled_from(["\n", "\r\n"]),
    sink=st.sampled_from([NotingSink, OneByOneSink]),
    cut=st.integers(0, 30),
)
def test_rows_in_files_arrive_in_their_order_and_the_files_are_removed(
    tmp_path_factory, rows, compression, end, sink, cut
):
    folder = tmp_path_factory.mktemp("files")
    parts = [rows[:cut], rows[cut:]]
    paths = [written(folder, f"{n}.jsonl", part, compression=compression, end=end) for n, part in enumerate(parts)]
    delivered = fed(folder, SCHEMA, batch(*paths, compression=compression), sink=sink)
    assert delivered == rows
    assert not any(path.exists() for path in paths)


def test_records_before_and_behind_files_keep_their_order(tmp_path):
    path = written(tmp_path, "a", [{"id": n} for n in range(3, 9)])
    before = [{"type": "RECORD", "stream": "s", "record": {"id": n}} for n in range(3)]
    behind = {"type": "RECORD", "stream": "s", "record": {"id": 9}}
    assert [row["id"] for row in fed(tmp_path, SCHEMA, *before, batch(path), behind)] == list(range(10))


def test_files_stay_where_their_rows_could_not_be_delivered(tmp_path):
    path = written(tmp_path, "a", [{"id": n} for n in range(9)])
    with pytest.raises(UnavailableError, match="the destination is gone"):
        fed(tmp_path, SCHEMA, batch(path), fails=True)
    assert path.exists()


def test_a_state_behind_a_file_leaves_when_its_rows_are_delivered(tmp_path, capsys):
    path = written(tmp_path, "a", [{"id": n} for n in range(5)])
    fed(tmp_path, SCHEMA, batch(path), {"type": "STATE", "value": {"n": 1}})
    assert capsys.readouterr().out == '{"n":1}\n'


def test_a_row_that_is_refused_goes_to_the_dead_letters_as_a_record_line(tmp_path):
    path = written(tmp_path, "a", [{"id": n} for n in range(40)] + [{"id": "x"}])
    assert len(fed(tmp_path, SCHEMA, batch(path))) == 40
    [letter] = (tmp_path / "state/dead-letters/pending").iterdir()
    assert b'"id":"x"' in b"".join(file.read_bytes().replace(b" ", b"") for file in letter.iterdir())


def test_the_members_of_a_message_stand_for_all_rows_of_its_files(tmp_path):
    path = written(tmp_path, "a", [{"id": 1}, {"id": 2}])
    message = batch(path, version=7, time_extracted="2026-01-01T00:00:00Z")
    [lines] = batch_files(message)[0].record_lines()
    assert [decode(line) for line in lines.split(b"\n")] == [
        {"type": "RECORD", "stream": "s", "record": {"id": n}, "version": 7, "time_extracted": "2026-01-01T00:00:00Z"}
        for n in (1, 2)
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"encoding": {"format": "parquet"}},
        {"encoding": {"format": "jsonl", "compression": "zstd"}},
        {"encoding": None},
        {"manifest": "file:///a"},
    ],
    ids=str,
)
def test_a_form_that_is_not_read_ends_the_run_with_a_sentence(tmp_path, change):
    with pytest.raises(ContractBrokenError, match="BATCH message"):
        fed(tmp_path, SCHEMA, batch(tmp_path / "a") | change)


@pytest.mark.parametrize(
    "content", [None, b"no gzip", gzip.compress(b'{"id":1}\n')[:-4]], ids=["absent", "other", "cut"]
)
def test_a_file_that_cannot_be_read_ends_the_run_with_a_sentence(tmp_path, content):
    path = tmp_path / "a"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnavailableError, match=r"The batch file file://.* can't be read"):
        fed(tmp_path, SCHEMA, batch(path), {"type": "STATE", "value": {"n": 1}})
    assert NotingTarget.delivered == []


@pytest.mark.parametrize("sink", [NotingSink, OneByOneSink])
def test_a_line_that_is_no_row_is_told_by_its_file_and_its_number_there(tmp_path, sink):
    first, second = written(tmp_path, "a", [{"id": 1}] * 3), tmp_path / "b"
    second.write_bytes(gzip.compress(b'{"id":2}\n{"id":3,\n'))
    with pytest.raises(ContractBrokenError, match=rf"^Line 2 of batch file {second.as_uri()} is no Singer message"):
        fed(tmp_path, SCHEMA, batch(first, second), sink=sink)


def test_what_is_no_file_is_not_removed(tmp_path):
    pipe, file = tmp_path / "pipe", tmp_path / "file"
    os.mkfifo(pipe)
    file.write_bytes(b"")
    for path in (pipe, file):
        message = {"stream": "s", "encoding": {"format": "jsonl"}, "manifest": [path.as_uri()]}
        batch_files(message)[0].remove()
    assert list(tmp_path.iterdir()) == [pipe]
