"""The verbs of `ifs-bi powerbi`, called with a pipe's configuration, and what they answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner
from target_powerbi.command.verbs import powerbi
from target_powerbi.kept import Kept

SUPPLIERS = {"SupplierId": {"type": "string"}, "Rating": {"type": ["number", "null"]}}


@dataclass
class Answer:
    """How a verb ended, and what it wrote."""

    code: int
    out: str
    error: Exception | None

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def table(self, stream: str = "orders") -> dict[str, Any]:
        (found,) = [one for one in self.json["tables"] if one["stream"] == stream]
        return found


@pytest.fixture
def verb(pipe, tmp_path):
    """Call a verb with the pipe's configuration."""

    def call(*args: str, source: bytes = b"", **changes: Any) -> Answer:
        config = {name: value for name, value in (pipe.config | changes).items() if value is not None}
        (tmp_path / "target.json").write_text(json.dumps(config))
        arguments = [*args, "--config", str(tmp_path / "target.json")]
        pipe.world.requests.clear()
        done = CliRunner().invoke(powerbi, arguments, input=source, standalone_mode=False)
        code = getattr(done.exception, "exit_code", done.return_value or 0)
        if done.exception is not None and not hasattr(done.exception, "exit_code"):
            raise done.exception
        return Answer(int(code), done.stdout, done.exception)

    return call


@pytest.fixture
def orders(pipe):
    """The SCHEMA of orders and some of its rows."""

    def lines(*rows: dict[str, Any]) -> bytes:
        return pipe.lines(pipe.schema(), *rows)

    return lines


def writes(pipe):
    """What was asked of Power BI that may change something."""
    return [call for call in pipe.calls() if not call.startswith("GET ") and not call.endswith("/executeQueries")]


def kept_state(pipe):
    """What is kept between runs, in full."""
    kept = Kept(pipe.kept_file())
    try:
        return {
            stream: (found, kept.held(stream), sorted(kept.items(stream))) for stream, found in kept.tables().items()
        }
    finally:
        kept.close()
