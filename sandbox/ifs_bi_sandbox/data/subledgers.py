"""What IFS Cloud exposes of the subledgers: supplier invoices, their postings, ledger items and payments.

No public source names projections of these, so the names are those of entity services over the logical units.
"""

from __future__ import annotations

from ifs_bi_sandbox.data.finance import CODE_PARTS_B_TO_J, PARTY
from ifs_bi_sandbox.data.model import EntitySet, EnumType, Projection
from ifs_bi_sandbox.data.properties import amount, choice, day, decimal, instant, integer, text

INVOICE_STATE = EnumType(
    "ManSuppInvoiceState", ("Preliminary", "Posted", "PostedAuth", "PartlyPaidPosted", "PaidPosted", "Cancelled")
)
ITEM_STATE = EnumType("LedgerItemState", ("Unpaid", "PartlyPaid", "Paid"))

INVOICES = EntitySet(
    projection="ManSuppInvoiceEntity",
    name="ManSuppInvoiceSet",
    entity_type="ManSuppInvoice",
    table="man_supp_invoice",
    key=("Company", "InvoiceId"),
    logical_unit="ManSuppInvoice",
    service="entity",
    endpoints=("int",),
    state_enum="ManSuppInvoiceState",
    company="Company",
    properties=(
        *text(20, "Company", required=True),
        *integer("InvoiceId", required=True),
        *text(20, "Identity", required=True),
        *choice("PartyType", "PartyType", required=True),
        *text(20, "SeriesId", "InvoiceType"),
        *text(50, "InvoiceNo", required=True),
        *text(3, "Currency", required=True),
        *decimal(10, "CurrRate", show_scale=False),
        *amount("NetCurrAmount", "VatCurrAmount", "GrossCurrAmount", required=True),
        *amount("NetDomAmount", "VatDomAmount", "GrossDomAmount", show_scale=False),
        *day("InvoiceDate", "ArrivalDate", "DueDate", required=True),
        *text(20, "PayTermId", "Creator", "InvoiceRecipient"),
        *text(12, "PoRefNumber"),  # null: an invoice without an order
        *text(3, "VoucherTypeRef"),  # null, as the next two, until it is posted
        *integer("VoucherNoRef"),
        *day("VoucherDateRef"),
        *day("CreationDate"),
        *text(50, "NcfReference", "CorrectionReason"),
        *text(2000, "Text"),
    ),
)

POSTINGS = EntitySet(
    projection="PostingProposalEntity",
    name="PostingProposalSet",
    entity_type="PostingProposal",
    table="posting_proposal",
    key=("Company", "InvoiceId", "RowId"),
    logical_unit="PostingProposal",
    service="entity",
    endpoints=("int",),
    company="Company",
    properties=(
        *text(20, "Company", required=True),
        *integer("InvoiceId", "RowId", required=True),
        *text(20, "Account", required=True),
        *text(20, *CODE_PARTS_B_TO_J),
        *text(3, "Currency", required=True),
        *amount("CurrAmount", required=True),
        *amount("DomAmount", precision=20, required=True),
        *text(200, "PostingText"),
        *text(20, "AutCodingRule", "ProcessCode", "DelivTypeId"),
        *text(12, "PoRefNumber"),
        *text(4, "PoLineReference"),
        *integer("ProjectActivityId"),
    ),
)

LEDGER_ITEMS = EntitySet(
    projection="LedgerItemEntity",
    name="LedgerItemSet",
    entity_type="LedgerItem",
    table="ledger_item",
    key=("Company", "Identity", "PartyType", "LedgerItemSeriesId", "LedgerItemId", "LedgerItemVersion"),
    logical_unit="LedgerItem",
    service="entity",
    endpoints=("int",),
    state_enum="LedgerItemState",
    company="Company",
    properties=(
        *text(20, "Company", "Identity", required=True),
        *choice("PartyType", "PartyType", required=True),
        *text(20, "LedgerItemSeriesId", required=True),
        *text(50, "LedgerItemId", required=True),
        *integer("LedgerItemVersion", required=True),
        *integer("InvoiceId"),
        *text(3, "Currency", required=True),
        *decimal(10, "CurrRate", show_scale=False),
        *amount("FullCurrAmount", "ClearedCurrAmount", required=True),
        *amount("FullDomAmount", "ClearedDomAmount", precision=20, required=True),
        *day("LedgerDate"),
        *day("DueDate", required=True),
        *instant("ClearedAt"),  # null until it is paid
        *text(20, "CodeA", "PayTermId"),
        *text(3, "VoucherTypeRef"),
        *integer("VoucherNoRef"),
        *text(5, "IsInDispute"),  # "TRUE" or "FALSE"
    ),
)

PAYMENTS = EntitySet(
    projection="PaymentTransactionEntity",
    name="PaymentTransactionSet",
    entity_type="PaymentTransaction",
    table="payment_transaction",
    key=("Company", "SeriesId", "PaymentId", "TransId"),
    logical_unit="PaymentTransaction",
    service="entity",
    endpoints=("int",),
    company="Company",
    properties=(
        *text(20, "Company", "SeriesId", required=True),
        *integer("PaymentId", "TransId", required=True),
        *text(20, "Identity", required=True),
        *choice("PartyType", "PartyType", required=True),
        *text(20, "LedgerItemSeriesId", required=True),
        *text(50, "LedgerItemId", required=True),
        *integer("LedgerItemVersion", required=True),
        *text(3, "Currency", required=True),
        *decimal(10, "CurrRate", show_scale=False),
        *amount("CurrAmount", required=True),
        *amount("DomAmount", precision=20, required=True),  # at the rate of the ledger item
        *amount("DiffAmount", show_scale=False),  # what the bank took beyond DomAmount; null when nothing
        *day("PaymentDate", required=True),
        *text(3, "VoucherTypeRef"),
        *integer("VoucherNoRef"),
        *text(20, "CashAccount", "WayId"),
        *text(200, "Text"),
    ),
)

PROJECTIONS = (
    Projection("ManSuppInvoiceEntity", "StandardEntity", "Supplier invoices", (INVOICES,), (INVOICE_STATE, PARTY)),
    Projection("PostingProposalEntity", "StandardEntity", "Postings of supplier invoices", (POSTINGS,)),
    Projection(
        "LedgerItemEntity",
        "StandardEntity",
        "Open and paid items of both subledgers",
        (LEDGER_ITEMS,),
        (ITEM_STATE, PARTY),
    ),
    Projection("PaymentTransactionEntity", "StandardEntity", "Payments by ledger item", (PAYMENTS,), (PARTY,)),
)
