"""`kill -9` in the middle of whatever a load does: between two statements of a transaction, in a commit, in a COPY.

The command gets the first part of its lines and is killed at once: it is then as far behind as a pipe is long, busy with a batch
or about to send one. Which moment that is nobody chose; where the lines are cut is drawn from a seed.
"""

import json
import random
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from ifs_bi_sandbox.servers import Sandbox
from pipeline.aftermath import KILLED, check_ledger, check_loads
from pipeline.kills import Ended
from pipeline.recorded import ORDERS_SCHEMA, SITES_SCHEMA, deleted, order, singer, site, state, what_is_left
from pipeline.scenes import PostgresScene, Scene

COMMAND = Path(sys.executable).parent / "target-looker-warehouse"
PIPE_BYTES = 1 << 16
"""What waits in a pipe; a command that was given fewer may not have read one."""
BATCH_ROWS = 300
POINTS = 20

BEFORE = [
    ORDERS_SCHEMA,
    *(order(number, number, 1) for number in range(2_000)),
    SITES_SCHEMA,
    *(site(number, "Lund", 1) for number in range(500)),
    {"type": "ACTIVATE_VERSION", "stream": "sites", "version": 1},
    state("before"),
]
CHANGES = [
    ORDERS_SCHEMA,
    SITES_SCHEMA,
    *(order(number, number * 2, 3) for number in range(1_000, 3_500)),
    state("changed"),
    *(deleted(number, 4) for number in range(900, 1_900)),
    *(site(number, "Växjö", 2) for number in range(900)),
    *(order(number, 99, 0) for number in range(500)),  # older than what was delivered
    state("deleted"),
    *(order(number, number * 3, 5) for number in range(3_000, 6_000)),
    {"type": "ACTIVATE_VERSION", "stream": "sites", "version": 2},
    *(order(number, number * 4, 6) for number in range(3_500)),
    state("after"),
]


def load(scene, messages, *, given=None):
    """Run the command over the lines; killed when it was given so many bytes of them."""
    said = scene.folder.with_suffix(".said")
    with said.open("w") as errors:
        process = subprocess.Popen(
            [COMMAND, "--config", scene.config],
            cwd=scene.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        with suppress(BrokenPipeError):  # it ended by itself; what it said is looked at
            process.stdin.write(singer(messages)[:given])
            process.stdin.flush()
        if given is not None:
            process.kill()
        out, _ = process.communicate()
    return Ended(process.returncode, out.splitlines(), said.read_text(), [])


@pytest.fixture(scope="module")
def box():
    with Sandbox(scale=300) as box:
        yield box


@pytest.fixture(params=["duckdb", "postgresql"])
def scene(request, tmp_path, box):
    """A warehouse with rows of an earlier run, to which it can be brought back."""
    folder = tmp_path / "warehouse"
    if request.param == "duckdb":
        made = Scene("target-looker-warehouse", folder, box)
        made.configure(warehouse_url=f"duckdb:///{folder}/warehouse.duckdb")
    else:
        postgres = request.getfixturevalue("postgres")
        made = PostgresScene("target-looker-warehouse", folder, box).with_database(postgres)
        made.configure(warehouse_url=made.url)
    settings = json.loads(made.config.read_text()) | {"batch_size_rows": BATCH_ROWS}
    made.config.write_text(json.dumps(settings))
    began = load(made, BEFORE)
    assert began.code == 0, began.said
    return made


@pytest.mark.prove
def test_a_warehouse_is_whole_after_a_kill_in_the_middle_of_whatever_it_did(scene):
    scene.keep()
    size = len(singer(CHANGES))
    loaded_before = len(scene.loads())
    whole = load(scene, CHANGES)
    assert whole.code == 0, whole.said
    expected, told = scene.shown(), set()
    for given in sorted(random.Random(20).sample(range(2 * PIPE_BYTES, size), POINTS)):
        where = f"killed when {given} of {size} bytes were given"
        scene.restore()
        killed = load(scene, CHANGES, given=given)
        assert killed.code == KILLED, f"{where}: {killed.said}"
        told.add(len(scene.loads()) - loaded_before)
        rest = what_is_left(CHANGES, json.loads(killed.states[-1])) if killed.states else CHANGES
        again = load(scene, rest)
        assert again.code == 0, f"{where}: {again.said}"
        assert scene.shown() == expected, where
        check_ledger(scene, where)
        check_loads(scene, where)
    assert len(told) > POINTS // 2, "most of them should have been killed at another batch"
