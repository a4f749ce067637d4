"""What the SCHEMAs of the IFS streams don't tell and Looker has to know. No I/O.

Which numbers are money and in which currency, which properties are only technical, what common properties mean, in which area a
stream belongs. Names are those of the streams and properties of tap-ifs-cloud; a stream of another source gets what its
properties' names say.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from types import MappingProxyType
from typing import TYPE_CHECKING

from ifs_bi_core.singer.sinks import ROW_VERSION, TABLE_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

_TECHNICAL = frozenset({"_ifs_etag", "Rowkey", "Rowversion", ROW_VERSION})
_SINGER = "_sdc_"

LEFT_OUT = frozenset({TABLE_VERSION})
"""Columns that a load may add of its own: without a field, so that the LookML is the same before and after."""


def is_technical(prop: str) -> bool:
    """Whether a person doesn't look for a property: its field is hidden."""
    return prop in _TECHNICAL or prop.startswith(_SINGER)


class Number(Enum):
    """What may be done with a number."""

    RATE = auto()
    PRICE = auto()
    AMOUNT = auto()
    QUANTITY = auto()
    CODE = auto()


_NUMBERS: tuple[tuple[re.Pattern[str], Number], ...] = (
    (re.compile("(?:Rate|Factor)(?![a-z])|(?:rate|factor)(?:_|$)"), Number.RATE),
    (
        re.compile("(?:Price|Cost|Limit|Discount|Percent)(?![a-z])|(?:price|cost|limit|discount|percent)(?:_|$)"),
        Number.PRICE,
    ),
    (re.compile("(?:Amount|Amt)(?![a-z])|(?:^|_)(?:amount|amt)(?:_|$)"), Number.AMOUNT),
    (re.compile("(?:Qty|Quantity)(?![a-z])|(?:^|_)(?:qty|quantity)(?:_|$)"), Number.QUANTITY),
)
"""Words in a property's name → what its numbers are; the first that fits."""

FORMATS: Mapping[Number, str] = MappingProxyType(
    {
        Number.RATE: "decimal_4",
        Number.PRICE: "decimal_2",
        Number.AMOUNT: "decimal_2",
        Number.QUANTITY: "decimal_2",
        Number.CODE: "id",
    }
)
"""Looker's named value formats (docs.cloud.google.com/looker/docs/reference/param-field-value-format-name)."""


def number_of(prop: str) -> Number:
    """What the numbers of a property are."""
    return next((number for pattern, number in _NUMBERS if pattern.search(prop)), Number.CODE)


class Currency(Enum):
    """In whose currency an amount is."""

    DOCUMENT = "the currency of the document"
    COMPANY = "the accounting currency of the company"
    PARALLEL = "the parallel currency of the company"


_PARALLEL = re.compile("ThirdCurrency|Parallel")
_OF_DOCUMENT = re.compile("Curr(?:ency)?(?![a-z])")
_OF_COMPANY = re.compile("(?:Dom|Base)(?![a-z])")
_BOOKS = frozenset({"all_journal_entries", "gl_voucher_rows", "journal_entries", "spend_by_cost_centre", "vouchers"})
"""Where an amount that says nothing else is in the currency of the books."""
_ALSO_COMPANY = frozenset({("payments", "DiffAmount")})

DOCUMENT_CURRENCY = ("CurrencyCode", "Currency", "currency_code", "currency")
"""Properties that name the currency of a row's document; the first that there is."""

CURRENCY_ELSEWHERE: Mapping[str, tuple[str, str]] = MappingProxyType(
    {"customer_order_lines": ("customer_orders", "CurrencyCode")}
)
"""Streams whose rows have the currency of the row that they belong to: its stream and property."""

BOOK_CURRENCY: Mapping[str, str] = MappingProxyType({"spend_by_cost_centre": "CurrencyCode"})
"""Where a property names the currency of the company's books."""

COMPANY = ("Company", "Contract")
"""Properties that say which company's currency it is; a site belongs to one company."""

UNIT = ("BuyUnitMeas", "SalesUnitMeas")
"""Properties that say in which unit a row's quantities are."""


def currency_of(stream: str, prop: str) -> Currency:
    """In whose currency the amounts of a property are."""
    if _PARALLEL.search(prop):
        return Currency.PARALLEL
    if _OF_COMPANY.search(prop) or (stream, prop) in _ALSO_COMPANY:
        return Currency.COMPANY
    if stream in _BOOKS and not _OF_DOCUMENT.search(prop):
        return Currency.COMPANY
    return Currency.DOCUMENT


