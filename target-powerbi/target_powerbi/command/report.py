"""Plans and verifications as text for people and as JSON for machines. No I/O."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from target_powerbi.limits import LIMITS, MINUTE, duration

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from target_powerbi.command.plan import Plan, TablePlan
    from target_powerbi.command.verification import Sum, Verified

_HEAD = ("STREAM", "TABLE", "IS", "COLUMNS", "HOLDS", "READ", "ADDED", "REWRITTEN", "REFUSED", "REQUESTS")
_NUMBERS_FROM = 3  # the first of these columns that holds numbers


def plan_text(plan: Plan) -> str:
    """A plan: the dataset, a line for each table, and what is to be known about them."""
    where = f"Dataset {plan.dataset}"
    if plan.dataset_id is None:
        many = f"{len(plan.tables)} tables and {plan.relationships} relationships"
        blocks = [f"{where} is not there: a run makes it with {many}."]
    else:
        blocks = [f"{where} is there ({plan.dataset_id})."]
    if plan.tables:
        blocks += ["", *_aligned([_HEAD, *(_cells(table) for table in plan.tables)]), ""]
    blocks += [line for table in plan.tables for line in _details(table)]
    blocks.append(_pushed(plan))
    blocks.append(f"Power BI's limits leave {plan.left.sentence}.")
    if not plan.has_rows:
        blocks.append(
            f"The input holds no rows, so nobody knows yet how many a run pushes; {LIMITS.rows_per_hour:,} an hour is the most. "
            f"Pipe in all of the tap's output to know."
        )
    if plan.problem is not None and not any(table.problem for table in plan.tables):
        blocks.append(f"A run would end with this: {plan.problem}")
    return "\n".join([*blocks, *plan.notes])


def plan_as_json(plan: Plan) -> dict[str, Any]:
    """The same as values of JSON."""
    found = asdict(plan) | {"rows": plan.rows, "requests": plan.requests}
    return found | {"problem": str(plan.problem) if plan.problem else None}


def verified_text(verified: Sequence[Verified]) -> str:
    """One line a table that is right, and one for each thing that differs."""
    return "\n".join(line for table in verified for line in (*_verified(table), *_beside_source(table)))


def verified_as_json(verified: Sequence[Verified]) -> list[dict[str, Any]]:
    """The same as values of JSON."""
    return [
        asdict(table) | {"holds": table.holds} | {"sums": [_sum_as_json(found) for found in table.sums]}
        for table in verified
    ]


def _sum_as_json(found: Sum) -> dict[str, Any]:
    """Numbers as text, since many readers of JSON make doubles of them."""
    return {
        "column": found.column,
        "kept": digits(found.kept),
        "shown": digits(found.shown),
        "holds": found.holds,
    }


def digits(value: Decimal) -> str:
    """A number with every digit that it needs."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _cells(table: TablePlan) -> tuple[str, ...]:
    rewritten = "" if table.rewritten is None else f"{table.rewritten:,}"
    numbers = (table.columns, table.held, table.read, table.added)
    return (
        table.stream,
        table.table or "",
        "wrong" if table.problem else table.change,
        *(f"{number:,}" for number in numbers),
        rewritten,
        f"{table.refused:,}",
        f"{table.requests:,}",
    )


def _details(table: TablePlan) -> list[str]:
    lines = []
    if table.new_columns:
        lines.append(f"{table.stream}: table '{table.table}' gets the columns {', '.join(table.new_columns)}.")
    if table.new_columns is None:
        lines.append(f"{table.stream}: nothing is kept of table '{table.table}'; its definition is written anew.")
    if table.rewritten is not None:
        lines.append(f"{table.stream}: table '{table.table}' is emptied and filled with {table.rewritten:,} rows.")
    if table.rewrite_seconds is not None and table.rewrite_seconds > MINUTE:
        lines.append(
            f"{table.stream}: a row that changed or is gone makes a rewrite of the table due, which lasts "
            f"{duration(table.rewrite_seconds)} within the limits; write_mode: signed needs none."
        )
    if table.problem:
        lines.append(table.problem)
    return lines


def _pushed(plan: Plan) -> str:
    if not plan.rows:
        return "No rows are pushed."
    said = f"{plan.rows:,} rows are pushed in {plan.requests:,} requests"
    if plan.seconds < 1:
        return f"{said}, and no limit of Power BI holds them up."
    return f"{said}; Power BI's limits make that last {duration(plan.seconds)} at least."


def _verified(table: Verified) -> list[str]:
    name = f"{table.stream} (table '{table.table}')"
    if table.skipped is not None:
        return [f"{name}: {table.skipped}"]
    lines = [] if table.due is None else [f"{name}: {table.due}"]
    if table.problem is not None:
        return [*lines, f"{name}: {table.problem}"]
    if table.is_as_kept:
        sums = f", and the sums of {', '.join(one.column for one in table.sums)}" if table.sums else ""
        return [*lines, f"{name}: {table.rows_kept:,} rows are equal{sums}."]
    if table.rows_kept != table.rows_shown:
        lines.append(f"{name}: {table.rows_kept:,} rows are kept, and Power BI shows {table.rows_shown:,}.")
    return lines + [
        f"{name}: the sum of {one.column} is {digits(one.kept)} in the kept rows and {digits(one.shown)} in Power BI."
        for one in table.sums
        if not one.holds
    ]


def _beside_source(table: Verified) -> list[str]:
    source, name = table.source, f"{table.stream} (table '{table.table}')"
    if source is None:
        return []
    if source.rows is None:
        return [f"{name}: not compared with {source.system}: {source.why_not}"]
    if table.is_as_source:
        return [f"{name}: {source.system} has {source.rows:,} rows, too."]
    here = f"{table.rows_kept:,} are kept" if table.rows_shown is None else f"Power BI shows {table.rows_shown:,}"
    sentence = (
        f"{name}: {source.system} has {source.rows:,} rows, and {here}. Rows may have come or gone there since the last run, and "
        f"rows that were refused are in the dead letters: run again, then verify."
    )
    return [sentence]


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEAD))]
    return [
        "  ".join(
            cell.rjust(width) if place >= _NUMBERS_FROM else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
