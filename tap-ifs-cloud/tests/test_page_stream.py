"""The tap writes the same lines whether it writes whole pages or looks at each record: rows, states, deletes and errors."""

from __future__ import annotations

import io
import re
import shutil
from contextlib import redirect_stdout

import pytest
from ifs_bi_core.singer.batch_files import batch_files
from ifs_bi_core.singer.lines import LineWriter, decode, encode
from ifs_bi_sandbox.data import changes
from ifs_bi_sandbox.data.changes import a_day_of_business
from ifs_bi_sandbox.servers import Sandbox
from pipeline.pulling import Pulling, access
from tap_ifs_cloud.streams import EntityStream
from tap_ifs_cloud.tap import TapIfsCloud

ONE_BY_ONE = {"flattening_enabled": True, "flattening_max_depth": 1}
"""Makes the SDK look at each record, and changes none that has no structure in it."""

STREAMS = ["customer_orders", "purchase_order_lines", "currencies", "suppliers"]
OF_A_RUN = re.compile(
    rb'"(time_extracted|version|generation|began|scanned|replication_key_signpost|_sdc_deleted_at|run)":("[^"]*"|\d+)'
)


@pytest.fixture
def box():
    with Sandbox(scale=1500, seed=11) as box:
        yield box


class Pulled(TapIfsCloud):
    """The tap in this process, which keeps its pages."""

    def __init__(self, box, folder, state, **settings):
        config = {**access(box), "streams": STREAMS, "state_dir": str(folder), "page_size": 5, "concurrency": 1}
        config["requests_per_minute"] = 1e6
        super().__init__(config={**config, **settings}, message_writer=LineWriter())
        self.load_state(state)


def pulled(box, folder, state=None, **settings) -> list[bytes]:
    """The lines of a run in this process."""
    tap = Pulled(box, folder, state or {}, **settings)
    out = io.StringIO()
    with redirect_stdout(out), tap.record_files("run") as tap.message_writer.files:
        tap.read_all()
    return without_the_run(line for said in out.getvalue().encode().splitlines() for line in as_records(said))


def as_records(line: bytes) -> list[bytes]:
    """A line, or the RECORD lines for which it names a file."""
    if not line.startswith(b'{"type":"BATCH"'):
        return [line]
    return [
        record for file in batch_files(decode(line)) for lines in file.record_lines() for record in lines.split(b"\n")
    ]


def without_the_run(lines) -> list[bytes]:
    """The lines, or the messages in them, without what differs from run to run."""
    return [OF_A_RUN.sub(rb'"\1":0', line if isinstance(line, bytes) else encode(line)) for line in lines]


def test_whole_runs_write_the_same_lines_as_runs_that_look_at_each_record(box, tmp_path, monkeypatch):
    monkeypatch.setattr(EntityStream, "STATE_MSG_FREQUENCY", 7)  # so that STATE stands within pages and at their ends
    for settings in (
        {},
        {"source_time_zone": "Europe/Berlin"},
        {"companies": ["10", "20"]},
        {"delete_detection": "off"},
    ):
        pages = pulled(box, tmp_path / "pages", **settings)
        one_by_one = pulled(box, tmp_path / "ones", **settings, **ONE_BY_ONE)
        assert pages == one_by_one
        for way in ({}, ONE_BY_ONE):
            files = {"batch_config": {"encoding": {"format": "jsonl", "compression": "gzip"}, "batch_size": 3}}
            assert pulled(box, tmp_path / "files", **settings, **way, **files) == pages
            shutil.rmtree(tmp_path / "files")
        assert sum(b'"RECORD"' in line for line in pages) > 100
        assert sum(b'"STATE"' in line for line in pages) > 10


def test_a_later_run_of_the_command_writes_the_same_changes_and_deletes(box, tmp_path):
    runs = []
    for name, settings in (("pages", {}), ("ones", ONE_BY_ONE)):
        (tmp_path / name).mkdir()
        runs.append(Pulling(box, tmp_path / name, streams=STREAMS, concurrency=1, **settings))
    first, of_each = [without_the_run(run.pull()) for run in runs]
    assert first == of_each
    a_day_of_business(box.world.database, 1)
    changes.apply(box.world.database, {"action": "delete_customer_order"})
    later, of_each = [without_the_run(run.pull()) for run in runs]
    assert later == of_each
    assert any(b'"_sdc_deleted_at":0' in line for line in later)
    assert any(b'"RECORD","stream":"purchase_order_lines"' in line for line in later)


@pytest.mark.parametrize(
    "settings",
    [
        ONE_BY_ONE,
        {"stream_maps": {"suppliers": {"Added": "'1'"}}},
        {"stream_maps": {"suppliers": "__NULL__"}},
    ],
)
def test_streams_whose_records_are_looked_at_are_not_written_as_pages(box, tmp_path, settings):
    tap = Pulled(box, tmp_path, {}, **settings)
    assert tap.streams["suppliers"]._writes_pages() is None
    tap = Pulled(box, tmp_path, {})
    assert tap.streams["suppliers"]._writes_pages() is tap.message_writer
    tap.streams["suppliers"].ABORT_AT_RECORD_COUNT = 1
    assert tap.streams["suppliers"]._writes_pages() is None