AREAS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "purchasing": frozenset({"open_purchase_orders", "purchase_order_lines", "purchase_orders", "suppliers"}),
        "payables": frozenset(
            {
                "ledger_items",
                "outstanding_supplier_invoices",
                "payments",
                "supplier_invoice_postings",
                "supplier_invoices",
            }
        ),
        "sales": frozenset({"customer_order_lines", "customer_orders", "customers"}),
        "general ledger": frozenset(
            {
                "account_attribute_connections",
                "account_attribute_values",
                "account_attributes",
                "account_groups",
                "account_structure_items",
                "account_structures",
                "all_journal_entries",
                "code_part_values",
                "code_parts",
                "cost_dimensions",
                "gl_account_closure",
                "gl_account_levels",
                "gl_accounts",
                "gl_voucher_rows",
                "journal_entries",
                "spend_by_cost_centre",
                "vouchers",
            }
        ),
        "basic data": frozenset({"companies", "currencies", "sites"}),
    }
)
"""Under which heading people find an explore, and which loads renew its cache."""

OTHER_AREA = "other streams"


def area_of(name: str) -> str:
    """The area of a stream or SQL view."""
    return next((area for area, names in AREAS.items() if name in names), OTHER_AREA)


MEANINGS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "Account": ("Account", "The account of the general ledger, which is code part A."),
        "AccntType": (
            "Account type",
            "Whether the account is one of assets, liabilities, revenues, costs or statistics.",
        ),
        "Company": ("Company", "The company whose books these are."),
        "Contract": ("Site", "The site, which belongs to one company."),
        "Currency": ("Currency", "The currency of the document, as ISO code."),
        "CurrencyCode": ("Currency", "The currency of the document, as ISO code."),
        "CustomerNo": ("Customer no.", "The customer of the order."),
        "DueDate": ("Due", "The day by which it has to be paid."),
        "Identity": ("Supplier or customer", "Whom the document is from or for; the party type says which of both."),
        "InvoiceNo": ("Invoice no.", "The number that stands on the invoice."),
        "Objstate": ("State", "Where the row stands in its life, as IFS Cloud names it in its API."),
        "PartyType": ("Party type", "Whether the identity is a supplier or a customer."),
        "RowNo": ("Row no.", "The row of the voucher."),
        "SupplierNo": ("Supplier no.", "The supplier."),
        "VendorNo": ("Supplier no.", "The supplier of the order."),
        "VoucherDate": ("Voucher", "The day on which the voucher counts."),
        "VoucherNo": ("Voucher no.", "The number of the voucher within its type and year."),
        "VoucherType": ("Voucher type", "The series of vouchers."),
        **{
            f"Level{level}{more}": (f"Level {level}{more and ' description'}", "")
            for level in range(1, 11)
            for more in ("", "Description")
        },
        "stage": ("Stage", "hold: not yet updated to the general ledger; general_ledger: it is."),
        **{
            f"Code{part}": (
                f"Code part {part}",
                f"The value of code part {part}; what it stands for, each company says in its accounting rules.",
            )
            for part in "BCDEFGHIJ"
        },
    }
)
"""Property → label and description, where the name alone tells too little; of a date the label without the word date."""

LABELS: Mapping[str, str] = MappingProxyType(
    {
        "gl_account_closure": "Accounts below a node",
        "gl_account_levels": "Account hierarchy",
        "gl_accounts": "Accounts",
        "gl_voucher_rows": "General ledger rows",
        "all_journal_entries": "Journal entries, hold and ledger",
    }
)
"""How streams and SQL views are called where their name would not do."""

ORDERED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"AgeingBucket": ("not due", "1-30", "31-60", "61-90", "over 90")}
)
"""Property → its values in an order that no alphabet has."""

_TELLING = tuple(
    re.compile(words)
    for words in (
        r"^(?:Objs|S)tate$|^(?:s|S)tage$",
        r"^(?:Name|Description)$|(?:Supplier|Customer|Account|CostCentre)(?:Name|Description)$",
        r"^(?:Vendor|Supplier|Customer)No$|^Identity$|^InvoiceNo$|^Account$",
        r"Date$|^AgeingBucket$",
        r"^Currency(?:Code)?$",
        r"(?:Amount|Amt)(?![a-z])",
    )
)
DETAIL_FIELDS = 12
"""How many fields a row is shown by when somebody looks behind a figure."""


def telling(prop: str) -> int | None:
    """The place of a property among those that people want to see behind a figure, the first at 0; None where it has none."""
    return next((place for place, pattern in enumerate(_TELLING) if pattern.search(prop)), None)
