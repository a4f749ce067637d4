"""The books: where the rows of a business event are written, and how invoices, payments and vouchers hang together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ifs_bi_sandbox.data.business import vouchers
from ifs_bi_sandbox.data.business.invoicing import (
    Booking,
    Invoice,
    invoice_row,
    invoice_voucher,
    item_row,
    posting_rows,
)
from ifs_bi_sandbox.data.business.settling import PAYMENT_VOUCHERS, Payment, payment_row, payment_voucher

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date
    from decimal import Decimal

    from ifs_bi_sandbox.data.business.group import Company
    from ifs_bi_sandbox.data.business.vouchers import Voucher
    from ifs_bi_sandbox.data.values import Row


@dataclass(frozen=True)
class Moment:
    """A day in the books and the instant at which somebody entered it."""

    on: date
    at: str


@dataclass(frozen=True)
class Books:
    """``write`` takes a table, a new row and the instant of its last change; ``number`` gives the next of a series."""

    write: Callable[[str, Row, str], None]
    number: Callable[[str], int]
    today: date

    def booking(self, company: Company, kind: str, moment: Moment) -> Booking:
        """A voucher number for what is booked now."""
        number = self.number(vouchers.series(company.code, kind, moment.on))
        return Booking(kind, number, moment.on, moment.at)

    def record(self, voucher: Voucher) -> None:
        """Write a voucher: recent ones into hold, older ones into the general ledger."""
        posted = vouchers.update_of_ledger(voucher.on, self.today)
        for row in vouchers.hold_rows(voucher):
            if posted is None:
                self.write("voucher_row", row, voucher.created)
            else:
                self.write("gen_led_voucher_row", vouchers.ledger_row(row, posted), posted)

    def open_item(self, invoice: Invoice, kind: str, moment: Moment) -> Row:
        """Book an invoice by its voucher; gives its ledger item, which the caller writes when it is as it shall be."""
        booking = self.booking(invoice.company, kind, moment)
        self.record(invoice_voucher(invoice, booking))
        return item_row(invoice, booking)

    def supplier_invoice(self, invoice: Invoice, state: str, item: Row | None, at: str) -> None:
        """Write a supplier invoice with its postings; ``item`` is its ledger item once it is posted."""
        booking = Booking(item["VoucherTypeRef"], item["VoucherNoRef"], item["LedgerDate"], at) if item else None
        self.write("man_supp_invoice", invoice_row(invoice, state, booking), at)
        for row in posting_rows(invoice):
            self.write("posting_proposal", row, at)

    def payment(self, company: Company, item: Row, amount: Decimal, moment: Moment, cost_centre: str) -> Payment:
        """Pay a ledger item: writes the payment and its voucher. The item itself is the caller's to change."""
        kind = PAYMENT_VOUCHERS[item["PartyType"]]
        booking = self.booking(company, kind, moment)
        payment_id = self.number(f"payment {company.code} {kind}")
        payment = Payment(company, item, amount, payment_id, booking, cost_centre)
        self.write("payment_transaction", payment_row(payment), moment.at)
        self.record(payment_voucher(payment))
        return payment
