"""Whatever became of a file in the state folder: the next run goes on or says which file it is and what to do."""

import json
import os
import shutil
from contextlib import closing
from pathlib import Path

import pytest
from hostile import assert_told
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_core.errors import ExitCode
from ifs_bi_core.ledger import history
from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_core.ledger.trail import TrailRow
from ifs_bi_core.vault.store import Vault
from pipeline.forked import run_forked

SECRET = "the-password-of-nobody"
LINES = b"""{"type":"SCHEMA","stream":"orders","schema":{"properties":{"id":{"type":"integer"}}},"key_properties":["id"]}
{"type":"RECORD","stream":"orders","record":{"id":1}}
{"type":"RECORD","stream":"orders","record":{"id":"no number"}}
{"type":"STATE","value":{"at":1}}
"""
VERBS = {
    "runs": ["ledger", "runs"],
    "find": ["ledger", "find", "--stream", "orders", "--key", "id=1"],
    "prune": ["ledger", "prune"],
    "letters": ["dead-letters", "list"],
    "replay": ["replay"],
    "report": ["report", "--json"],
    "vault": ["vault", "list"],
}


def ran(command, arguments, folder, given=b""):
    code, out, err = run_forked(command, arguments, given, folder, {**os.environ}, timeout=60)
    return code, out, err.decode()


def feed(folder):
    return ran("target-looker-warehouse", ["--config", "config.json"], folder, LINES)


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    """A folder in which a run was done, a row was refused and sealed, and a process was killed with a batch on its way."""
    folder = tmp_path_factory.mktemp("used")
    Vault.within(folder / "state", {}).set("warehouse", f"duckdb:///{folder}/w.duckdb")
    Vault.within(folder / "state", {}).set("other", SECRET)
    (folder / "config.json").write_text(json.dumps({"warehouse_url": "vault:warehouse", "state_dir": "state"}))
    code, _, err = feed(folder)
    assert code == ExitCode.DEAD_LETTERS, err
    with closing(Ledger.open(None, folder / "state")) as ledger:
        [delivered] = history.show(ledger, history.runs(ledger)[0].run).batches
        writer = ledger.begin_run("target-looker-warehouse", "0").begin_batch("orders", delivered.destination)
        writer.add([TrailRow('{"id":"2"}', payload=b'{"type":"RECORD","stream":"orders","record":{"id":2}}')])
        with writer:
            writer.written().pushing()
    return folder


def flipped(content, bits):
    changed = bytearray(content)
    for bit in bits:
        if changed:
            changed[bit // 8 % len(changed)] ^= 1 << bit % 8
    return bytes(changed)


DAMAGES = st.one_of(
    st.just(lambda path: path.write_bytes(b"")),
    st.just(lambda path: path.write_bytes(b'{"a":[1]}')),
    st.just(lambda path: (path.unlink(), path.mkdir())),
    st.just(lambda path: path.unlink()),
    st.just(lambda path: (path.unlink(), path.symlink_to("/nowhere/at/all"))),
    st.floats(0, 1).map(
        lambda part: lambda path: path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    ),
    st.binary(min_size=1, max_size=200).map(lambda noise: lambda path: path.write_bytes(noise)),
    st.lists(st.integers(0, 2**24), min_size=1, max_size=20).map(
        lambda bits: lambda path: path.write_bytes(flipped(path.read_bytes(), bits))
    ),
)


def copy(used, folder):
    """The state of the run, and its configuration: the warehouse stays the same one."""
    shutil.copytree(used / "state", folder / "state")
    shutil.copy(used / "config.json", folder)


def files_of(folder):
    return sorted(path.relative_to(folder) for path in (folder / "state").rglob("*") if path.is_file())


def holds_for(used, folder, place, damage, verb):
    """The law: every command says what is wrong, shows no secret, and a run that goes on loses nothing."""
    copy(used, folder)
    files = files_of(folder)
    damage(folder / files[place % len(files)])
    for name, arguments in ((verb, VERBS[verb]), ("feed", None)):
        located = [] if arguments is None else [*arguments, "--state-dir", "state"]
        code, out, err = feed(folder) if arguments is None else ran("ifs-bi", located, folder)
        assert_told(code, err)
        assert SECRET not in err
        assert SECRET.encode() not in out
        if name == "feed":
            assert (out == b'{"at":1}\n') == (code == ExitCode.DEAD_LETTERS)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 100), DAMAGES, st.sampled_from(sorted(VERBS)))
def test_any_damage_to_any_file_is_told_or_does_no_harm(used, tmp_path_factory, place, damage, verb):
    holds_for(used, tmp_path_factory.mktemp("damaged"), place, damage, verb)


@pytest.mark.prove
@settings(max_examples=500, deadline=None)
@given(st.integers(0, 100), DAMAGES, st.sampled_from(sorted(VERBS)))
def test_any_damage_is_told_over_many(used, tmp_path_factory, place, damage, verb):
    holds_for(used, tmp_path_factory.mktemp("damaged"), place, damage, verb)


def test_a_damaged_batch_file_of_a_killed_process_stops_the_run_before_anything_is_sent(used, tmp_path):
    copy(used, tmp_path)
    for path in (tmp_path / "state/batches/orders").iterdir():
        path.write_bytes(flipped(path.read_bytes(), range(0, 8000, 3)))
    code, out, err = feed(tmp_path)
    assert_told(code, err)
    assert (code, out) == (ExitCode.FAILED, b"")
    assert "can't be read" in err
    assert "Restore it from a backup." in err


def test_a_state_folder_that_is_a_file_is_wrong_configuration(tmp_path):
    Path(tmp_path / "state").write_text("")
    (tmp_path / "config.json").write_text(json.dumps({"state_dir": "state"}))
    code, out, err = feed(tmp_path)
    assert_told(code, err)
    assert (code, out) == (ExitCode.WRONG_CONFIGURATION, b"")
