"""Records a format: what the commands that are installed leave behind after the first days of `upgrade.story`.

``python tests/upgrade/record.py tests/upgrade/format_N``, with ``tests`` in PYTHONPATH and in front of it the packages whose
format it is. A recorded format is never recorded again: it is what people have on their disks.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
from ifs_bi_sandbox.servers import Sandbox
from pipeline.recorded import singer
from upgrade.story import (
    MASTER_KEY,
    PLAIN_LETTER,
    RECORDED,
    SEALED_LETTER,
    SECRET,
    STATE,
    STATE_DIR,
    WAREHOUSE,
    first_days,
    move,
    orders,
    warehouse,
)

BIN = Path(sys.executable).parent
VOLATILE = ("*.lock", "*-wal", "*-shm", "limits", "metadata", "vault.key")
"""What need not outlive a run, or is never committed."""


def run(
    command: str, folder: Path, *words: str, given: bytes = b"", code: int = 0, config: Any = None, **env: str
) -> bytes:
    """The output of a command that ends with this code."""
    arguments = list(words)
    if config is not None:
        file = folder / f"{command}.json"
        file.write_text(json.dumps(config))
        arguments = ["--config", str(file), *arguments]
    ran = subprocess.run(
        [BIN / command, *arguments],
        input=given,
        capture_output=True,
        cwd=folder,
        env={**os.environ, **env},
        check=False,
    )
    if ran.returncode != code:
        sys.exit(f"{command} ended with {ran.returncode}, not {code}:\n{ran.stderr.decode()}")
    return ran.stdout


def record(format_: Path, folder: Path) -> None:
    """Live through the first days in a folder, and keep what they leave behind."""
    state_dir = folder / STATE_DIR
    load, config = "target-looker-warehouse", warehouse(folder)
    tenant = first_days(folder)
    with tenant.served() as address:
        lines = run("tap-ifs-cloud", folder, config=tenant.settings(address, state_dir))
    state = run(load, folder, given=lines, config=config).splitlines()[-1]
    run(load, folder, given=singer(orders(PLAIN_LETTER)), config=config, code=3)
    key = {"IFS_BI_VAULT_KEY": MASTER_KEY}
    name, secret = SECRET
    run("ifs-bi", folder, "vault", "set", name, "--state-dir", str(state_dir), given=secret.encode(), **key)
    run(load, folder, given=singer(orders(SEALED_LETTER)), config=config, code=3, **key)
    with Sandbox(scale=300) as box:
        said = box.environment()
        names = ("tenant_id", "client_id", "client_secret", "workspace_id", "authority_host", "api_url")
        powerbi = {name: said[f"POWERBI_{name.upper()}"] for name in names}
        powerbi |= {"state_dir": str(state_dir), "dataset_name": "Upgrade"}
        run("target-powerbi", folder, given=lines, config=powerbi, **key)
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.execute(f"EXPORT DATABASE '{folder / WAREHOUSE}' (FORMAT csv)")
    with closing(sqlite3.connect(state_dir / "ledger.db")) as ledger, ledger:
        ledger.execute("UPDATE run_events SET host = 'recorded'")
        ledger.execute("UPDATE batches SET host = 'recorded'")
    move(folder, str(folder), RECORDED)
    for file in state_dir.rglob("*.db"):
        with closing(sqlite3.connect(file, isolation_level=None)) as database:
            database.execute("PRAGMA journal_mode=DELETE")
            database.execute("VACUUM")
    for part in (STATE_DIR, WAREHOUSE):
        shutil.copytree(folder / part, format_ / part, ignore=shutil.ignore_patterns(*VOLATILE))
    (format_ / STATE).write_bytes(state + b"\n")


if __name__ == "__main__":
    target = Path(sys.argv[1]).absolute()
    target.mkdir()
    with tempfile.TemporaryDirectory() as scratch:
        record(target, Path(scratch))
