"""The commands as a user runs them, between real servers and real files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ifs_bi_sandbox.servers import Sandbox
from pipeline.forked import COMMANDS, run_forked
from pipeline.source import differing
from tap_ifs_cloud.entities import BUILT_IN

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PATIENCE = 300  # seconds for a command
STREAMS = [entity.name for entity in BUILT_IN]


@dataclass
class Ran:
    """What a command left behind."""

    code: int
    out: bytes
    err: str

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Its output as Singer messages."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def state(self) -> dict[str, Any]:
        """The last state of its output, from a tap or from a target."""
        last = json.loads(self.out.splitlines()[-1])
        return last.get("value", last)

    def records(self, stream: str) -> list[dict[str, Any]]:
        """The records of a stream in its output."""
        return [m["record"] for m in self.messages if m["type"] == "RECORD" and m["stream"] == stream]


def run_command(
    command: Path | str, *arguments: str | Path, given: bytes = b"", cwd: Path, waits: bool = True, **environ: str
) -> Ran:
    """Run a command to its end; one of ours in a process that is forked, and that may go without waits."""
    if command in COMMANDS:
        words = [str(word) for word in arguments]
        variables = {**os.environ, **environ}
        code, out, err = run_forked(str(command), words, given, cwd, variables, timeout=PATIENCE, waits=waits)
        return Ran(code, out, err.decode())
    program = command if isinstance(command, Path) else BIN / command
    process = subprocess.run(
        [str(program), *map(str, arguments)],
        input=given,
        capture_output=True,
        cwd=cwd,
        env={**os.environ, **environ},
        timeout=PATIENCE,
        check=False,
    )
    return Ran(process.returncode, process.stdout, process.stderr.decode())


@dataclass
class Pipeline:
    """A sandbox, a working folder, and the three commands with their configurations."""

    box: Sandbox
    folder: Path
    tap_settings: dict[str, Any] = field(default_factory=dict)
    warehouse_settings: dict[str, Any] = field(default_factory=dict)
    powerbi_settings: dict[str, Any] = field(default_factory=dict)
    state: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        env = self.box.environment()
        self.tap_settings = {
            "base_url": env["IFS_BASE_URL"],
            "realm": env["IFS_REALM"],
            "client_id": env["IFS_CLIENT_ID"],
            "client_secret": env["IFS_CLIENT_SECRET"],
            "state_dir": str(self.state_dir),
        }
        self.warehouse_settings = {"warehouse_url": f"duckdb:///{self.warehouse}", "state_dir": str(self.state_dir)}
        self.powerbi_settings = {
            "tenant_id": env["POWERBI_TENANT_ID"],
            "client_id": env["POWERBI_CLIENT_ID"],
            "client_secret": env["POWERBI_CLIENT_SECRET"],
            "workspace_id": env["POWERBI_WORKSPACE_ID"],
            "authority_host": env["POWERBI_AUTHORITY_HOST"],
            "api_url": env["POWERBI_API_URL"],
            "dataset_name": "Pipeline",
            "state_dir": str(self.state_dir),
            # A cost is a quotient with more digits than a Double keeps: a user has to choose, as in meltano.yml.
            "tables": {
                "customer_order_lines": {"columns": {"Cost": {"type": "String"}}},
                "gl_voucher_rows": {"columns": {"PostingCombinationId": {"type": "String"}}},
                "journal_entries": {"columns": {"PostingCombinationId": {"type": "String"}}},
            },
        }

    @property
    def warehouse(self) -> Path:
        """The DuckDB file."""
        return self.folder / "warehouse.duckdb"

    @property
    def state_dir(self) -> Path:
        """The folder that the three commands share, at its default place."""
        return self.folder / ".ifs-bi"

    def _file(self, name: str, content: Any) -> Path:
        path = self.folder / name
        path.write_text(json.dumps(content))
        return path

    def extract(self, *more: str | Path, **environ: str) -> Ran:
        """Run the tap from the state that is kept."""
        arguments: list[str | Path] = ["--config", self._file("tap.json", self.tap_settings), *more]
        if self.state is not None:
            arguments += ["--state", self._file("state.json", self.state)]
        return run_command("tap-ifs-cloud", *arguments, cwd=self.folder, **environ)

    def load_warehouse(self, lines: bytes) -> Ran:
        """Feed lines into the warehouse."""
        config = self._file("warehouse.json", self.warehouse_settings)
        return run_command("target-looker-warehouse", "--config", config, given=lines, cwd=self.folder)

    def load_powerbi(self, lines: bytes, *, waits: bool = True) -> Ran:
        """Feed lines into Power BI."""
        config = self._file("powerbi.json", self.powerbi_settings)
        return run_command("target-powerbi", "--config", config, given=lines, cwd=self.folder, waits=waits)

    def pump(self) -> Ran:
        """Tap into warehouse, and keep the state that the target confirmed. Both must end well."""
        extracted = self.extract()
        assert extracted.code == 0, extracted.err
        loaded = self.load_warehouse(extracted.out)
        assert loaded.code == 0, loaded.err
        self.state = loaded.state
        return extracted

    def differing(self, streams: Iterable[str] = STREAMS) -> list[str]:
        """Those of the streams of which the warehouse has other rows than the source."""
        return differing(self.box.world.database, self.warehouse, streams)
