"""Vouchers: rows that balance to zero, in hold or in the general ledger."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

from ifs_bi_sandbox.data.business.dice import days
from ifs_bi_sandbox.data.business.money import ZERO

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from decimal import Decimal

    from ifs_bi_sandbox.data.business.group import Company
    from ifs_bi_sandbox.data.values import Row

# IFS Cloud's usual letters for the functions that write vouchers.
MANUAL, SUPPLIER_INVOICE, SUPPLIER_PAYMENT, CUSTOMER_INVOICE, CUSTOMER_PAYMENT = "M", "I", "U", "F", "B"

HOLD_DAYS = 4  # vouchers of the last days wait for the next update of the general ledger
FIRST_COMBINATION = 2**53 + 1  # the first whole number that a float can't hold


@dataclass(frozen=True)
class Entry:
    """One row of a voucher: positive amounts are debit, negative credit. ``codes`` maps CodeB … CodeJ to values."""

    account: str
    currency_amount: Decimal
    amount: Decimal  # in the company's currency
    codes: dict[str, str] = field(default_factory=dict)
    text: str | None = None


@dataclass(frozen=True)
class Origin:
    """Whom and what a voucher is about; nothing of it is known for manual vouchers."""

    party_type: str | None = None  # Supplier or Customer
    party: str | None = None
    series: str | None = None
    reference: str | None = None


@dataclass(frozen=True)
class Voucher:
    """A voucher of one company, entered at the instant ``created``."""

    company: Company
    kind: str
    number: int
    on: date
    currency: str
    rate: Decimal
    created: str
    entries: Sequence[Entry]
    origin: Origin = field(default_factory=Origin)


def series(company: str, kind: str, on: date) -> str:
    """The number series a voucher takes its number from: one a company, kind and year."""
    return f"voucher {company} {kind} {on.year}"


def hold_rows(voucher: Voucher) -> list[Row]:
    """The rows of a voucher as they stand in hold; ValueError when they don't balance."""
    if sum(entry.amount for entry in voucher.entries):
        raise ValueError(f"voucher {voucher.kind} {voucher.number} of company {voucher.company.code} does not balance")
    return [_row(voucher, number, entry) for number, entry in enumerate(voucher.entries, start=1)]


def ledger_row(hold: Row, posted: str) -> Row:
    """What a row in hold becomes in the general ledger at the instant ``posted``."""
    key = "^".join(str(hold[name]) for name in ("Company", "VoucherType", "AccountingYear", "VoucherNo", "RowNo"))
    kept = {name: value for name, value in hold.items() if name != "EntryDate"}
    return {
        **kept,
        "PostingCombinationId": FIRST_COMBINATION + hold["VoucherNo"] * 100 + hold["RowNo"],
        "JournalId": int(posted[:10].replace("-", "")),
        "InternalSeqNumber": hold["RowNo"],
        "Summerized": "FALSE",
        "Rowkey": blake2b(key.encode(), digest_size=16).hexdigest().upper(),
    }


def update_of_ledger(on: date, today: date) -> str | None:
    """When a voucher of that day reached the general ledger: in the next night, all of a day at once; None: not yet."""
    if on > today - days(HOLD_DAYS):
        return None
    return f"{(on + days(1)).isoformat()}T02:00:00"


def _row(voucher: Voucher, number: int, entry: Entry) -> Row:
    debit, currency_debit = entry.amount >= ZERO, entry.currency_amount >= ZERO
    origin = voucher.origin
    return {
        "Company": voucher.company.code,
        "VoucherType": voucher.kind,
        "AccountingYear": voucher.on.year,
        "VoucherNo": voucher.number,
        "RowNo": number,
        "AccountingPeriod": voucher.on.month,
        "YearPeriodKey": voucher.on.year * 100 + voucher.on.month,
        "VoucherDate": voucher.on,
        "Account": entry.account,
        **entry.codes,
        "TransCode": "MANUAL" if voucher.kind == MANUAL else "AP" if origin.party_type == "Supplier" else "AR",
        "CurrencyDebetAmount": entry.currency_amount if currency_debit else None,
        "CurrencyCreditAmount": None if currency_debit else -entry.currency_amount,
        "CurrencyAmount": entry.currency_amount,
        "DebetAmount": entry.amount if debit else None,
        "CreditAmount": None if debit else -entry.amount,
        "Amount": entry.amount,
        "CurrencyCode": voucher.currency,
        "CurrencyRate": voucher.rate,
        "ConversionFactor": 1,
        "Text": entry.text,
        "PartyType": origin.party_type,
        "PartyTypeId": origin.party,
        "ReferenceSerie": origin.series,
        "ReferenceNumber": origin.reference,
        "ProjectId": entry.codes.get("CodeF"),
        "Correction": "FALSE",
        "Autobook": "FALSE" if voucher.kind == MANUAL else "TRUE",
        "CreatorDesc": "IFSAPP",
        "CreatedAt": voucher.created,
        "EntryDate": voucher.created[:10],
    }
