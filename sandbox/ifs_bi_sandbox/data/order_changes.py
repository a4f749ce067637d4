"""What happens to orders: placed, repriced, received, closed, cancelled, withdrawn."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ifs_bi_sandbox.data.business import purchasing, selling
from ifs_bi_sandbox.data.business.dice import days
from ifs_bi_sandbox.data.business.money import CENT, ZERO, cents

if TYPE_CHECKING:
    from ifs_bi_sandbox.data.desk import Desk
    from ifs_bi_sandbox.data.values import Row

Result = dict[str, Any]

OPEN = ("Planned", "Released", "Confirmed", "Arrived", "Received", "Stopped")
RECEIVABLE = ("Released", "Confirmed", "Arrived")
CANCELLABLE = ("Planned", "Released", "Confirmed", "Stopped")
WITHDRAWABLE = ("Planned", "Released", "Reserved")


def new_purchase_order(desk: Desk, *, supplier_id: str | None = None) -> Result:
    """A supplier, or the one named, gets an order of one to six lines, released at once."""
    company, site = desk.place()
    order = purchasing.Order(
        number=str(desk.number("purchase order")),
        supplier=desk.supplier(supplier_id),
        company=company,
        site=site,
        ordered=desk.today,
        entered=desk.at,
        wanted=desk.today + days(desk.dice.between(7, 45)),
        items=purchasing.some_items(desk.dice),
    )
    progress = purchasing.Progress("Released", ["Released"] * len(order.items), desk.at)
    desk.insert("purchase_order", purchasing.order_row(order, progress, desk.dice))
    for line in purchasing.line_rows(order, progress, desk.dice):
        desk.insert("purchase_order_line", line)
    return {"OrderNo": order.number, "lines": len(order.items)}


def change_purchase_order_line(
    desk: Desk,
    *,
    order_no: str | None = None,
    line_no: str | None = None,
    release_no: str = "1",
    price: str | None = None,
) -> Result:
    """A line of an open order gets another price (by default up to a fifth more or less); the order's totals follow."""
    order = _order(desk, order_no, OPEN)
    line = _open_line(desk, order, line_no, release_no)
    key = {name: line[name] for name in ("OrderNo", "LineNo", "ReleaseNo")}
    new = Decimal(str(price)) if price is not None else _other_price(desk, line["BuyUnitPrice"])
    tax = int(line["TaxCode"] or 0)
    amounts = purchasing.line_amounts({**line, "BuyUnitPrice": new}, tax, line["CurrencyRate"] or Decimal(1))
    desk.update("purchase_order_line", key, {"BuyUnitPrice": new, **amounts})
    desk.update("purchase_order", {"OrderNo": order["OrderNo"]}, _totals(desk, order["OrderNo"]))
    return {**key, "BuyUnitPrice": str(new)}


def receive_purchase_order(desk: Desk, *, order_no: str | None = None) -> Result:
    """All lines of an order arrive."""
    order = _order(desk, order_no, RECEIVABLE)
    return _move(desk, order, "Received")


def close_purchase_order(desk: Desk, *, order_no: str | None = None) -> Result:
    """A received order is closed, whether an invoice came or not."""
    order = _order(desk, order_no, ("Received",))
    return _move(desk, order, "Closed")


def cancel_purchase_order(desk: Desk, *, order_no: str | None = None) -> Result:
    """An order of which nothing has arrived is cancelled."""
    order = _order(desk, order_no, CANCELLABLE if order_no else ("Planned", "Released"))
    for line in desk.rows("purchase_order_line", OrderNo=order["OrderNo"]):
        if line["Objstate"] not in {*CANCELLABLE, "Cancelled"}:
            raise ValueError(
                f"line {line['LineNo']} of purchase order {order['OrderNo']} is {line['Objstate']} already"
            )
    return _move(desk, order, "Cancelled")


