"""``ifs-bi powerbi verify --source``: the number of rows that tables show, beside the number at the source.

The tap counts them (`ifs_bi_core.source_counts`); this package knows no tap.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ifs_bi_core.source_counts import counted, filtered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ifs_bi_core.source_counts import Count

    from target_powerbi.command.verification import Verified


@dataclass(frozen=True)
class AtSource:
    """What a stream has at its source.

    Attributes:
        system: its name.
        rows: how many; None where they were not counted, or don't compare.
        why_not: why there is no number.
    """

    system: str
    rows: int | None = None
    why_not: str | None = None


def with_source(verified: Sequence[Verified], config: Mapping[str, Any], sources: Sequence[str]) -> list[Verified]:
    """The tables, each with what its stream has at its source.

    Args:
        verified: what was found out about them.
        config: the target's settings.
        sources: configuration files of the tap, or ``ENV``.

    Raises:
        ConfigError: the tap's settings are wrong, or it isn't clear whose they are.
        IfsBiError: the source can't be asked.
    """
    reasons = {table.stream: table.no_source or filtered(config, table.stream) for table in verified}
    found = counted(sources, [stream for stream, why in reasons.items() if why is None])
    return [
        replace(table, source=_told(found.system, reasons[table.stream] or found.rows[table.stream]))
        for table in verified
    ]


def _told(system: str, count: Count) -> AtSource:
    return AtSource(system, why_not=count) if isinstance(count, str) else AtSource(system, count)
