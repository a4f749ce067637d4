"""The shell blocks of a page, run as its reader runs them: one after the other, in the folder of a clone, in a bash.

What stands behind ``sh`` in a block's first line says how it differs from a command that simply works:

- ``data-needs="a tenant of IFS Cloud"``: what it needs that no test has. It isn't run, and the test lists it.
- ``data-prove="installs from the package index"``: why only ``make prove`` runs it.
- ``data-types="text"``: what a person answers to its questions; ``$NAME`` is a variable.
- ``data-until="text"``: it goes on in a terminal of its own, and the next block comes once it has printed this.
- ``data-code="3"``: what it ends with, where that isn't 0.

A ``text`` block behind a shell block is what it prints: each line is found in the output, in this order; ``…`` stands for
anything.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer

from ifs_bi_sandbox.demo.workspace import process_environment
from pipeline.commands import BIN, ROOT

TIME_LIMIT = 240.0
"""Seconds that a block may take; the longest of `make prove` installs Meltano's plugins."""

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<kind>[\w.]*)(?P<options>[^\n]*)\n(?P<body>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE
)
_OPTION = re.compile(r'data-([a-z]+)="([^"]*)"')
SHELLS = ("sh", "bash", "shell", "console", "zsh")
OPTIONS = ("needs", "prove", "types", "until", "code")

_SANDBOX_PORTS = range(8100, 8105)
"""Those that the pages name; a test gives the sandbox others, since several may run at once."""


@dataclass(frozen=True)
class Block:
    """A block of shell commands.

    Attributes:
        page: where it stands, from the root of the repository on.
        line: of its first line.
        commands: its text.
        options: what its first line says, by name without ``data-``.
        prints: the lines of the output block behind it.
    """

    page: str
    line: int
    commands: str
    options: dict[str, str] = field(default_factory=dict)
    prints: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: str, text: str) -> list[Block]:
    """The shell blocks of a page, in its order."""
    found: list[Block] = []
    end = -1
    for fence in _FENCE.finditer(text):
        body = re.sub(rf"^{fence['indent']}", "", fence["body"], flags=re.MULTILINE)
        if fence["kind"] in SHELLS:
            options = dict(_OPTION.findall(fence["options"]))
            assert set(options) <= set(OPTIONS), f"{page}: {fence['options']} says something that no test knows"
            found.append(Block(page, text.count("\n", 0, fence.start()) + 1, body, options))
            end = fence.end()
        elif fence["kind"] == "text" and text[end : fence.start()].strip() == "" and found:
            last = found.pop()
            found.append(Block(last.page, last.line, last.commands, last.options, tuple(body.splitlines())))
    return found


def missing_lines(prints: tuple[str, ...], output: str) -> list[str]:
    """The lines that an output doesn't have at their place."""
    rest, missing = output.splitlines(), []
    for line in filter(str.strip, prints):
        pattern = re.compile(r".*".join(re.escape(part) for part in re.split(r"\s*…\s*", line.rstrip())))
        at = next((number for number, given in enumerate(rest) if pattern.fullmatch(given.rstrip())), None)
        if at is None:
            missing.append(line)
        else:
            del rest[: at + 1]
    return missing


class Terminal:
    """A reader in front of a clone. Folder and exported variables stay from block to block, as in a terminal.

    Args:
        home: the reader's folder, which holds the clone.
        ports: what the sandbox listens on instead of those that the pages name.
        variables: what the reader knows and no page says, such as the address of a database.
    """

    def __init__(self, home: Path, ports: range, **variables: str):
        self.home, self.ports = home, ports
        path = [str(BIN), str(ROOT / ".envs/meltano/bin"), os.environ["PATH"]]
        own = {"PATH": os.pathsep.join(path), "HOME": str(home), "MELTANO_AUTO_INSTALL": "false"}
        self._environment = process_environment(os.environ, own | variables)
        self._kept = home / ".terminal"
        self._left_running: list[subprocess.Popen[bytes]] = []

    def go_on(self, other: Terminal) -> None:
        """Stand where another reader stands, with all that their commands have made."""
        shutil.copytree(other.home, self.home, symlinks=True, dirs_exist_ok=True)
        self._kept.write_text(self._kept.read_text().replace(str(other.home), str(self.home)))

    def run(self, block: Block) -> str:
        """Run a block to its end, or until it has printed what it is waited for, and give back what it printed."""
        keep = f'trap \'{{ echo "cd $(printf %q "$PWD")"; export -p; }} > {shlex.quote(str(self._kept))}\' EXIT'
        here = self._kept if self._kept.exists() else "/dev/null"
        script = f"source {shlex.quote(str(here))}\n{keep}\nset -eo pipefail\n{self._shifted(block.commands)}"
        process = subprocess.Popen(
            ["bash", "-c", script],
            cwd=self.home / "clone",
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        if until := block.options.get("until"):
            self._left_running.append(process)
            return self._printed_until(until, process, block)
        answer = re.sub(r"\$(\w+)", lambda name: self._environment[name[1]], block.options.get("types", ""))
        try:
            printed, _ = process.communicate(answer.encode(), timeout=TIME_LIMIT)
        finally:
            _end(process)
        said = printed.decode("utf-8", errors="replace")
        code = int(block.options.get("code", 0))
        assert process.returncode == code, f"{block} ended with {process.returncode} instead of {code}:\n{said}"
        missing = missing_lines(tuple(map(self._shifted, block.prints)), said)
        assert not missing, f"{block} doesn't print what the page says: {missing}\n{said}"
        return said

    def close(self) -> None:
        """Press Ctrl-C in the other terminals."""
        for process in self._left_running:
            _end(process)

    def _shifted(self, text: str) -> str:
        for named, own in zip(_SANDBOX_PORTS, self.ports, strict=True):
            text = re.sub(rf"\b{named}\b", str(own), text)
        return text

    @staticmethod
    def _printed_until(until: str, process: subprocess.Popen[bytes], block: Block) -> str:
        printed = ""
        limit = Timer(TIME_LIMIT, _end, [process])
        limit.start()
        for line in process.stdout:
            printed += line.decode()
            if until in printed:
                limit.cancel()
                return printed
        limit.cancel()
        raise AssertionError(f"{block} ended before it printed {until!r}:\n{printed}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Interrupt a block with all that it started, and wait for its end."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
