"""Customer orders: a header and its lines, some of them packages, with totals that agree."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from ifs_bi_sandbox.data.business.money import ZERO, cents, rate
from ifs_bi_sandbox.data.business.purchasing import net_amount

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from ifs_bi_sandbox.data.business.dice import Dice
    from ifs_bi_sandbox.data.business.group import Company, Site
    from ifs_bi_sandbox.data.business.partners import Partner
    from ifs_bi_sandbox.data.values import Row

# Catalogue number, description, kind, product line.
CATALOGUE = (
    ("PUMP-300", "Pump, 300 l/min", "InventoryPart", "PUMPS"),
    ("PUMP-300/B", "Pump, 300 l/min, bronze", "InventoryPart", "PUMPS"),
    ('VALVE 2"', 'Ball valve 2"', "InventoryPart", "VALVES"),
    ("FIT#44", "Fitting 44 mm, 1½", "InventoryPart", "VALVES"),
    ("SERVICE+", "Yearly service, on site", "NonInventoryPart", "SERVICE"),
    ("KIT*PUMP", "Pump with valve and fittings", "PackagePart", "PUMPS"),
)
COMPONENTS = ("PUMP-300", 'VALVE 2"')
PACKAGE = "PackagePart"
GRAIN = Decimal("1E-14")  # costs are quotients with as many digits as the column has
COST_SHARES = (Decimal(7), Decimal(9), Decimal(11))  # a cost is five sevenths, ninths or elevenths of the price
DONE = frozenset({"Delivered", "Invoiced"})


@dataclass(frozen=True)
class Item:
    """What one line sells. ``discount`` is in per cent."""

    catalogue: str
    description: str
    kind: str
    product_line: str
    quantity: Decimal
    price: Decimal
    discount: Decimal

    @property
    def net(self) -> Decimal:
        """What the line brings, in the order's currency, without tax."""
        return net_amount(self.quantity, self.price, self.discount)


@dataclass(frozen=True)
class Order:
    """A customer order as it was taken, at the instant ``entered`` of the day ``ordered``."""

    number: str
    customer: Partner
    company: Company
    site: Site
    ordered: date
    entered: str
    wanted: date
    items: Sequence[Item]


def order_number(number: int) -> str:
    """Most order types have a prefix; the fifth of them is coordinated by ``*``, as in many a real tenant."""
    return f"{'C' if number % 5 else '*'}{number}"


def some_items(dice: Dice) -> list[Item]:
    """One to four items, as chance wills."""
    return [_some_item(dice) for _ in range(dice.between(1, 4))]


def order_row(order: Order, state: str, dice: Dice) -> Row:
    """The header; its total is the sum of `line_rows`."""
    identity = order.customer.identity
    return {
        "Objstate": state,
        "OrderNo": order.number,
        "AuthorizeCode": dice.pick(("ANNLUN", "KARBER")),
        "BillAddrNo": "1",
        "ShipAddrNo": "1",
        "CustomerNoPay": identity if dice.chance(10) else None,
        "Contract": order.site.code,
        "Company": order.company.code,
        "CustomerNo": identity,
        "CurrencyCode": order.customer.currency,
        "CustomerName": order.customer.name,
        "CustomerPoNo": f"PO {dice.between(1000, 9999)}/{order.ordered.year}" if dice.chance(60) else None,
        "OrderId": "NO",
        "ShipViaCode": "T",
        "DeliveryTerms": "DAP",
        "LanguageCode": order.customer.country.language_code,
        "PayTermId": "30",
        "CancelReason": "WITHDRAWN" if state == "Cancelled" else None,
        "AddrFlag": "No",
        "OrderConf": "Yes",
        "BackorderOption": "AllowBackorders",
        "OverruleLimitSaleToAssort": "FALSE",
        "ChangeLineDate": dice.pick(("TRUE", "FALSE")),
        "WantedDeliveryWeek": order.wanted.isocalendar().week,
        "DeliveryLeadtime": 2,
        "PickingLeadtime": 1,
        "AdditionalDiscount": 0,
        "ProposedPrepaymentAmount": 0,
        "TotalAmount": sum((item.net for item in order.items), ZERO),
        "DateEntered": order.ordered,
        "WantedDeliveryDate": f"{order.wanted.isoformat()}T00:00:00",
        "PlannedDeliveryDate": f"{order.wanted.isoformat()}T00:00:00",
        "OrderCreationDate": order.entered,
        "DiscPriceRound": False,
        "UsePriceInclTax": False,
        "DelNotePrinted": state in DONE,
        "PickListPrinted": state in DONE,
        "B2bOrderDb": dice.chance(20),
        "FinalConsumerDb": False,
        "Cf_BiRegion": dice.pick((None, "Norden", "DACH")),
    }


