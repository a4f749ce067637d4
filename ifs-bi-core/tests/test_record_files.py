"""Records that leave in files are the same as records that leave in lines, and no file is left behind."""

import io
import os
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_core.errors import ConfigError, UnavailableError
from ifs_bi_core.singer.batch_files import batch_files
from ifs_bi_core.singer.lines import LineWriter, decode, encode
from ifs_bi_core.singer.record_files import FOLDER, ORPHAN_SECONDS, BatchPlace, RecordFiles
from singer_sdk.singerlib.encoding.simple import RecordMessage, StateMessage

AT = datetime(2026, 11, 23, tzinfo=UTC)
NOTHING = {"encoding": {"format": "jsonl"}}


def written(messages, files, monkeypatch) -> list[bytes]:
    """The lines of messages."""
    out = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", out)
    writer = LineWriter(clock=lambda: 0.0)
    writer.files = files
    for message in messages:
        writer.write_message(message)
    writer.flush()
    return out.buffer.getvalue().splitlines()


def read(line) -> list[bytes]:
    message = decode(line)
    if message["type"] != "BATCH":
        return [line]
    return [record for file in batch_files(message) for lines in file.record_lines() for record in lines.split(b"\n")]


def by_stream(lines):
    """Streams may overtake each other between two STATE lines, but no record overtakes one of its own stream."""
    return sorted(lines, key=lambda line: decode(line)["stream"])


records = st.builds(
    RecordMessage,
    stream=st.sampled_from(["orders", "lines/ä"]),
    record=st.fixed_dictionaries({"id": st.integers(), "amount": st.decimals(allow_nan=False, allow_infinity=False)}),
    version=st.sampled_from([None, None, 7]),
    time_extracted=st.just(AT),
)
runs = st.lists(st.lists(records, max_size=6), min_size=1, max_size=4)


@settings(max_examples=60)
@given(runs, st.sampled_from(["none", "gzip"]), st.integers(1, 4))
def test_whatever_leaves_in_files_is_what_would_have_left_in_lines(between_states, compression, rows):
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        place = BatchPlace(folder, "of-mine-", compression, rows)
        parts = [[*part, StateMessage(value={"no": number})] for number, part in enumerate(between_states)]
        for part in parts:
            plain = written(part, None, patch)
            named = written(part, RecordFiles(place, f"run-{id(part)}"), patch)
            assert named[-1] == plain[-1]
            assert by_stream(line for said in named[:-1] for line in read(said)) == by_stream(plain[:-1])
            assert all(len(read(line)) <= rows for line in named)
        assert all(
            name.startswith("of-mine-tap-ifs-cloud--") for name in map(attrgetter("name"), Path(folder).iterdir())
        )


def test_files_lie_in_the_state_folder_where_no_other_place_is_named(tmp_path):
    files = RecordFiles(BatchPlace.of(NOTHING, str(tmp_path)), "run-1")
    files.put("orders", None, AT, b'{"id":1}\n', 1)
    (line,) = files.complete().splitlines()
    (url,) = decode(line)["manifest"]
    (file,) = (tmp_path / FOLDER).glob("tap-ifs-cloud--orders-run-1-*-1.jsonl")
    assert url == file.as_uri()
    assert files.complete() == b""


def test_two_pipes_that_a_scheduler_gave_one_run_id_have_files_of_their_own(tmp_path):
    both = [RecordFiles(BatchPlace(str(tmp_path)), "run-1") for _ in range(2)]
    for number, files in enumerate(both):
        files.put("orders", None, AT, encode({"id": number}) + b"\n", 1)
    named = [line for files in both for line in files.complete().splitlines()]
    assert [decode(record)["record"]["id"] for line in named for record in read(line)] == [0, 1]


def test_files_in_the_state_folder_are_for_the_owner_s_eyes_alone(tmp_path):
    files = RecordFiles(BatchPlace.of(NOTHING, str(tmp_path / "state")), "run-1")
    files.put("orders", None, AT, b'{"id":1}\n', 1)
    files.complete()
    folder = tmp_path / "state" / FOLDER
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_files_elsewhere_have_the_mode_that_the_umask_gives(tmp_path):
    setting = NOTHING | {"storage": {"root": str(tmp_path / "shared")}}
    files = RecordFiles(BatchPlace.of(setting, "state"), "run-1")
    files.put("orders", None, AT, b'{"id":1}\n', 1)
    files.complete()
    (tmp_path / "plain").touch()
    assert {path.stat().st_mode for path in (tmp_path / "shared").iterdir()} == {(tmp_path / "plain").stat().st_mode}


