"""A run loads the driver of its own warehouse and no other: each costs start-up time and memory, and may not be installed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

DRIVERS = {"duckdb", "psycopg", "snowflake", "google", "redshift_connector", "boto3", "botocore"}
TELLING = """
import atexit, sys
atexit.register(lambda: open("modules", "w").write("\\n".join(sys.modules)))
from target_looker_warehouse.target import main
main()
"""
LINES = (
    {"type": "SCHEMA", "stream": "s", "schema": {"properties": {"k": {"type": "integer"}}}, "key_properties": ["k"]},
    {"type": "RECORD", "stream": "s", "record": {"k": 1}},
    {"type": "STATE", "value": {"at": 1}},
)


@pytest.mark.parametrize("driver", ["duckdb", "psycopg"])
def test_a_load_brings_the_driver_of_its_own_warehouse_alone(driver, tmp_path, request):
    url = request.getfixturevalue("postgres_url") if driver == "psycopg" else "duckdb:///warehouse.duckdb"
    (tmp_path / "config.json").write_text(json.dumps({"warehouse_url": url}))
    command = [sys.executable, "-c", TELLING, "--config", "config.json"]
    given = "".join(json.dumps(line) + "\n" for line in LINES)
    ran = subprocess.run(command, input=given, capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {"at": 1}
    loaded = {name.partition(".")[0] for name in (tmp_path / "modules").read_text().splitlines()}
    assert loaded & DRIVERS == {driver}
