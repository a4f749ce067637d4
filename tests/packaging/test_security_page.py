"""SECURITY.md says what is so: the grants are enough and no more than that, and every secret and every folder is told of."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from pipeline.recorded import ORDERS_SCHEMA, order, singer, state
from tap_ifs_cloud.tap import TapIfsCloud
from target_looker_warehouse.target import TargetLookerWarehouse
from target_powerbi.target import TargetPowerBI

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text("utf-8")
STATE_DIR = ROOT / "tests" / "upgrade" / "format_1" / "state"
ROLES = {"ifs_bi_loader": "of the vault", "looker_reader": "of Looker"}
TOLD_AS = {"client_certificate_password": "certificate"}
"""Secrets that the page tells of under another name than their setting's."""


@pytest.fixture
def granted(postgres):
    """The address of a database as a role, after the page's statements; roles are of the server, so they go at the end."""
    [statements] = re.findall(r"```sql\n(CREATE ROLE ifs_bi_loader LOGIN.*?)```", PAGE, re.DOTALL)
    database = postgres.database()
    with postgres.admin(database) as connection:
        connection.execute(statements.replace("DATABASE bi", f'DATABASE "{database}"'))
    yield lambda role: f"postgresql://{role}:{quote(ROLES[role])}@127.0.0.1:{postgres.port}/{database}"
    with postgres.admin(database) as connection:
        for role in ROLES:
            connection.execute(f"DROP OWNED BY {role}")
            connection.execute(f"DROP ROLE {role}")


def load(folder: Path, address: str, schema: str, orders: int) -> subprocess.CompletedProcess[bytes]:
    config = folder / "config.json"
    config.write_text(json.dumps({"warehouse_url": address, "schema": schema, "hard_delete": True}))
    lines = singer([ORDERS_SCHEMA, *(order(number, 1, orders) for number in range(orders)), state("done")])
    command = Path(sys.executable).parent / "target-looker-warehouse"
    return subprocess.run(
        [command, "--config", config], input=lines, cwd=folder, capture_output=True, check=False, timeout=120
    )


def test_with_the_grants_for_postgresql_the_target_loads_and_looker_reads_and_neither_may_more(granted, tmp_path):
    for orders in (2, 3):
        ran = load(tmp_path, granted("ifs_bi_loader"), "erp", orders)
        assert ran.returncode == 0, ran.stderr.decode()
    with psycopg.connect(granted("looker_reader"), autocommit=True) as looker:
        assert looker.execute("SELECT count(*) FROM erp.orders").fetchone() == (3,)
        for refused in (
            "DELETE FROM erp.orders",
            "CREATE TABLE erp.mine (x int)",
            "CREATE TEMPORARY TABLE mine (x int)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                looker.execute(refused)
    elsewhere = load(tmp_path, granted("ifs_bi_loader"), "elsewhere", 1)
    assert elsewhere.returncode == 2
    assert b"elsewhere" in elsewhere.stderr


@pytest.mark.parametrize("plugin", [TapIfsCloud, TargetLookerWarehouse, TargetPowerBI], ids=lambda plugin: plugin.name)
def test_every_setting_that_is_a_secret_is_told_of(plugin):
    def secrets(properties):
        for name, said in properties.items():
            if said.get("secret"):
                yield name
            yield from secrets(said.get("properties", {}))

    table = PAGE.partition("## What each secret can do")[2].partition("\n## ")[0]
    names = set(secrets(plugin.config_jsonschema["properties"]))
    assert names
    assert {name for name in names if TOLD_AS.get(name, name) not in table} == set()


def test_everything_in_a_state_folder_is_told_of():
    table = PAGE.partition("## What lies on disk")[2].partition("\n## ")[0]
    told = re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)
    lying = {path.name for path in STATE_DIR.iterdir() if not path.name.startswith(".")}
    assert lying
    assert {name for name in lying if not any(Path(name).match(pattern.rstrip("/")) for pattern in told)} == set()
