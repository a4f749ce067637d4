"""Every test of what a warehouse holds runs on each warehouse there is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for boxes and singer_lines: importlib mode doesn't add a test's folder

from box_bigquery import bigquery_box, emulator  # noqa: F401 - fixtures
from box_redshift import redshift_box, redshift_servers  # noqa: F401 - fixtures
from box_snowflake import fakesnow, snowflake_box  # noqa: F401 - fixtures
from boxes import DuckDbBox, PostgresBox
from looker_stand_in import looker, looker_server  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from collections.abc import Callable

    from boxes import Box


@pytest.fixture(params=["duckdb", "postgresql"])
def new_box(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Box]:
    """Makes one more box at each call: an example of a law begins with nothing."""
    if request.param == "duckdb":
        return lambda: DuckDbBox(tmp_path_factory.mktemp("box"))
    postgres = request.getfixturevalue("postgres")
    return lambda: PostgresBox(tmp_path_factory.mktemp("box"), postgres.url(postgres.database()))


@pytest.fixture
def box(new_box: Callable[[], Box]) -> Box:
    return new_box()


@pytest.fixture
def duckdb_box(tmp_path: Path) -> DuckDbBox:
    return DuckDbBox(tmp_path)


@pytest.fixture
def postgres_box(tmp_path: Path, postgres_url: str) -> PostgresBox:
    return PostgresBox(tmp_path, postgres_url)
