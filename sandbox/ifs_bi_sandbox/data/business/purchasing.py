"""Purchase orders: a header and its lines, with totals that agree."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from ifs_bi_sandbox.data.business.chart import EXPENSES, INVENTORY
from ifs_bi_sandbox.data.business.dice import days
from ifs_bi_sandbox.data.business.money import ZERO, cents, rate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from ifs_bi_sandbox.data.business.dice import Dice
    from ifs_bi_sandbox.data.business.group import Company, Site
    from ifs_bi_sandbox.data.business.partners import Partner
    from ifs_bi_sandbox.data.values import Row

# Part number, description, unit, account; no part number: bought by description alone.
ARTICLES = (
    ("BOLT#8", "Bolt M8, zinc-plated", "pcs", INVENTORY),
    ("PIPE 1/2", 'Pipe 1/2", galvanised', "m", INVENTORY),
    ("SEAL-20", "Sealing ring Ø 20 mm", "pcs", INVENTORY),
    ("CAST*A", "Casting, raw", "kg", INVENTORY),
    ("OIL 5%", "Cutting oil 5 %", "l", "5410"),
    (None, "Hand tools as offered", "pcs", "5410"),
    (None, "Office material", "pcs", "6110"),
    (None, "Consulting, hours", "h", "6990"),
    (None, "Licences & support", "pcs", "6540"),
    (None, "Subcontracted machining", "h", "4010"),
)
NOTES = (None, None, None, None, "Call Åsa before delivery", 'Deliver "as is"\n50 % in advance; 100 µm tolerance')
WHOLE, NOTHING = Decimal(100), Decimal(0)


@dataclass(frozen=True)
class Item:
    """What one order line orders. ``discount`` is in per cent."""

    part: str | None
    description: str
    unit: str
    quantity: Decimal
    price: Decimal
    discount: Decimal = NOTHING

    @property
    def net(self) -> Decimal:
        """What the line costs, in the order's currency, without tax."""
        return net_amount(self.quantity, self.price, self.discount)


@dataclass(frozen=True)
class Order:
    """A purchase order as it was placed, at the instant ``entered`` of the day ``ordered``."""

    number: str
    supplier: Partner
    company: Company
    site: Site
    ordered: date
    entered: str
    wanted: date
    items: Sequence[Item]


@dataclass(frozen=True)
class Progress:
    """How far an order has come. ``line_states`` has a state for every item; ``changed`` is the last change."""

    state: str
    line_states: Sequence[str]
    changed: str
    delivered: str | None = None  # the instant of the receipt


def net_amount(quantity: Decimal, price: Decimal, discount: Decimal) -> Decimal:
    """What a line costs without tax; ``discount`` in per cent."""
    return cents(quantity * price * (WHOLE - discount) / WHOLE)


def some_items(dice: Dice) -> list[Item]:
    """One to six items, as chance wills."""
    return [_some_item(dice) for _ in range(dice.between(1, 6))]


def account_of(description: str) -> str:
    """The account that an article is booked on."""
    for _, known, _, account in ARTICLES:
        if known == description:
            return account
    return EXPENSES[-1]


def order_row(order: Order, progress: Progress, dice: Dice) -> Row:
    """The header; its totals are the sums of `line_rows`."""
    net = sum((item.net for item in order.items), ZERO)
    tax = sum((_tax(order, item.net) for item in order.items), ZERO)
    printed = progress.state not in {"Planned", "Cancelled"}
    return {
        "Objstate": progress.state,
        "OrderNo": order.number,
        "VendorNo": order.supplier.identity,
        "Company": order.company.code,
        "Contract": order.site.code,
        "CurrencyCode": order.supplier.currency,
        "CurrencyRate": rate(order.company.currency, order.supplier.currency, order.ordered),
        "BuyerCode": dice.pick(("*", "ANNLUN", "KARBER", "MÜLLER")),
        "AuthorizeCode": dice.pick(("ANNLUN", "KARBER")),
        "OrderCode": "1",
        "OrderDate": f"{order.ordered.isoformat()}T00:00:00",
        "DateEntered": order.entered,
        "WantedReceiptDate": f"{order.wanted.isoformat()}T00:00:00",
        "LatestPrintDate": order.entered if printed else None,
        "LanguageCode": order.supplier.country.language_code,
        "CountryCode": order.supplier.country.code,
        "DeliveryTerms": dice.pick(("EXW", "FCA", "DAP")),
        "ShipViaCode": "T",
        "PayTermId": dice.pick(("15", "30", "60")),
        "CancelReason": "NOT NEEDED" if progress.state == "Cancelled" else None,
        "NoteText": dice.pick(NOTES),
        "NoteId": int(order.number) * 10,
        "Revision": 1,
        "PickListFlag": dice.pick(("TRUE", "FALSE")),
        "ScheduleAgreement": "FALSE",
        "DocumentText": False,
        "OrderSent": printed,
        "TotalNetAmount": net,
        "TotalTaxAmount": tax,
        "TotalGrossAmount": net + tax,
        "Cf_BiRegion": dice.pick((None, None, "Norden", "DACH")),
    }


