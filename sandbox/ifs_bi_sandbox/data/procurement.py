"""What IFS Cloud exposes of purchasing: orders on the web endpoints, all order lines as an entity service."""

from __future__ import annotations

from dataclasses import replace

from ifs_bi_sandbox.data.model import EntitySet, EnumType, Projection, Reference
from ifs_bi_sandbox.data.properties import amount, choice, day, decimal, flag, instant, integer, text

STATES = ("Planned", "Released", "Confirmed", "Arrived", "Received", "Closed", "Cancelled", "Stopped")
ORDER_STATE = EnumType("PurchaseOrderState", STATES)
LINE_STATE = EnumType("PurchaseOrderLineState", STATES)
DEMAND = EnumType("OrderSupplyType", ("InventOrder", "NotConnected", "IntPurchTrans", "ProjectDeliverables"))
INTRASTAT = EnumType("IntrastatExempt", ("Include", "Exempt"))

ORDERS = EntitySet(
    projection="PurchaseOrderHandling",
    name="PurchaseOrderSet",
    entity_type="PurchaseOrder",
    table="purchase_order",
    key=("OrderNo",),
    logical_unit="PurchaseOrder",
    state_enum="PurchaseOrderState",
    company="Company",
    references=(
        Reference("VendorNoRef", "Reference_Supplier", (("VendorNo", "SupplierId"),)),
        Reference("PurchaseOrderLinesArray", "PurchaseOrderLines", (("OrderNo", "OrderNo"),), many=True),
    ),
    properties=(
        *text(12, "OrderNo", required=True),
        *text(20, "VendorNo", "Company", required=True),
        *text(5, "Contract", required=True),
        *text(3, "CurrencyCode", required=True),
        *decimal(10, "CurrencyRate", show_scale=False),
        *text(20, "BuyerCode", "AuthorizeCode", "AuthorizeId", "OrderCode", "BlanketOrder", "ProjectId"),
        *instant("OrderDate"),
        *instant("DateEntered", "ChangedDate", required=True),
        *instant("WantedReceiptDate", "LatestPrintDate"),  # the second is null until the order was printed
        *text(2, "LanguageCode", "CountryCode"),
        *text(5, "DeliveryTerms"),
        *text(3, "ShipViaCode"),
        *text(20, "PayTermId", "CancelReason"),
        *text(50, "LabelNote"),
        *text(2000, "NoteText"),
        *integer("NoteId", "PreAccountingId", "Revision"),
        *text(5, "PickListFlag", "ScheduleAgreement"),  # "TRUE" or "FALSE"
        *flag("DocumentText", "OrderSent"),
        *amount("TotalNetAmount", required=True),  # of all its lines, cancelled ones too
        *amount("TotalTaxAmount", "TotalGrossAmount", show_scale=False),
        *text(50, "Cf_BiRegion"),
    ),
)

LINE_PROPERTIES = (
    *text(12, "OrderNo", required=True),
    *text(4, "LineNo", "ReleaseNo", required=True),
    *text(5, "Contract", required=True),
    *text(20, "VendorNo", required=True),
    *text(25, "PartNo"),  # null: bought without a part
    *text(200, "Description"),
    *decimal(10, "BuyQtyDue", show_scale=False, required=True),
    *decimal(10, "ReceivedQty", "InvoicedQty", show_scale=False),
    *text(10, "BuyUnitMeas"),
    *decimal(4, "BuyUnitPrice", show_scale=False, required=True),
    *decimal(3, "Discount", precision=6),  # per cent
    *decimal(10, "ConvFactor", "PriceConvFactor", show_scale=False),
    *text(3, "CurrencyCode", required=True),
    *decimal(10, "CurrencyRate", show_scale=False),
    *amount("NetAmtCurr", required=True),
    *amount("TaxAmtCurr", "GrossAmtCurr"),
    *amount("NetAmtBase", precision=20),
    *day("WantedDeliveryDate", "PlannedDeliveryDate", "PlannedReceiptDate"),
    *instant("RealDeliveryDate"),  # null until it arrived
    *instant("DateEntered", "LastActivityDate", required=True),
    *text(20, "ProjectId", "BlanketOrder", "TaxCode"),
    *integer("ActivitySeq", "NoteId", "PreAccountingId"),
    *choice("OrderSupplyType", "DemandCode"),
    *choice("IntrastatExempt", "IntrastatExempt"),
    *text(5, "DefaultAddrFlag"),  # "TRUE" or "FALSE"
    *text(2000, "NoteText"),
)

LINES = EntitySet(
    projection="PurchaseOrderLineEntity",
    name="PurchaseOrderLineSet",
    entity_type="PurchaseOrderLine",
    table="purchase_order_line",
    key=("OrderNo", "LineNo", "ReleaseNo"),
    logical_unit="PurchaseOrderLine",
    service="entity",
    endpoints=("int",),
    state_enum="PurchaseOrderLineState",
    properties=LINE_PROPERTIES,
)

# Where PurchaseOrderLinesArray leads; public sources name no set for it.
ORDER_LINES = replace(
    LINES,
    projection="PurchaseOrderHandling",
    name="PurchaseOrderLines",
    service="projection",
    endpoints=("main", "int", "b2b"),
)

SUPPLIER_REFERENCE = EntitySet(
    projection="PurchaseOrderHandling",
    name="Reference_Supplier",
    entity_type="Reference_Supplier",
    table="supplier_info",
    key=("SupplierId",),
    logical_unit="Supplier",
    has_etag=False,
    properties=(*text(20, "SupplierId", required=True), *text(100, "Name", required=True), *text(2, "CountryDb")),
)

PROJECTIONS = (
    Projection(
        "PurchaseOrderHandling",
        "Premium",
        "Purchase orders",
        (ORDERS, ORDER_LINES, SUPPLIER_REFERENCE),
        (ORDER_STATE, LINE_STATE, DEMAND, INTRASTAT),
    ),
    Projection(
        "PurchaseOrderLineEntity", "StandardEntity", "Purchase order lines", (LINES,), (LINE_STATE, DEMAND, INTRASTAT)
    ),
)
