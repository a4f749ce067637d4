"""Recognises the filters of keyset paging, which say "after this row in the order of these properties".

SQLite walks an index for ``(a, b) > (?, ?)``, but not for the same thing written with ``or``, the only way OData has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from odata_query import ast

from ifs_bi_sandbox.ifs.values import value_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def chain(node: Any, operator: type) -> Iterator[Any]:
    """The operands of nested nodes of one operator, from left to right."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        if isinstance(current, ast.BoolOp) and type(current.op) is operator:
            waiting += [current.right, current.left]
        else:
            yield current


def after(alternatives: Sequence[Any]) -> list[Any] | None:
    """The comparisons ``[a > x, b > y]`` of alternatives that say "after (x, y) in the order of (a, b)", else None.

    Both ways of writing it are known: nested, ``a > x or (a = x and (b > y or …))``, and spread out,
    ``a > x or (a = x and b > y) or (a = x and b = y and c > z)``.
    """
    first, *others = alternatives
    if not (
        isinstance(first, ast.Compare)
        and isinstance(first.left, ast.Identifier)
        and isinstance(first.comparator, ast.Gt | ast.Lt | ast.GtE | ast.LtE)
        and not isinstance(first.right, ast.Null)
        and value_of(first.right) is not None
    ):
        return None
    if not others:
        return [first]
    if not isinstance(first.comparator, ast.Gt | ast.Lt):
        return None
    tie = ast.Compare(ast.Eq(), first.left, first.right)
    remainders: list[Any] = []
    for other in others:
        conditions = list(chain(other, ast.And))
        if tie not in conditions or len(conditions) == 1:
            return None
        conditions.remove(tie)
        remainder = conditions[0]
        for further in conditions[1:]:
            remainder = ast.BoolOp(ast.And(), remainder, further)
        remainders += chain(remainder, ast.Or)
    following = after(remainders)
    if following is None or _ascends(following[0]) != _ascends(first):
        return None
    return [first, *following]


def _ascends(comparison: Any) -> bool:
    return isinstance(comparison.comparator, ast.Gt | ast.GtE)