def line_rows(order: Order, progress: Progress, dice: Dice) -> list[Row]:
    """The lines, numbered from 1."""
    pairs = zip(order.items, progress.line_states, strict=True)
    return [
        _line_row(order, progress, (number, item, state), dice) for number, (item, state) in enumerate(pairs, start=1)
    ]


def line_amounts(line: Row, tax: int, company_rate: Decimal) -> Row:
    """The amounts of a line from its quantity, price and discount; ``tax`` in per cent."""
    net = net_amount(line["BuyQtyDue"], line["BuyUnitPrice"], line["Discount"])
    taxed = cents(net * tax / WHOLE)
    return {
        "NetAmtCurr": net,
        "TaxAmtCurr": taxed,
        "GrossAmtCurr": net + taxed,
        "NetAmtBase": cents(net * company_rate),
    }


def _line_row(order: Order, progress: Progress, line: tuple[int, Item, str], dice: Dice) -> Row:
    number, item, state = line
    arrived = state in {"Arrived", "Received", "Closed"}
    base_rate = rate(order.company.currency, order.supplier.currency, order.ordered)
    row: Row = {
        "Objstate": state,
        "OrderNo": order.number,
        "LineNo": str(number),
        "ReleaseNo": "1",
        "Contract": order.site.code,
        "VendorNo": order.supplier.identity,
        "PartNo": item.part,
        "Description": item.description,
        "BuyQtyDue": item.quantity,
        "ReceivedQty": item.quantity if arrived else NOTHING,
        "InvoicedQty": item.quantity if state == "Closed" else NOTHING,
        "BuyUnitMeas": item.unit,
        "BuyUnitPrice": item.price,
        "Discount": item.discount,
        "ConvFactor": 1,
        "PriceConvFactor": 1,
        "CurrencyCode": order.supplier.currency,
        "CurrencyRate": base_rate,
        "WantedDeliveryDate": order.wanted,
        "PlannedDeliveryDate": order.wanted,
        "PlannedReceiptDate": order.wanted + days(1),
        "RealDeliveryDate": progress.delivered if arrived else None,
        "DateEntered": order.entered,
        "ProjectId": "P-1001" if dice.chance(5) else None,
        "TaxCode": str(order.supplier.tax(order.company)),
        "DemandCode": "InventOrder" if item.part else "NotConnected",
        "IntrastatExempt": "Include",
        "DefaultAddrFlag": "TRUE",
    }
    return {**row, **line_amounts(row, order.supplier.tax(order.company), base_rate)}


def _some_item(dice: Dice) -> Item:
    part, description, unit, _ = dice.pick(ARTICLES)
    quantity = Decimal(dice.between(1, 200)) if unit == "pcs" else Decimal(dice.between(5, 2000)).scaleb(-1)
    price = dice.price(1, 900) if part is None else Decimal(dice.between(500, 900_000)).scaleb(-4)
    return Item(part, description, unit, quantity, price, Decimal(dice.pick(("0", "0", "0", "5", "12.5"))))


def _tax(order: Order, net: Decimal) -> Decimal:
    return cents(net * order.supplier.tax(order.company) / WHOLE)
