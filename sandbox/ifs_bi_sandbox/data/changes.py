"""Changes of the source, by name: what the control endpoint, the tests and the demo do to the data between two runs."""

from __future__ import annotations

import inspect
from contextlib import closing
from decimal import DecimalException
from typing import TYPE_CHECKING, Any

from ifs_bi_sandbox.data.desk import Desk, NothingToChangeError
from ifs_bi_sandbox.data.finance_changes import new_supplier_invoice, pay_invoice, post_vouchers, rename_supplier
from ifs_bi_sandbox.data.order_changes import (
    cancel_purchase_order,
    change_purchase_order_line,
    close_purchase_order,
    delete_customer_order,
    new_customer_order,
    new_purchase_order,
    receive_purchase_order,
)
from ifs_bi_sandbox.data.tables import connect, transaction

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from pathlib import Path

    from ifs_bi_sandbox.data.values import Row

Result = dict[str, Any]


def insert(desk: Desk, *, table: str, row: Any) -> Result:
    """Add any row, without regard to the books."""
    _check_objects(row=row)
    desk.insert(table, row)
    return {"table": table}


def update(desk: Desk, *, table: str, key: Any, values: Any) -> Result:
    """Change columns of any row, without regard to the books."""
    _check_objects(key=key, values=values)
    desk.update(table, key, values)
    return {"table": table}


def delete(desk: Desk, *, table: str, key: Any) -> Result:
    """Remove any row, without regard to the books."""
    _check_objects(key=key)
    desk.delete(table, key)
    return {"table": table}


ACTIONS: dict[str, Callable[..., Result]] = {
    action.__name__: action
    for action in (
        new_purchase_order,
        change_purchase_order_line,
        receive_purchase_order,
        close_purchase_order,
        cancel_purchase_order,
        new_supplier_invoice,
        pay_invoice,
        post_vouchers,
        new_customer_order,
        delete_customer_order,
        rename_supplier,
        insert,
        update,
        delete,
    )
}

# What happens on a day, in this order. Vouchers are posted before the last ones come, so that some stay in hold.
DAY = (
    ("new_purchase_order", 4),
    ("change_purchase_order_line", 4),
    ("receive_purchase_order", 3),
    ("new_supplier_invoice", 3),
    ("close_purchase_order", 1),
    ("cancel_purchase_order", 1),
    ("new_customer_order", 3),
    ("delete_customer_order", 1),
    ("rename_supplier", 1),
    ("post_vouchers", 1),
    ("pay_invoice", 3),
)


def apply(database: Path, change: Row) -> Result:
    """Make one change: ``{"action": name, …}`` with the action's parameters, all or nothing.

    ``at`` may give its instant (YYYY-MM-DDTHH:MM:SS, later than the last change), ``seed`` what chance fills in.
    Answers the action, its instant and what it did. Raises ValueError for an unknown action or parameter, a value
    that doesn't fit, and a row that isn't there or is in the wrong state; nothing has changed then.
    """
    with closing(connect(database)) as connection:
        return _applied(connection, change)


def a_day_of_business(database: Path, seed: int = 1) -> dict[str, int]:
    """Make the changes of an ordinary day, each in a transaction and at an instant of its own.

    Gives how often each action was done; an action for which no row is ready today counts less or 0.
    """
    done = {}
    with closing(connect(database)) as connection:
        for action, times in DAY:
            done[action] = 0
            for _ in range(times):
                try:
                    _applied(connection, {"action": action, "seed": seed})
                except NothingToChangeError:
                    break
                done[action] += 1
    return done


def _applied(connection: sqlite3.Connection, change: Row) -> Result:
    parameters = dict(change)
    name, at, seed = parameters.pop("action", None), parameters.pop("at", None), parameters.pop("seed", 1)
    if name not in ACTIONS:
        raise ValueError(f"there is no action {name!r}; there are {', '.join(ACTIONS)}")
    action = ACTIONS[name]
    _check(action, parameters)
    with transaction(connection):
        desk = Desk.open(connection, at, seed)
        try:
            result = action(desk, **parameters)
        except DecimalException as error:
            raise ValueError(f"{name}: an amount must be a number like 12.50") from error
        return {"action": name, "at": desk.at, **result}


def _check(action: Callable[..., Result], parameters: Row) -> None:
    signature = inspect.signature(action)
    try:
        signature.bind(None, **parameters)
    except TypeError as error:
        known = [name for name in signature.parameters if name != "desk"]
        raise ValueError(f"{action.__name__}: {error}; its parameters are {', '.join(known) or 'none'}") from error


def _check_objects(**parameters: Any) -> None:
    for name, value in parameters.items():
        if not isinstance(value, dict):
            raise ValueError(f"{name} must be an object of column names and values, not {value!r}")  # noqa: TRY004 - a ValueError like all others
