"""The tap's command against a sandbox, run after run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ifs_bi_sandbox.servers import Sandbox

COMMAND = Path(sys.executable).with_name("tap-ifs-cloud")


def access(box: Sandbox) -> dict[str, str]:
    """The tap's settings that lead to a sandbox."""
    env = box.environment()
    return {name: env[f"IFS_{name.upper()}"] for name in ("base_url", "realm", "client_id", "client_secret")}


class Pulling:
    """A tap, its configuration and its last state.

    Args:
        box: where it reads.
        folder: where it runs.
        settings: beside those that lead to the sandbox.

    Attributes:
        settings: all of them, as the next run has them.
        state: of the last pull.
        said: what the last pull wrote for a person.
    """

    def __init__(self, box: Sandbox, folder: Path, **settings: Any) -> None:
        self.box = box
        self.folder = folder
        self.settings: dict[str, Any] = {**access(box), **settings}
        self.state: dict[str, Any] = {}
        self.said = ""

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One run, however it ends."""
        for name, content in (("config", self.settings), ("state", self.state)):
            (self.folder / f"{name}.json").write_text(json.dumps(content))
        state = () if "--discover" in arguments else ("--state", "state.json")
        command = [COMMAND, "--config", "config.json", *state, *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=self.folder, timeout=120, check=False)

    def pull(self, *arguments: str) -> list[dict[str, Any]]:
        """The messages of a run that ends well; its state is kept."""
        ran = self.run(*arguments)
        assert ran.returncode == 0, ran.stderr
        messages = [json.loads(line) for line in ran.stdout.splitlines()]
        self.state = [message["value"] for message in messages if message["type"] == "STATE"][-1]
        self.said = ran.stderr
        return messages
