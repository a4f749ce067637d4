"""Options of the verbs that ask a ledger, ``--state-dir`` and ``--ledger-url``, and the ledger that they lead to."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ifs_bi_core.ledger.runs import DEFAULT_STATE_DIR, Ledger
from ifs_bi_core.settings import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator

state_dir = click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="IFS_BI_STATE_DIR",
    default=DEFAULT_STATE_DIR,
    show_default=True,
    help="The folder with batch files and dead letters.",
)
ledger_url = click.option(
    "--ledger-url",
    envvar="IFS_BI_LEDGER_URL",
    help="sqlite:///path or postgresql://…, or env:NAME or vault:NAME.  [default: ledger.db in the state folder]",
)


@contextmanager
def opened(url: str | None, folder: Path) -> Iterator[Ledger]:
    """The ledger that the options name, to be read.

    Args:
        url: of ``--ledger-url``; a reference to the vault means the one in ``folder``.
        folder: of ``--state-dir``.

    Raises:
        ConfigError: a reference leads nowhere, or there is no ledger that can be read.
    """
    resolved = resolve({"ledger_url": url, "state_dir": str(folder)})
    ledger = Ledger.open(resolved.get("ledger_url"), folder, create=False)
    try:
        yield ledger
    finally:
        ledger.close()
