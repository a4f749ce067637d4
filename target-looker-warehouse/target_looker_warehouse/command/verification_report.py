"""What `ifs-bi verify` says: sentences for people, values for programs. Pure."""

from __future__ import annotations

from decimal import Context
from typing import TYPE_CHECKING, Any

from target_looker_warehouse.command.key_differences import Difference

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from decimal import Decimal

    from target_looker_warehouse.command.key_differences import KeyDifferences
    from target_looker_warehouse.command.trial_balance import Amounts, Line, TrialBalance
    from target_looker_warehouse.command.verification import Verified

_PLACES = 2  # digits after the point that an amount has at least
_EXACT = Context(prec=500)
_KINDS = {
    Difference.ONLY_SOURCE: ("is in {system} alone", "are in {system} alone"),
    Difference.ONLY_WAREHOUSE: ("is in the warehouse alone", "are in the warehouse alone"),
    Difference.OTHER_VERSION: ("has another version of its row", "have other versions of their rows"),
    Difference.REPEATED: ("has several rows in the warehouse", "have several rows in the warehouse"),
}


def verified_text(found: Sequence[Verified], system: str, most: int) -> str:
    """All streams, for people.

    Args:
        found: what was found out.
        system: the source's name.
        most: how many lines of a trial balance to show.
    """
    lines = [line for one in found for line in _of_stream(one, system, most)]
    compared = [one for one in found if one.skipped is None]
    differing = [one.stream for one in compared if not one.holds]
    if not differing:
        return "\n".join((*lines, "", f"{len(compared):,} of {len(compared):,} streams are equal."))
    told = f"{len(compared) - len(differing):,} of {len(compared):,} streams are equal, but not {', '.join(differing)}."
    return "\n".join((*lines, "", told, _changes(system)))


def verified_as_json(found: Iterable[Verified], most: int) -> list[dict[str, Any]]:
    """The same for programs: one object a stream, amounts as text with every digit.

    Args:
        found: what was found out.
        most: how many lines of a trial balance to show.
    """
    return [
        {
            "stream": one.stream,
            "table": one.table,
            "holds": one.holds,
            "source_rows": one.source_rows,
            "rows": one.rows,
            "deleted": one.deleted,
            "trial_balance": _balance_as_json(one.balance, most) if one.balance else None,
            "keys": _keys_as_json(one.keys) if one.keys else None,
            "unlike": one.unlike,
            "skipped": one.skipped,
            "problem": one.problem,
        }
        for one in found
    ]


def _changes(system: str) -> str:
    return (
        f"People go on working in {system} while it is read. What they changed after the last run, or between the two readings, "
        f"differs here as well: run the pipeline, then verify again. What differs both times is wrong in the warehouse. "
        f"Rows that were refused are not in it: `ifs-bi dead-letters list` names them."
    )


def _of_stream(one: Verified, system: str, most: int) -> Iterator[str]:
    if one.skipped is not None:
        yield f"{one.stream}: not compared, since {one.skipped}"
        return
    if one.source_rows is None:
        yield f"{one.stream}: {one.problem}"
        return
    yield f"{one.stream}: {_rows(one, system)}"
    if one.unlike is not None:
        yield f"  Amounts and keys were not compared, since {one.unlike}"
    if one.balance is not None:
        yield from _balance(one.balance, system, most)
    if one.keys is not None:
        yield from _keys(one.keys, system)
    if one.problem is not None:
        yield f"  {one.problem}"


def _rows(one: Verified, system: str) -> str:
    there = f"{one.source_rows:,} rows in {system}"
    if one.table is None:
        return f"{there}, and no table in the warehouse." if one.source_rows else f"{there}, and no table yet; equal."
    aside = f" (and {one.deleted:,} marked as deleted)" if one.deleted else ""
    difference = one.rows - (one.source_rows or 0)
    told = f"{abs(difference):,} {'more' if difference > 0 else 'fewer'}" if difference else "equal"
    return f"{there}, {one.rows:,} in table {one.table}{aside}; {told}."