def new_customer_order(desk: Desk, *, customer_id: str | None = None) -> Result:
    """A customer, or the one named, places an order."""
    company, site = desk.place()
    order = selling.Order(
        number=selling.order_number(desk.number("customer order")),
        customer=desk.customer(customer_id),
        company=company,
        site=site,
        ordered=desk.today,
        entered=desk.at,
        wanted=desk.today + days(desk.dice.between(5, 30)),
        items=selling.some_items(desk.dice),
    )
    desk.insert("customer_order", selling.order_row(order, "Released", desk.dice))
    lines = selling.line_rows(order, "Released", None, desk.dice)
    for line in lines:
        desk.insert("customer_order_line", line)
    return {"OrderNo": order.number, "lines": len(lines)}


def delete_customer_order(desk: Desk, *, order_no: str | None = None) -> Result:
    """An order nobody has begun to deliver is removed with its lines; nothing remembers it."""
    if order_no is None:
        order_no = desk.pick("customer_order", "customer order to withdraw", WITHDRAWABLE)["OrderNo"]
    order = desk.row("customer_order", {"OrderNo": order_no})
    if order["Objstate"] not in WITHDRAWABLE:
        raise ValueError(
            f"customer order {order_no} is {order['Objstate']}; only {', '.join(WITHDRAWABLE)} ones are removed"
        )
    lines = desk.rows("customer_order_line", OrderNo=order_no)
    for line in lines:
        desk.delete("customer_order_line", line)
    desk.delete("customer_order", order)
    return {"OrderNo": order_no, "lines": len(lines)}


def finish(desk: Desk, order: Row, state: str) -> int:
    """Bring an order and all its lines that are still open to a state; gives the number of those lines."""
    moved = 0
    for line in desk.rows("purchase_order_line", OrderNo=order["OrderNo"]):
        if line["Objstate"] in OPEN:
            desk.update("purchase_order_line", line, _line_in(state, line, desk.at))
            moved += 1
    values: Row = {"Objstate": state}
    if state == "Cancelled":
        values["CancelReason"] = "NOT NEEDED"
    desk.update("purchase_order", order, values)
    return moved


def _move(desk: Desk, order: Row, state: str) -> Result:
    return {"OrderNo": order["OrderNo"], "lines": finish(desk, order, state)}


def _line_in(state: str, line: Row, at: str) -> Row:
    values: Row = {"Objstate": state}
    if state in {"Received", "Closed"}:
        values |= {"ReceivedQty": line["BuyQtyDue"], "RealDeliveryDate": line["RealDeliveryDate"] or at}
    return values


def _order(desk: Desk, order_no: str | None, states: tuple[str, ...]) -> Row:
    """The order of that number, or one of them; ValueError when it is in another state."""
    if order_no is None:
        return desk.pick("purchase_order", f"purchase order that is {' or '.join(states)}", states)
    order = desk.row("purchase_order", {"OrderNo": order_no})
    if order["Objstate"] not in states:
        raise ValueError(
            f"purchase order {order_no} is {order['Objstate']}; this needs one that is {' or '.join(states)}"
        )
    return order


def _open_line(desk: Desk, order: Row, line_no: str | None, release_no: str) -> Row:
    if line_no is None:
        return desk.pick("purchase_order_line", "open line of the order", OPEN, OrderNo=order["OrderNo"])
    line = desk.row("purchase_order_line", {"OrderNo": order["OrderNo"], "LineNo": line_no, "ReleaseNo": release_no})
    if line["Objstate"] not in OPEN:
        raise ValueError(f"line {line_no} of purchase order {order['OrderNo']} is {line['Objstate']}; its price stands")
    return line


def _totals(desk: Desk, order_no: str) -> Row:
    lines = desk.rows("purchase_order_line", OrderNo=order_no)
    net = sum((line["NetAmtCurr"] for line in lines), ZERO)
    tax = sum((line["TaxAmtCurr"] or ZERO for line in lines), ZERO)
    return {"TotalNetAmount": net, "TotalTaxAmount": tax, "TotalGrossAmount": net + tax}


def _other_price(desk: Desk, price: Decimal) -> Decimal:
    """Up to a fifth more or less, but never the same."""
    other = cents(price * desk.dice.pick((80, 85, 90, 95, 105, 110, 115, 120)) / 100)
    return other + CENT if other == price else other
