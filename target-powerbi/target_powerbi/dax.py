"""Names as DAX writes them: what would end one is doubled within it (learn.microsoft.com/dax/dax-syntax-reference). No I/O."""

from __future__ import annotations


def quoted_table(name: str) -> str:
    """A table: ``'Purchase orders'``."""
    return "'" + name.replace("'", "''") + "'"


def quoted_column(table: str, name: str) -> str:
    """A column of a table: ``'Purchase orders'[Order no]``."""
    return f"{quoted_table(table)}[{name.replace(']', ']]')}]"
