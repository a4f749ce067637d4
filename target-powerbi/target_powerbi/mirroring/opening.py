"""The table of a stream, ready for its rows: looked up, grown by new columns, or made anew where the setting says so."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ifs_bi_core.errors import ContractBrokenError

from target_powerbi.kept import Status
from target_powerbi.mirroring.delivery import MirroredRows
from target_powerbi.mirroring.tables import MirroredTable, evolved

if TYPE_CHECKING:
    from target_powerbi.mirroring.run import Mirroring

_LOG = logging.getLogger(__name__)


def opened(run: Mirroring, now: MirroredTable, *, replaces: bool) -> MirroredRows:
    """The rows of a table whose folder is there for a SCHEMA; what an earlier run left open is settled.

    Args:
        run: where it is.
        now: the table that the SCHEMA asks for.
        replaces: whether a table may be made anew where it can't become that.

    Raises:
        ContractBrokenError: it can't, or its files and what is kept of them don't belong together.
        IfsBiError: the landing zone can't be used.
    """
    run.claim(now.stream, now.name)
    replaces = replaces and now.stream not in run.opened  # once in a run: what came since is this run's own
    held = run.kept.definition(now.stream)
    before = MirroredTable.from_record(held) if held else None
    if before is not None:
        MirroredRows(run, before).settle()
    try:
        _require_known_files(run, before or now, known=before is not None)
        table = evolved(before, now) if before is not None else now
    except ContractBrokenError as broken:
        if not replaces:
            raise
        table = now
        _make_anew(run, before or now, broken, known=before is not None)
    run.zone.prepare(table.name, [column.name for column in table.key_columns])
    run.kept.define(table, defined=True, status=Status.CLEAN)
    rows = MirroredRows(run, table)
    if not table.keys and table.stream not in run.opened:
        rows.roll_back()
    run.opened.add(table.stream)
    return rows


def _require_known_files(run: Mirroring, table: MirroredTable, *, known: bool) -> None:
    there, kept = run.zone.last_number(table.name), run.kept.held(table.stream) if known else 0
    if there != kept:
        raise ContractBrokenError(
            f"{table.stream}: the folder '{table.name}' of the landing zone ends with file {there}, and by what this target "
            f"keeps in {run.kept.path} it has to end with file {kept} (0: none). Restore the one that is missing or old, or run "
            f"once with the tap's full refresh and replace_unknown_rows: true, which makes the table anew."
        )


def _make_anew(run: Mirroring, table: MirroredTable, reason: ContractBrokenError, *, known: bool) -> None:
    """Forget the rows, then remove the folder: after an end between the two, the next start finds files that nobody knows."""
    _LOG.warning("%s\nreplace_unknown_rows is on: the table '%s' is made anew.", reason, table.name)
    if known:
        run.kept.forget(table.stream)
    run.zone.drop(table.name)