def line_rows(order: Order, state: str, shipped: date | None, dice: Dice) -> list[Row]:
    """The lines, numbered from 1; a package is followed by its components, which cost nothing by themselves."""
    rows = []
    for number, item in enumerate(order.items, start=1):
        line = _line_row(order, (number, item), state, shipped)
        if item.kind != PACKAGE:
            rows.append({**line, "Cost": _cost(item, dice)})
            continue
        rows.append({**line, "LineItemNo": -1, "LineItemNumber": "-1"})
        for component, part in enumerate(COMPONENTS, start=1):
            own = {"LineItemNo": component, "LineItemNumber": str(component), "CatalogNo": part, "PartNo": part}
            rows.append({**line, **own, **_free(), "Cost": _cost(item, dice)})
    return rows


def _line_row(order: Order, numbered: tuple[int, Item], state: str, shipped: date | None) -> Row:
    number, item = numbered
    tax = cents(item.net * order.customer.tax(order.company) / 100)
    order_rate = rate(order.company.currency, order.customer.currency, order.ordered)
    wanted = f"{order.wanted.isoformat()}T00:00:00"
    done = state in DONE
    return {
        "Objstate": state,
        "OrderNo": order.number,
        "LineNo": str(number),
        "RelNo": "1",
        "LineItemNo": 0,
        "Contract": order.site.code,
        "Company": order.company.code,
        "CustomerNo": order.customer.identity,
        "CatalogNo": item.catalogue,
        "PartNo": item.catalogue if item.kind == "InventoryPart" else None,
        "CatalogDesc": item.description,
        "CatalogType": item.kind,
        "SupplyCode": "InventOrder" if item.kind == "InventoryPart" else "NotConnected",
        "SalesUnitMeas": "pcs",
        "LineNumber": f"{number:4}",
        "RelNumber": "   1",
        "LineItemNumber": "0",
        "DeliveryConfirmed": str(done),
        "TaxCode": str(order.customer.tax(order.company)),
        "CancelReason": "WITHDRAWN" if state == "Cancelled" else None,
        "BuyQtyDue": item.quantity,
        "QtyShipped": item.quantity if done else 0,
        "QtyInvoiced": item.quantity if state == "Invoiced" else 0,
        "QtyShort": 0,
        "ConvFactor": 1,
        "SaleUnitPrice": item.price,
        "BaseSaleUnitPrice": cents(item.price * order_rate),
        "Discount": item.discount,
        "CurrencyRate": order_rate,
        "NetAmountCurr": item.net,
        "TaxAmountCurr": tax,
        "GrossAmountCurr": item.net + tax,
        "NetAmountBase": cents(item.net * order_rate),
        "RealShipDate": shipped if done else None,
        "PriceEffectivityDate": order.ordered,
        "DateEntered": order.entered,
        "PlannedDeliveryDate": wanted,
        "PromisedDeliveryDate": wanted,
        "WantedDeliveryDate": wanted,
        "FreeOfCharge": False,
        "ProvisionalPrice": False,
        "BlockedForInvoicing": state == "Blocked",
        "Configurable": False,
        "Rental": False,
        "IsInvoiceCreated": state == "Invoiced",
    }


def _free() -> Row:
    amounts = (
        "NetAmountCurr",
        "TaxAmountCurr",
        "GrossAmountCurr",
        "NetAmountBase",
        "SaleUnitPrice",
        "BaseSaleUnitPrice",
    )
    return dict.fromkeys(amounts, ZERO) | {"CatalogType": "InventoryPart"}


def _cost(item: Item, dice: Dice) -> Decimal:
    return (item.price * 5 / dice.pick(COST_SHARES)).quantize(GRAIN)


def _some_item(dice: Dice) -> Item:
    catalogue, description, kind, product_line = dice.pick(CATALOGUE)
    discount = Decimal(dice.pick(("0", "0", "10", "2.5")))
    quantity = Decimal(dice.between(1, 40))
    return Item(catalogue, description, kind, product_line, quantity, dice.price(40, 4000), discount)
