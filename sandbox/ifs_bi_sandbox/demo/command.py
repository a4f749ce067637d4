"""The command ``ifs-bi-sandbox demo``."""

from __future__ import annotations

import signal
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ifs_bi_sandbox.data.generate import LARGEST, SMALLEST
from ifs_bi_sandbox.demo.errors import DemoError
from ifs_bi_sandbox.demo.run import FOLDER, STEPS, Demo
from ifs_bi_sandbox.demo.terminal import Screen, console

if TYPE_CHECKING:
    from types import FrameType


@click.command()
@click.option(
    "--meltano",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("meltano"),
    show_default=True,
    help="Meltano's executable: a path, or a name on the PATH.",
)
@click.option(
    "--scale",
    type=click.IntRange(SMALLEST, LARGEST),
    default=2000,
    show_default=True,
    help="Rows of the source, about.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same data.")
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help=f"Checkout of the project; the demo works in {FOLDER} of it. Default: the current folder.",
)
def demo(meltano: Path, scale: int, seed: int, root: Path) -> None:
    """Run both pipes against the sandbox, change its IFS Cloud, run them again and report from both ends."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # an arrow is not worth an end in a terminal that has none
    before = signal.signal(signal.SIGTERM, _interrupt)
    program = meltano.absolute() if meltano.exists() else meltano
    try:
        Demo(root.resolve(), program, scale, seed).run(Screen(console(), STEPS))
    except DemoError as error:
        raise click.ClickException(str(error)) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """End like Ctrl-C: what was started is ended first."""
    raise KeyboardInterrupt