def test_a_file_that_no_line_names_goes_with_its_run(tmp_path):
    files = RecordFiles(BatchPlace(str(tmp_path)), "run-1")
    files.put("orders", None, AT, b'{"id":1}\n', 1)
    named = files.complete()
    files.put("orders", None, AT, b'{"id":2}\n', 1)
    files.abandon()
    assert [decode(line)["manifest"] for line in named.splitlines()] == [[path.as_uri() for path in tmp_path.iterdir()]]


def test_files_that_nobody_took_for_a_day_are_removed_and_no_others(tmp_path):
    files = RecordFiles(BatchPlace(str(tmp_path)), "run-1")
    files.put("orders", None, AT, b'{"id":1}\n', 1)
    files.complete()
    (own,) = tmp_path.iterdir()
    (foreign, fresh) = (tmp_path / "tap-other--orders-1.jsonl", tmp_path / own.name.replace("run-1", "run-2"))
    for path in (foreign, fresh):
        path.write_bytes(b"")
    later = datetime.now(UTC) + timedelta(seconds=ORPHAN_SECONDS + 60)
    os.utime(fresh, (later.timestamp(), later.timestamp()))
    RecordFiles(BatchPlace(str(tmp_path)), "run-3", now=lambda: later).remove_orphans()
    assert set(tmp_path.iterdir()) == {foreign, fresh}


def test_a_folder_that_is_not_there_yet_has_no_orphans(tmp_path):
    RecordFiles(BatchPlace(str(tmp_path / "new")), "run-1").remove_orphans()
    assert not (tmp_path / "new").exists()


def test_a_full_disk_is_told_in_a_sentence_and_no_line_names_the_file():
    files = RecordFiles(BatchPlace("/dev/full"), "run-1")
    with pytest.raises(UnavailableError, match="can't be written") as told:
        files.put("orders", None, AT, b'{"id":1}\n', 1)
    assert "The state was not moved past its rows" in str(told.value)
    files.abandon()


def test_no_state_leaves_behind_rows_whose_file_was_abandoned(tmp_path, monkeypatch):
    files = RecordFiles(BatchPlace(str(tmp_path)), "run-1")
    files.put("orders", None, AT, b'{"id":1}\n', 1)
    files.abandon()  # one stream failed, and the thread of another one goes on to its next STATE
    out = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", out)
    writer = LineWriter()
    writer.files = files
    for message in (StateMessage({"bookmarks": {"orders": 1}}), RecordMessage("orders", {"id": 2})):
        with pytest.raises(UnavailableError, match="the run has ended"):
            writer.write_message(message)
    writer.flush()
    assert (out.buffer.getvalue(), list(tmp_path.iterdir())) == (b"", [])


@pytest.mark.parametrize("encoding", [{"format": "parquet"}, {"format": "jsonl", "compression": "zstd"}])
def test_another_form_of_files_is_refused_before_anything_is_read(encoding):
    with pytest.raises(ConfigError, match="only jsonl is written"):
        BatchPlace.of({"encoding": encoding}, "state")


def test_a_place_without_a_file_system_is_refused():
    with pytest.raises(ConfigError, match="can't be written to"):
        RecordFiles(BatchPlace("nowhere://bucket/x"), "run-1")


def test_decimals_keep_their_digits_in_files(tmp_path, monkeypatch):
    message = RecordMessage(stream="s", record={"amount": Decimal("12345678901234567.890")})
    (line, _) = written([message, StateMessage(value={})], RecordFiles(BatchPlace(str(tmp_path)), "r"), monkeypatch)
    assert [b'"amount":12345678901234567.890' in record for record in read(line)] == [True]
    assert b"BATCH" in line
    assert encode({"format": "jsonl", "compression": "none"}) in line
