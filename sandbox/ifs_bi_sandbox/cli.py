"""The command ``ifs-bi-sandbox``. A further subcommand is a click command of its own module, added at the end of this one."""

from __future__ import annotations

import signal
import sqlite3
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ifs_bi_sandbox.data.generate import LARGEST, SMALLEST
from ifs_bi_sandbox.demo.command import demo
from ifs_bi_sandbox.env_file import env_file
from ifs_bi_sandbox.fabric.command import replicate
from ifs_bi_sandbox.servers import SERVERS, Sandbox
from ifs_bi_sandbox.world import Switches

if TYPE_CHECKING:
    from collections.abc import Callable

SWITCHES = ("expires_in", "paging", "looker_warehouse")  # those that have an option
PAGING = ("client", "next_absolute", "next_relative", "silent_cap")


@click.group()
def main() -> None:
    """Stand-ins for IFS Cloud, Power BI and Looker on this machine."""


def _port_options(command: Callable[..., None]) -> Callable[..., None]:
    """An option for the port of each server."""
    for name, what in reversed(SERVERS.items()):
        command = click.option(f"--{name}-port", type=click.IntRange(0, 65535), help=f"Port of {what}.")(command)
    return command


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535 - len(SERVERS) + 1),
    default=0,
    show_default=True,
    help=f"First of {len(SERVERS)} ports in a row, for {', '.join(SERVERS)}; 0: free ones.",
)
@_port_options
@click.option("--scale", type=click.IntRange(SMALLEST, LARGEST), default=2000, show_default=True, help="Rows, about.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same data.")
@click.option(
    "--data", type=click.Path(dir_okay=False, path_type=Path), help="SQLite file to use, or to make and keep."
)
@click.option(
    "--expires-in", type=click.IntRange(2), default=180, show_default=True, help="Seconds an IFS token lives."
)
@click.option("--paging", type=click.Choice(PAGING), default=PAGING[0], show_default=True, help="How IFS Cloud pages.")
@click.option(
    "--looker-warehouse",
    default="warehouse.duckdb",
    show_default=True,
    help="What Looker's connection leads to: a DuckDB file, or postgresql://user:password@host/database.",
)
@click.option(
    "--env-file",
    "copy",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write the settings to as well, for Meltano and for a shell.",
)
def serve(
    host: str,
    port: int,
    scale: int,
    seed: int,
    data: Path | None,
    copy: Path | None,
    **more: Any,
) -> None:
    """Start all servers, print their addresses and a ready .env, and run until Ctrl-C or SIGTERM."""
    ports = {name: port and port + offset for offset, name in enumerate(SERVERS)}
    ports |= {name: own for name in SERVERS if (own := more[f"{name}_port"]) is not None}
    switches = Switches(**{name: more[name] for name in SWITCHES})
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    try:
        with Sandbox(scale=scale, seed=seed, database=data, switches=switches, host=host, ports=ports) as sandbox:
            click.echo("".join(f"# {SERVERS[name]}: {url}\n" for name, url in sandbox.addresses.items()))
            settings = env_file(sandbox.environment())
            click.echo(settings)
            if copy:
                copy.write_text(settings)
            click.echo("# Running. Ctrl-C ends it.")
            stopped.wait()
    except OSError as error:
        raise click.ClickException(str(error)) from None
    except sqlite3.Error as error:
        raise click.ClickException(
            f"--data {data}: {error}. Name a file that this command made, or a new one"
        ) from None


main.add_command(demo)
main.add_command(replicate)
