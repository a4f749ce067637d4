"""Invoices and payments of both subledgers: supplier invoices with postings, ledger items, and what settles them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ifs_bi_sandbox.data.business.chart import (
    PAYABLES,
    RECEIVABLES,
    SALES,
    SERVICES,
    TAX_IN,
    TAX_OUT,
)
from ifs_bi_sandbox.data.business.money import ZERO, cents, rate
from ifs_bi_sandbox.data.business.vouchers import Entry, Origin, Voucher

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from decimal import Decimal

    from ifs_bi_sandbox.data.business.group import Company
    from ifs_bi_sandbox.data.business.partners import Partner
    from ifs_bi_sandbox.data.values import Row

SUPPLIER, CUSTOMER = "Supplier", "Customer"
SERIES = {SUPPLIER: "SI", CUSTOMER: "CD"}  # of ledger items


@dataclass(frozen=True)
class Share:
    """A part of an invoice's net amount with the account and codes it is booked on."""

    account: str
    net: Decimal
    codes: dict[str, str]
    text: str
    order_line: str | None = None


@dataclass(frozen=True)
class Invoice:
    """An invoice from a supplier or to a customer; its shares are its whole net amount."""

    company: Company
    party_type: str  # Supplier or Customer
    partner: Partner
    invoice_id: int
    number: str
    order: str | None
    on: date
    due: date
    terms: str
    shares: Sequence[Share]

    @cached_property
    def rate(self) -> Decimal:
        """From the invoice's currency into the company's."""
        return rate(self.company.currency, self.partner.currency, self.on)

    @cached_property
    def net(self) -> Decimal:
        """Without tax."""
        return sum((share.net for share in self.shares), ZERO)

    @cached_property
    def tax(self) -> Decimal:
        """Value-added tax."""
        return cents(self.net * self.partner.tax(self.company) / 100)

    @cached_property
    def net_home(self) -> Decimal:
        """Net in the company's currency: the sum of the shares, each rounded by itself."""
        return sum((cents(share.net * self.rate) for share in self.shares), ZERO)

    @cached_property
    def gross_home(self) -> Decimal:
        """Gross in the company's currency."""
        return self.net_home + cents(self.tax * self.rate)


@dataclass(frozen=True)
class Booking:
    """The voucher an invoice or a payment was booked by."""

    kind: str
    number: int
    on: date
    created: str


def invoice_row(invoice: Invoice, state: str, booking: Booking | None) -> Row:
    """The supplier invoice; ``booking`` is None until it is posted."""
    return {
        "Objstate": state,
        "Company": invoice.company.code,
        "InvoiceId": invoice.invoice_id,
        "Identity": invoice.partner.identity,
        "PartyType": invoice.party_type,
        "SeriesId": SERIES[invoice.party_type],
        "InvoiceType": "SUPPINV",
        "InvoiceNo": invoice.number,
        "Currency": invoice.partner.currency,
        "CurrRate": invoice.rate,
        "NetCurrAmount": invoice.net,
        "VatCurrAmount": invoice.tax,
        "GrossCurrAmount": invoice.net + invoice.tax,
        "NetDomAmount": invoice.net_home,
        "VatDomAmount": invoice.gross_home - invoice.net_home,
        "GrossDomAmount": invoice.gross_home,
        "InvoiceDate": invoice.on,
        "ArrivalDate": invoice.on,
        "DueDate": invoice.due,
        "PayTermId": invoice.terms,
        "Creator": "MAN_SUPP_INVOICE_API",
        "InvoiceRecipient": "ANNLUN" if invoice.order is None else None,
        "PoRefNumber": invoice.order,
        "VoucherTypeRef": booking.kind if booking else None,
        "VoucherNoRef": booking.number if booking else None,
        "VoucherDateRef": booking.on if booking else None,
        "CreationDate": invoice.on,
    }


def posting_rows(invoice: Invoice) -> list[Row]:
    """The posting proposal of a supplier invoice: a row a share, together its net amount."""
    return [
        {
            "Company": invoice.company.code,
            "InvoiceId": invoice.invoice_id,
            "RowId": number,
            "Account": share.account,
            **share.codes,
            "Currency": invoice.partner.currency,
            "CurrAmount": share.net,
            "DomAmount": cents(share.net * invoice.rate),
            "PostingText": share.text,
            "AutCodingRule": "PO" if invoice.order else None,
            "PoRefNumber": invoice.order,
            "PoLineReference": share.order_line,
        }
        for number, share in enumerate(invoice.shares, start=1)
    ]


def item_row(invoice: Invoice, booking: Booking) -> Row:
    """The ledger item of a posted invoice, wholly open."""
    return {
        "Objstate": "Unpaid",
        "Company": invoice.company.code,
        "Identity": invoice.partner.identity,
        "PartyType": invoice.party_type,
        "LedgerItemSeriesId": SERIES[invoice.party_type],
        "LedgerItemId": invoice.number,
        "LedgerItemVersion": 1,
        "InvoiceId": invoice.invoice_id,
        "Currency": invoice.partner.currency,
        "CurrRate": invoice.rate,
        "FullCurrAmount": invoice.net + invoice.tax,
        "ClearedCurrAmount": ZERO,
        "FullDomAmount": invoice.gross_home,
        "ClearedDomAmount": ZERO,
        "LedgerDate": booking.on,
        "DueDate": invoice.due,
        "CodeA": PAYABLES if invoice.party_type == SUPPLIER else RECEIVABLES,
        "PayTermId": invoice.terms,
        "VoucherTypeRef": booking.kind,
        "VoucherNoRef": booking.number,
        "IsInDispute": "FALSE",
    }


def invoice_voucher(invoice: Invoice, booking: Booking) -> Voucher:
    """The voucher of an invoice: shares and tax against payables, or receivables against revenue and tax."""
    supplier = invoice.party_type == SUPPLIER
    sign = 1 if supplier else -1
    entries = [
        Entry(share.account, sign * share.net, sign * cents(share.net * invoice.rate), share.codes, share.text)
        for share in invoice.shares
    ]
    if invoice.tax:
        tax_home = invoice.gross_home - invoice.net_home
        entries.append(Entry(TAX_IN if supplier else TAX_OUT, sign * invoice.tax, sign * tax_home, text="VAT"))
    gross = invoice.net + invoice.tax
    entries.append(Entry(PAYABLES if supplier else RECEIVABLES, -sign * gross, -sign * invoice.gross_home))
    return Voucher(
        company=invoice.company,
        kind=booking.kind,
        number=booking.number,
        on=booking.on,
        currency=invoice.partner.currency,
        rate=invoice.rate,
        created=booking.created,
        entries=entries,
        origin=Origin(invoice.party_type, invoice.partner.identity, SERIES[invoice.party_type], invoice.number),
    )


def revenue_account(product_line: str) -> str:
    """The account that sales of a product line are booked on."""
    return SERVICES if product_line == "SERVICE" else SALES