def _balance(balance: TrialBalance, system: str, most: int) -> Iterator[str]:
    differing = f"{len(balance.differing):,} {'differs' if len(balance.differing) == 1 else 'differ'}"
    totals = ", ".join(
        f"{of} {_sides(source, warehouse, system)}"
        for of, source, warehouse in zip(balance.amounts, balance.source, balance.warehouse, strict=True)
    )
    yield f"  Trial balance by {', '.join(balance.by)}: {balance.agreeing:,} lines agree, {differing}. Totals: {totals}."
    for line in balance.differing[:most]:
        yield from _line(line, balance, system)
    if len(balance.differing) > most:
        yield f"    ... and {len(balance.differing) - most:,} more lines."


def _line(line: Line, balance: TrialBalance, system: str) -> Iterator[str]:
    name = _named(balance.by, line.of)
    if line.source is None or line.warehouse is None:
        amounts = line.source or line.warehouse or ()
        where = "the warehouse" if line.source is None else system
        told = ", ".join(f"{of} {_amount(amount)}" for of, amount in zip(balance.amounts, amounts, strict=True))
        yield f"    {name}: in {where} alone: {told}."
        return
    for of, source, warehouse in zip(balance.amounts, line.source, line.warehouse, strict=True):
        if source != warehouse:
            yield f"    {name}: {of} {_sides(source, warehouse, system)}."


def _sides(source: Decimal, warehouse: Decimal, system: str) -> str:
    if source == warehouse:
        return _amount(source)
    difference = _EXACT.subtract(warehouse, source)
    places = max(_PLACES, *(_places(amount) for amount in (source, warehouse)))
    told = (f"{amount:,.{places}f}" for amount in (source, warehouse))
    return f"{next(told)} in {system}, {next(told)} in the warehouse ({difference:+,.{places}f})"


def _keys(keys: KeyDifferences, system: str) -> Iterator[str]:
    what = "keys and versions" if keys.versions else "keys"
    if keys.hold:
        yield f"  All {what} agree."
    for kind, (one, several) in _KINDS.items():
        number = keys.counts[kind]
        if number:
            yield f"  {number:,} {'key' if number == 1 else 'keys'} {(one if number == 1 else several).format(system=system)}:"
            yield from (f"    {_named(keys.key, key)}" for key in keys.examples[kind])
            if number > len(keys.examples[kind]):
                yield f"    ... and {number - len(keys.examples[kind]):,} more."


def _named(names: Sequence[str], values: Sequence[str | None]) -> str:
    return ", ".join(f"{name} {'null' if value is None else value}" for name, value in zip(names, values, strict=True))


def _amount(amount: Decimal) -> str:
    return f"{amount:,.{max(_PLACES, _places(amount))}f}"


def _places(amount: Decimal) -> int:
    """Digits after the point."""
    exponent = amount.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _balance_as_json(balance: TrialBalance, most: int) -> dict[str, Any]:
    def told(amounts: Amounts | None) -> dict[str, str] | None:
        return (
            None
            if amounts is None
            else {of: f"{amount:f}" for of, amount in zip(balance.amounts, amounts, strict=True)}
        )

    return {
        "agreeing": balance.agreeing,
        "differing": len(balance.differing),
        "source": told(balance.source),
        "warehouse": told(balance.warehouse),
        "lines": [
            {
                **dict(zip(balance.by, line.of, strict=True)),
                "source": told(line.source),
                "warehouse": told(line.warehouse),
            }
            for line in balance.differing[:most]
        ],
    }


def _keys_as_json(keys: KeyDifferences) -> dict[str, Any]:
    return {
        kind.value: {
            "number": keys.counts[kind],
            "keys": [dict(zip(keys.key, key, strict=True)) for key in keys.examples[kind]],
        }
        for kind in Difference
    }
