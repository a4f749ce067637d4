"""Payments: what settles a ledger item of either subledger, wholly or in part."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ifs_bi_sandbox.data.business import vouchers
from ifs_bi_sandbox.data.business.chart import BANK, EXCHANGE_GAIN, EXCHANGE_LOSS
from ifs_bi_sandbox.data.business.invoicing import CUSTOMER, SUPPLIER
from ifs_bi_sandbox.data.business.money import ZERO, cents, rate
from ifs_bi_sandbox.data.business.vouchers import Entry, Origin, Voucher

if TYPE_CHECKING:
    from decimal import Decimal

    from ifs_bi_sandbox.data.business.group import Company
    from ifs_bi_sandbox.data.business.invoicing import Booking
    from ifs_bi_sandbox.data.values import Row

PAYMENT_VOUCHERS = {SUPPLIER: vouchers.SUPPLIER_PAYMENT, CUSTOMER: vouchers.CUSTOMER_PAYMENT}


@dataclass(frozen=True)
class Payment:
    """An amount that settles a ledger item, wholly or in part, and the number it was given."""

    company: Company
    item: Row
    amount: Decimal  # in the item's currency
    payment_id: int
    booking: Booking
    cost_centre: str  # bears an exchange loss

    @cached_property
    def home(self) -> Decimal:
        """What of the item it clears in the company's currency, at the item's rate."""
        item = self.item
        if self.amount == item["FullCurrAmount"] - item["ClearedCurrAmount"]:
            return _rest(item)
        return cents(item["FullDomAmount"] * self.amount / item["FullCurrAmount"])

    @cached_property
    def bank(self) -> Decimal:
        """What the bank moved in the company's currency, at the rate of the day."""
        return cents(self.amount * self.rate)

    @cached_property
    def rate(self) -> Decimal:
        """The rate of the day of the payment."""
        return rate(self.company.currency, self.item["Currency"], self.booking.on)


def payment_row(payment: Payment) -> Row:
    """The payment transaction."""
    item = payment.item
    return {
        "Company": payment.company.code,
        "SeriesId": payment.booking.kind,
        "PaymentId": payment.payment_id,
        "TransId": 1,
        **{name: item[name] for name in ("Identity", "PartyType", "LedgerItemSeriesId", "LedgerItemId")},
        "LedgerItemVersion": item["LedgerItemVersion"],
        "Currency": item["Currency"],
        "CurrRate": payment.rate,
        "CurrAmount": payment.amount,
        "DomAmount": payment.home,
        "DiffAmount": (payment.bank - payment.home) or None,
        "PaymentDate": payment.booking.on,
        "VoucherTypeRef": payment.booking.kind,
        "VoucherNoRef": payment.booking.number,
        "CashAccount": "MAIN",
        "WayId": "BANK",
    }


def cleared(payment: Payment, at: str) -> Row:
    """What the payment changes in its ledger item; ``at`` is the instant of the last clearing."""
    item = payment.item
    curr = item["ClearedCurrAmount"] + payment.amount
    paid = curr == item["FullCurrAmount"]
    return {
        "ClearedCurrAmount": curr,
        "ClearedDomAmount": item["ClearedDomAmount"] + payment.home,
        "ClearedAt": at if paid else None,
        "Objstate": "Paid" if paid else "PartlyPaid",
    }


def payment_voucher(payment: Payment) -> Voucher:
    """The voucher of a payment: the open item against the bank, and the exchange difference."""
    item, booking = payment.item, payment.booking
    sign = 1 if item["PartyType"] == SUPPLIER else -1
    entries = [
        Entry(item["CodeA"], sign * payment.amount, sign * payment.home),
        Entry(BANK, -sign * payment.amount, -sign * payment.bank),
    ]
    loss = sign * (payment.bank - payment.home)
    if loss:
        codes = {"CodeB": payment.cost_centre} if loss > 0 else {}
        entries.append(Entry(EXCHANGE_LOSS if loss > 0 else EXCHANGE_GAIN, ZERO, loss, codes, "Exchange difference"))
    return Voucher(
        company=payment.company,
        kind=booking.kind,
        number=booking.number,
        on=booking.on,
        currency=item["Currency"],
        rate=payment.rate,
        created=booking.created,
        entries=entries,
        origin=Origin(item["PartyType"], item["Identity"], item["LedgerItemSeriesId"], item["LedgerItemId"]),
    )


def _rest(item: Row) -> Decimal:
    rest: Decimal = item["FullDomAmount"] - item["ClearedDomAmount"]
    return rest
