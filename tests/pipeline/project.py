"""A Meltano project in a folder of a test's own, whose plugins are the commands of the environment that the tests run in."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ifs_bi_sandbox.demo.workspace import process_environment
from pipeline.commands import BIN, ROOT, Ran

MELTANO = ROOT / ".envs/meltano/bin/meltano"

_TO_INSTALL = re.compile(r"^ +pip_url: .*\n", re.MULTILINE)


@dataclass
class Project:
    """The project's folder, with meltano.yml and .env.

    Attributes:
        folder: where it is.
        variables: what .env says.
        changes: texts of meltano.yml, and what stands there instead.
    """

    folder: Path
    variables: dict[str, str]
    changes: dict[str, str]

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        definition = _TO_INSTALL.sub("", (ROOT / "meltano.yml").read_text("utf-8"))
        for text, instead in self.changes.items():
            assert text in definition, text
            definition = definition.replace(text, instead)
        (self.folder / "meltano.yml").write_text(definition, "utf-8")
        self.write_variables()

    def write_variables(self) -> None:
        """Write .env."""
        quoted = {name: value.replace("\\", "\\\\").replace("'", "\\'") for name, value in self.variables.items()}
        (self.folder / ".env").write_text("".join(f"{name}='{value}'\n" for name, value in quoted.items()), "utf-8")

    def environment(self, **variables: str) -> dict[str, str]:
        """The variables that commands run with here; .env adds to them."""
        own = {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "MELTANO_AUTO_INSTALL": "false", **variables}
        return process_environment(os.environ, own)

    def meltano(self, *words: str, **variables: str) -> Ran:
        """Run Meltano to its end; it reads .env by itself."""
        return self._run([str(MELTANO), *words], b"", variables)

    def shell(self, line: str, given: bytes = b"", **variables: str) -> Ran:
        """Run a line of bash to its end, with the variables of .env; a pipe ends with the last code of it that is not 0."""
        return self._run(["bash", "-c", f"set -o pipefail; {line}"], given, {**self.variables, **variables})

    def _run(self, command: list[str], given: bytes, variables: dict[str, str]) -> Ran:
        environment = self.environment(**variables)
        ran = subprocess.run(
            command, cwd=self.folder, env=environment, input=given, capture_output=True, timeout=300, check=False
        )
        return Ran(ran.returncode, ran.stdout, ran.stderr.decode())
