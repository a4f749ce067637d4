"""`kill -9` in the middle of whatever a load does: between two statements of a transaction, in a commit, in a COPY.

The command is killed as soon as it says that it is through with a batch: another one is being delivered then, and the next one
gathered. Which moment of that it is nobody chose; the batch is drawn from a seed.
"""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from ifs_bi_sandbox.servers import Sandbox
from pipeline.aftermath import KILLED, check_ledger, check_loads
from pipeline.kills import Ended
from pipeline.recorded import ORDERS_SCHEMA, SITES_SCHEMA, deleted, order, singer, site, state, what_is_left
from pipeline.scenes import PostgresScene, Scene

COMMAND = Path(sys.executable).parent / "target-looker-warehouse"
BATCH_SAID = b"batch_processing_time"
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


def load(scene, messages, *, batches=None):
    """Run the command over the lines; killed when it was through with so many batches."""
    lines = scene.folder.with_suffix(".lines")
    lines.write_bytes(singer(messages))
    with (
        lines.open("rb") as given,
        subprocess.Popen(
            [COMMAND, "--config", scene.config],
            cwd=scene.folder,
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process,
    ):
        said = []
        for line in process.stderr:
            said.append(line)
            if batches is not None and sum(BATCH_SAID in each for each in said) == batches:
                process.kill()
        out = process.stdout.read()
    return Ended(process.returncode, out.splitlines(), b"".join(said).decode(), [])


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
    loaded_before = len(scene.loads())
    whole = load(scene, CHANGES)
    assert whole.code == 0, whole.said
    expected, told, all_batches = scene.shown(), set(), whole.said.count(BATCH_SAID.decode())
    for batches in sorted(random.Random(20).sample(range(1, all_batches - 1), POINTS)):
        where = f"killed after {batches} of {all_batches} batches"
        scene.restore()
        killed = load(scene, CHANGES, batches=batches)
        assert killed.code == KILLED, f"{where}: {killed.said}"
        told.add(len(scene.loads()) - loaded_before)
        rest = what_is_left(CHANGES, json.loads(killed.states[-1])) if killed.states else CHANGES
        again = load(scene, rest)
        assert again.code == 0, f"{where}: {again.said}"
        assert scene.shown() == expected, where
        check_ledger(scene, where)
        check_loads(scene, where)
    assert len(told) > POINTS // 2, "most of them should have been killed at another batch"
