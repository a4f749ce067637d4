"""The folder the demo works in: a Meltano project of its own, made anew each time, that leads to the sandbox alone."""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ifs_bi_sandbox.demo.errors import DemoError
from ifs_bi_sandbox.env_file import env_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MARK = ".made-by-ifs-bi-sandbox-demo"
PACKAGES = ("ifs-bi-core", "tap-ifs-cloud", "target-looker-warehouse", "target-powerbi")
"""What meltano.yml installs from the folder beside it."""

FOREIGN = (
    "IFS_",
    "POWERBI_",
    "WAREHOUSE_",
    "LOOKER_",
    "MELTANO",
    "TAP_",
    "TARGET_",
    "SINGER_",
    "PYTHON",
    "VIRTUAL_ENV",
    "UV_PROJECT",
)
"""Beginnings of variables that would lead Meltano or a plugin elsewhere: to a real system, to another project or Python."""


def check_checkout(root: Path) -> None:
    """Make sure that ``root`` has what the demo needs.

    Raises:
        DemoError: it is no checkout of the project.
    """
    missing = [name for name in ("meltano.yml", *PACKAGES) if not (root / name).exists()]
    if missing:
        raise DemoError(f"{root} has no {', '.join(missing)}. Run the demo in the folder of the clone.")


@contextmanager
def sole_use(folder: Path) -> Iterator[None]:
    """Keep other demos out of the folder while the block runs.

    Raises:
        DemoError: another demo works there.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{folder.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # gone with this process, however it ends
        except OSError:
            raise DemoError(f"Another demo is at work in {folder}. Wait for its end, then run again.") from None
        yield


def make_folder(folder: Path) -> None:
    """Make an empty folder; what an earlier demo left there goes.

    Raises:
        DemoError: something else is there, which stays as it is; or what is there can't be deleted.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise DemoError(f"{folder} is no folder of the demo's. Move it away, then run again.")
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARK).is_file():
            raise DemoError(f"{folder} holds files that no demo made. Move them away, then run again.")
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise DemoError(f"can't empty {folder}: {error}. Is something still using it?") from None
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).write_text("ifs-bi-sandbox demo deletes this folder when it starts.\n")


def make_project(root: Path, folder: Path, environment: Mapping[str, str]) -> None:
    """Make a Meltano project in ``folder`` of the one in ``root``, with ``environment`` as its .env."""
    definition = (root / "meltano.yml").read_text()
    (folder / "meltano.yml").write_text(at_home(definition, os.path.relpath(root, folder)))
    (folder / ".env").write_text(env_file(environment))


def at_home(definition: str, root: str) -> str:
    """The text of a meltano.yml whose packages lie in ``root``, relative to the folder that it moves to."""
    for package in PACKAGES:
        definition = definition.replace(f"-e ./{package}", f"-e {Path(root, package).as_posix()}")
    return definition


def process_environment(inherited: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """The variables that Meltano runs with.

    Variables win over a .env file, so those of the user's that could lead to a real system are left out. No proxy comes
    between the pipes and the sandbox.
    """
    kept = {name: value for name, value in inherited.items() if not name.upper().startswith(FOREIGN)}
    unproxied = ",".join(filter(None, (kept.get("NO_PROXY") or kept.get("no_proxy"), "127.0.0.1,localhost")))
    return {
        **kept,
        **own,
        "MELTANO_CLI_DISABLE_VERSION_CHECK": "1",
        "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
        "NO_COLOR": "1",
        "NO_PROXY": unproxied,
        "no_proxy": unproxied,
    }
