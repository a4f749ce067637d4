"""A run that is cut short anywhere is completed by the next one."""

import os
import signal
import subprocess

import pytest
from ifs_bi_sandbox.data.changes import a_day_of_business
from ifs_bi_sandbox.faults import preset
from pipeline.commands import BIN


@pytest.mark.parametrize(
    "part", [0.3, 0.62, 0.999, *(pytest.param(part, marks=pytest.mark.prove) for part in (0.05, 0.5, 0.9))]
)
def test_what_a_tap_had_written_when_it_was_killed_is_a_good_beginning(pipeline, part):
    lines = pipeline.extract().out.splitlines(keepends=True)
    loaded = pipeline.load_warehouse(b"".join(lines[: int(len(lines) * part)]))
    assert loaded.code == 0, loaded.err
    pipeline.state = loaded.state if loaded.out else None
    a_day_of_business(pipeline.box.world.database, 5)
    pipeline.pump()
    assert pipeline.differing() == []


def test_a_line_that_was_cut_in_the_middle_confirms_nothing_behind_it(pipeline):
    whole = pipeline.extract().out
    loaded = pipeline.load_warehouse(whole[: len(whole) // 2])
    assert loaded.code == 1
    pipeline.state = loaded.state if loaded.out else None  # states of what had arrived may have left
    pipeline.pump()
    assert pipeline.differing() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_tap_with_a_sentence_and_exit_code_1(pipeline, number):
    pipeline.box.world.faults.append(preset("slow", path="*SiteSet*", seconds=60))
    pipeline.extract("--about")  # writes the configuration
    command = [BIN / "tap-ifs-cloud", "--config", pipeline.folder / "tap.json"]
    with (pipeline.folder / "lines").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE)
        for line in process.stderr:
            if b"Beginning sync of 'sites'" in line:
                break
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert b"Traceback" not in err
    assert f"tap-ifs-cloud was stopped by {number.name}".encode() in err
    lines = (pipeline.folder / "lines").read_bytes().splitlines()
    assert lines
    assert all(line.startswith(b"{") and line.endswith(b"}") for line in lines)


def test_a_tap_whose_reader_is_gone_ends_with_a_sentence(pipeline):
    pipeline.extract("--about")
    read, write = os.pipe()
    os.close(read)
    command = [BIN / "tap-ifs-cloud", "--config", pipeline.folder / "tap.json"]
    ran = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(write)
    assert ran.returncode == 1
    assert b"Nobody reads the output any more" in ran.stderr
    assert b"Traceback" not in ran.stderr
