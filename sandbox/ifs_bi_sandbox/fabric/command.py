"""The command ``ifs-bi-sandbox replicate``: a landing zone's new files into a DuckDB file."""

from __future__ import annotations

from pathlib import Path

import click

from ifs_bi_sandbox.fabric.landing_zone import RefusedError
from ifs_bi_sandbox.fabric.replicator import apply


@click.command()
@click.argument("landing_zone", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("duckdb_file", metavar="DUCKDB", type=click.Path(dir_okay=False, path_type=Path))
def replicate(landing_zone: Path, duckdb_file: Path) -> None:
    """Apply what is new in LANDING_ZONE to the tables of DUCKDB, as a mirrored database in Fabric would.

    Processed files are deleted but for the last of each table. What Fabric would refuse is told, and ends the command with 1.
    """
    try:
        done = apply(landing_zone, duckdb_file)
    except RefusedError as refusal:
        raise click.ClickException(str(refusal)) from None
    if done.partner:
        click.echo(f"Written by {done.partner['partnerName']} from {done.partner['sourceInfo']['sourceType']}.")
    for table, files in done.files.items():
        click.echo(f"{table}: {files} files applied.")
    for table in done.dropped:
        click.echo(f"{table}: dropped.")
