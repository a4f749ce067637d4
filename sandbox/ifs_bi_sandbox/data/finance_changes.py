"""What happens in the subledgers and the general ledger: invoices arrive, are paid, and vouchers are posted."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ifs_bi_sandbox.data.business import partners, settling, vouchers
from ifs_bi_sandbox.data.business.dice import days
from ifs_bi_sandbox.data.business.invoicing import SERIES, SUPPLIER, Invoice
from ifs_bi_sandbox.data.business.money import ZERO
from ifs_bi_sandbox.data.business.shares import order_shares
from ifs_bi_sandbox.data.order_changes import finish

if TYPE_CHECKING:
    from ifs_bi_sandbox.data.desk import Desk
    from ifs_bi_sandbox.data.values import Row

Result = dict[str, Any]

INVOICEABLE = ("Released", "Confirmed", "Arrived", "Received")
PAYABLE = ("Posted", "PostedAuth", "PartlyPaidPosted")
TERMS = 30  # days


def new_supplier_invoice(desk: Desk, *, order_no: str | None = None) -> Result:
    """The invoice over a received order, or the one named, comes in and is posted; the order is closed.

    It brings its postings, an open ledger item and a voucher in hold.
    """
    order = _order_to_invoice(desk, order_no)
    company = desk.company(order["Company"])
    lines = desk.rows("purchase_order_line", OrderNo=order["OrderNo"])
    invoice_id = desk.number(f"invoice {company.code}")
    invoice = Invoice(
        company=company,
        party_type=SUPPLIER,
        partner=desk.supplier(order["VendorNo"]),
        invoice_id=invoice_id,
        number=f"F#{invoice_id}",
        order=order["OrderNo"],
        on=desk.today,
        due=desk.today + days(TERMS),
        terms=str(TERMS),
        shares=order_shares(lines, desk.codes(company.code), desk.dice),
    )
    if not invoice.net:
        raise ValueError(f"purchase order {order['OrderNo']} has nothing to invoice: its lines are worth 0")
    item = desk.books.open_item(invoice, vouchers.SUPPLIER_INVOICE, desk.moment)
    desk.insert("ledger_item", item)
    desk.books.supplier_invoice(invoice, "Posted", item, desk.at)
    finish(desk, order, "Closed")
    return {
        "Company": company.code,
        "InvoiceId": invoice_id,
        "PoRefNumber": order["OrderNo"],
        "GrossCurrAmount": str(invoice.net + invoice.tax),
    }


def pay_invoice(
    desk: Desk, *, company: str | None = None, invoice_id: int | None = None, amount: str | None = None
) -> Result:
    """An open supplier invoice, or the one named, is paid: wholly, or the amount in its currency. The voucher waits in hold."""
    if company is None or invoice_id is None:
        invoice = desk.pick("man_supp_invoice", "supplier invoice to pay", PAYABLE)
    else:
        invoice = desk.row("man_supp_invoice", {"Company": company, "InvoiceId": invoice_id})
    name = f"supplier invoice {invoice['InvoiceId']} of company {invoice['Company']}"
    if invoice["Objstate"] not in PAYABLE:
        raise ValueError(f"{name} is {invoice['Objstate']}; only {', '.join(PAYABLE)} ones are paid")
    item = desk.row("ledger_item", _item_key(invoice))
    rest = item["FullCurrAmount"] - item["ClearedCurrAmount"]
    paid = rest if amount is None else Decimal(str(amount))
    if not ZERO < paid <= rest:
        raise ValueError(f"{name} has {rest} {item['Currency']} open; {paid} can't be paid of it")
    legal_entity = desk.company(invoice["Company"])
    centre = desk.codes(legal_entity.code).cost_centres[0]
    payment = desk.books.payment(legal_entity, item, paid, desk.moment, centre)
    change = settling.cleared(payment, desk.at)
    desk.update("ledger_item", item, change)
    state = "PaidPosted" if change["Objstate"] == "Paid" else "PartlyPaidPosted"
    desk.update("man_supp_invoice", invoice, {"Objstate": state})
    return {"Company": legal_entity.code, "InvoiceId": invoice["InvoiceId"], "CurrAmount": str(paid), "Objstate": state}


def post_vouchers(desk: Desk, *, company: str | None = None) -> Result:
    """All vouchers in hold, or those of one company, move into the general ledger: they disappear from hold."""
    held = desk.rows("voucher_row", **({"Company": company} if company else {}))
    for row in held:
        desk.insert("gen_led_voucher_row", vouchers.ledger_row(row, desk.at))
        desk.delete("voucher_row", row)
    return {"rows": len(held)}


def rename_supplier(desk: Desk, *, supplier_id: str | None = None, name: str | None = None) -> Result:
    """A supplier, or the one named, gets a new name."""
    supplier = desk.supplier(supplier_id)
    new = name or f"{desk.dice.pick(partners.FIRST)} {desk.dice.pick(partners.SECOND)} Group {desk.at[11:]}"
    desk.update("supplier_info", {"SupplierId": supplier.identity}, {"Name": new})
    return {"SupplierId": supplier.identity, "Name": new}


def _order_to_invoice(desk: Desk, order_no: str | None) -> Row:
    if order_no is None:
        return desk.pick("purchase_order", "received purchase order to invoice", ("Received",))
    order = desk.row("purchase_order", {"OrderNo": order_no})
    if order["Objstate"] not in INVOICEABLE:
        states = ", ".join(INVOICEABLE)
        raise ValueError(f"purchase order {order_no} is {order['Objstate']}; an invoice comes for one that is {states}")
    return order


def _item_key(invoice: Row) -> Row:
    return {
        "Company": invoice["Company"],
        "Identity": invoice["Identity"],
        "PartyType": invoice["PartyType"],
        "LedgerItemSeriesId": SERIES[SUPPLIER],
        "LedgerItemId": invoice["InvoiceNo"],
        "LedgerItemVersion": 1,
    }
