"""What IFS Cloud exposes of customer orders: a part of the properties that public captures of the two sets show."""

from __future__ import annotations

from ifs_bi_sandbox.data.model import EntitySet, EnumType, Projection, Reference
from ifs_bi_sandbox.data.properties import amount, choice, day, decimal, flag, instant, integer, text

STATES = (
    "Planned",
    "Released",
    "Reserved",
    "Picked",
    "PartiallyDelivered",
    "Delivered",
    "Invoiced",
    "Cancelled",
    "Blocked",
)
ORDER_STATE = EnumType("CustomerOrderState", STATES)
LINE_STATE = EnumType("CustomerOrderLineState", STATES)
YES_NO = EnumType("GenYesNo", ("Yes", "No"))
BACKORDER = EnumType("CustomerBackorderOption", ("AllowBackorders", "NoPartialDeliveriesAllowed"))
CATALOG_TYPE = EnumType("SalesPartType", ("InventoryPart", "NonInventoryPart", "PackagePart"))
SUPPLY = EnumType("OrderSupplyType", ("InventOrder", "NotConnected", "IntPurchTrans", "ProjectDeliverables"))

ORDERS = EntitySet(
    projection="CustomerOrderHandling",
    name="CustomerOrderSet",
    entity_type="CustomerOrder",
    table="customer_order",
    key=("OrderNo",),
    logical_unit="CustomerOrder",
    state_enum="CustomerOrderState",
    company="Company",
    references=(
        Reference("CustomerNoRef", "Reference_CustInfo", (("CustomerNo", "CustomerId"),)),
        Reference("OrderLinesArray", "CustomerOrderLineSet", (("OrderNo", "OrderNo"),), many=True),
    ),
    properties=(
        *text(12, "OrderNo", required=True),
        *text(20, "AuthorizeCode", "BillAddrNo", "ShipAddrNo", "CustomerNoPay"),
        *text(5, "Contract", required=True),
        *text(20, "Company", "CustomerNo", required=True),
        *text(3, "CurrencyCode", required=True),
        *text(100, "CustomerName", "CustomerPoNo", "CustRef"),
        *text(3, "OrderId", "ShipViaCode"),
        *text(5, "DeliveryTerms"),
        *text(2, "LanguageCode"),
        *text(20, "PayTermId", "RegionCode", "ProjectId", "CancelReason", "SalesmanCode", "AgreementId", "RouteId"),
        *choice("GenYesNo", "AddrFlag", "OrderConf"),
        *choice("CustomerBackorderOption", "BackorderOption"),
        *text(5, "OverruleLimitSaleToAssort", "ChangeLineDate"),  # "TRUE" or "FALSE"
        *integer("WantedDeliveryWeek", "NoteId", "PreAccountingId", "DeliveryLeadtime", "PickingLeadtime"),
        *decimal(3, "AdditionalDiscount"),
        *amount("ProposedPrepaymentAmount", show_scale=False),
        *amount("TotalAmount", show_scale=False, required=True),  # net, of all its lines
        *day("DateEntered"),
        *instant("WantedDeliveryDate", "PlannedDeliveryDate", "OrderCreationDate"),
        *flag(
            "DiscPriceRound", "UsePriceInclTax", "DelNotePrinted", "PickListPrinted", "B2bOrderDb", "FinalConsumerDb"
        ),
        *text(2000, "NoteText"),
        *text(50, "Cf_BiRegion"),
    ),
)

LINES = EntitySet(
    projection="CustomerOrderHandling",
    name="CustomerOrderLineSet",
    entity_type="CustomerOrderLine",
    table="customer_order_line",
    key=("OrderNo", "LineNo", "RelNo", "LineItemNo"),
    logical_unit="CustomerOrderLine",
    state_enum="CustomerOrderLineState",
    company="Company",
    references=(Reference("OrderNoRef", "CustomerOrderSet", (("OrderNo", "OrderNo"),)),),
    properties=(
        *text(12, "OrderNo", required=True),
        *text(4, "LineNo", "RelNo", required=True),
        *integer("LineItemNo", required=True),  # -1 heads a package, 1, 2, … are its components, 0 is an ordinary line
        *text(5, "Contract", required=True),
        *text(20, "Company", "CustomerNo", required=True),
        *text(25, "CatalogNo", "PartNo"),
        *text(200, "CatalogDesc"),
        *choice("SalesPartType", "CatalogType"),
        *choice("OrderSupplyType", "DemandCode", "SupplyCode"),
        *text(3, "DemandCodeDb"),
        *text(10, "SalesUnitMeas"),
        *text(4, "LineNumber", "RelNumber"),  # right-aligned: "   1"
        *text(10, "LineItemNumber", "DeliveryConfirmed"),  # the second is "True" or "False"
        *text(20, "TaxCode", "ProjectId", "CancelReason", "VendorNo", "PriceListNo"),
        *decimal(10, "BuyQtyDue", show_scale=False, required=True),
        *decimal(10, "QtyShipped", "QtyInvoiced", "QtyShort", show_scale=False),
        *decimal(10, "ConvFactor"),
        *decimal(14, "Cost", show_scale=False),  # a quotient: as float it ends in noise
        *decimal(4, "SaleUnitPrice", "BaseSaleUnitPrice", show_scale=False),
        *decimal(3, "Discount"),
        *decimal(10, "CurrencyRate", show_scale=False),
        *amount("NetAmountCurr", show_scale=False, required=True),
        *amount("TaxAmountCurr", "GrossAmountCurr", "NetAmountBase", show_scale=False),
        *day("RealShipDate", "PriceEffectivityDate"),
        *instant("DateEntered", "PlannedDeliveryDate", "PromisedDeliveryDate", "WantedDeliveryDate"),
        *flag("FreeOfCharge", "ProvisionalPrice", "BlockedForInvoicing", "Configurable", "Rental", "IsInvoiceCreated"),
    ),
)

CUSTOMER_REFERENCE = EntitySet(
    projection="CustomerOrderHandling",
    name="Reference_CustInfo",
    entity_type="Reference_CustInfo",
    table="customer_info",
    key=("CustomerId",),
    logical_unit="CustInfo",
    has_etag=False,
    properties=(*text(20, "CustomerId", required=True), *text(100, "Name", required=True), *text(2, "CountryCode")),
)

PROJECTIONS = (
    Projection(
        "CustomerOrderHandling",
        "Premium",
        "Customer orders",
        (ORDERS, LINES, CUSTOMER_REFERENCE),
        (ORDER_STATE, LINE_STATE, YES_NO, BACKORDER, CATALOG_TYPE, SUPPLY),
    ),
)
