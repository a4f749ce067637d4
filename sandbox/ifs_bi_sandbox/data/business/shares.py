"""Where invoices are booked: shares of their net amount by account and code parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ifs_bi_sandbox.data.business.chart import INVENTORY
from ifs_bi_sandbox.data.business.invoicing import Share, revenue_account
from ifs_bi_sandbox.data.business.money import part
from ifs_bi_sandbox.data.business.purchasing import account_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ifs_bi_sandbox.data.business.chart import Codes
    from ifs_bi_sandbox.data.business.dice import Dice
    from ifs_bi_sandbox.data.business.selling import Order
    from ifs_bi_sandbox.data.values import Row


def order_shares(lines: Sequence[Row], codes: Codes, dice: Dice) -> list[Share]:
    """The shares of an invoice over the lines of a purchase order that were not cancelled.

    Parts go to inventory, everything else to a cost centre; now and then two cost centres divide a line.
    """
    shares = []
    for line in lines:
        if line["Objstate"] == "Cancelled":
            continue
        account, net = account_of(line["Description"]), line["NetAmtCurr"]
        if account == INVENTORY:
            shares.append(Share(account, net, {}, line["Description"], line["LineNo"]))
            continue
        first = part(net, 60) if dice.chance(20) else net
        shares.extend(
            Share(account, amount, _cost_codes(codes, dice), line["Description"], line["LineNo"])
            for amount in (first, net - first)
            if amount
        )
    return shares


def sales_shares(order: Order) -> list[Share]:
    """The shares of an invoice over a whole customer order, by line and product line."""
    return [
        Share(revenue_account(item.product_line), item.net, {"CodeC": item.product_line}, item.description)
        for item in order.items
    ]


def _cost_codes(codes: Codes, dice: Dice) -> dict[str, str]:
    centre = {"CodeB": dice.pick(codes.cost_centres)}
    return {**centre, "CodeF": dice.pick(codes.projects)} if dice.chance(10) else centre
