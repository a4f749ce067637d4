"""A report as JSON: one object, whose names are those of `ifs_bi_core.report.figures`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from ifs_bi_core.report.figures import Report


def as_json(report: Report) -> str:
    """One line."""
    return msgspec.json.encode(report).decode()
