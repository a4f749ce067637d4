"""Which stream's row another stream's row belongs to, as IFS Cloud's references (``…Ref``) say. No I/O.

Each one leads from many rows to one: what it compares is the whole key of the other side. A join is made of it only where the
streams have these properties, with types that can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reference:
    """One row of a stream belongs to at most one of another.

    Attributes:
        origin: the stream or SQL view of the many rows.
        to: that of the one row.
        on: property there and here, in pairs.
        own: property of the origin and the value that it must have.
        theirs: property of the other side and the value that it must have.
        alias: the name of the join where rows of one view are meant in more than one way; empty: the view's.
        label: what people read in the place of the view's own label, with an alias.
        to_many: several rows may be meant: account trees, of which a company may have more than one.
    """

    origin: str
    to: str
    on: tuple[tuple[str, str], ...]
    own: tuple[tuple[str, str], ...] = ()
    theirs: tuple[tuple[str, str], ...] = ()
    alias: str = ""
    label: str = ""
    to_many: bool = False


def _same(*names: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, name) for name in names)


_ACCOUNT = _same("Company", "Account")
_BOOKED = ("gl_voucher_rows", "journal_entries", "vouchers", "all_journal_entries")
_PARTIES = ("supplier_invoices", "ledger_items", "payments")
_OF_COMPANY = (
    "purchase_orders",
    "customer_orders",
    "sites",
    "supplier_invoices",
    "supplier_invoice_postings",
    "ledger_items",
    "payments",
    *_BOOKED,
    "gl_accounts",
    "account_structures",
    "account_groups",
    "code_parts",
    "open_purchase_orders",
    "outstanding_supplier_invoices",
    "cost_dimensions",
    "spend_by_cost_centre",
)

REFERENCES: tuple[Reference, ...] = (
    Reference("purchase_order_lines", "purchase_orders", _same("OrderNo")),
    Reference("purchase_order_lines", "suppliers", (("SupplierId", "VendorNo"),)),
    Reference("purchase_order_lines", "sites", _same("Contract")),
    Reference("purchase_orders", "suppliers", (("SupplierId", "VendorNo"),)),
    Reference("purchase_orders", "sites", _same("Contract")),
    Reference("open_purchase_orders", "purchase_orders", _same("OrderNo")),
    Reference("open_purchase_orders", "suppliers", (("SupplierId", "SupplierNo"),)),
    Reference("customer_order_lines", "customer_orders", _same("OrderNo")),
    Reference("customer_order_lines", "customers", (("CustomerId", "CustomerNo"),)),
    Reference("customer_order_lines", "sites", _same("Contract")),
    Reference("customer_orders", "customers", (("CustomerId", "CustomerNo"),)),
    Reference("customer_orders", "sites", _same("Contract")),
    Reference("supplier_invoice_postings", "supplier_invoices", _same("Company", "InvoiceId")),
    Reference("outstanding_supplier_invoices", "supplier_invoices", _same("Company", "InvoiceId")),
    Reference("outstanding_supplier_invoices", "suppliers", (("SupplierId", "SupplierNo"),)),
    Reference("ledger_items", "supplier_invoices", _same("Company", "InvoiceId"), own=(("PartyType", "Supplier"),)),
    Reference(
        "payments",
        "ledger_items",
        _same("Company", "Identity", "PartyType", "LedgerItemSeriesId", "LedgerItemId", "LedgerItemVersion"),
    ),
    *(
        Reference(origin, to, ((key, "Identity"),), own=(("PartyType", party),))
        for origin in _PARTIES
        for to, key, party in (("suppliers", "SupplierId", "Supplier"), ("customers", "CustomerId", "Customer"))
    ),
    *(Reference(origin, "gl_accounts", _ACCOUNT) for origin in (*_BOOKED, "supplier_invoice_postings")),
    Reference("gl_account_levels", "gl_accounts", _ACCOUNT),
    Reference("gl_account_closure", "gl_accounts", _ACCOUNT),
    Reference("gl_accounts", "account_groups", _same("Company", "AccntGroup")),
    *(
        Reference(origin, to, _ACCOUNT, to_many=True)
        for origin in (*_BOOKED, "gl_accounts")
        for to in ("gl_account_levels", "gl_account_closure")
    ),
    *(
        Reference(
            origin,
            "code_part_values",
            (("Company", "Company"), ("CodePartValue", f"Code{part}")),
            theirs=(("CodePart", part),),
            alias=f"code_part_{part.lower()}",
            label=f"Code part {part}",
        )
        for origin in (*_BOOKED, "supplier_invoice_postings")
        for part in "BCDEFGHIJ"
    ),
    Reference(
        "spend_by_cost_centre",
        "code_part_values",
        (("Company", "Company"), ("CodePartValue", "CostCentre")),
        theirs=(("CodePart", "B"),),
        alias="code_part_b",
        label="Code part B",
    ),
    Reference("code_part_values", "code_parts", _same("Company", "CodePart")),
    Reference("account_structure_items", "account_structures", _same("Company", "StructureId")),
    Reference("account_attribute_values", "account_attributes", _same("Company", "Attribute")),
    Reference(
        "account_attribute_connections", "account_attribute_values", _same("Company", "Attribute", "AttributeValue")
    ),
    *(Reference(origin, "companies", _same("Company")) for origin in _OF_COMPANY),
    *(
        Reference(origin, "currencies", (("Id", prop),))
        for origin, prop in (
            ("purchase_orders", "CurrencyCode"),
            ("customer_orders", "CurrencyCode"),
            ("supplier_invoices", "Currency"),
            ("ledger_items", "Currency"),
            ("payments", "Currency"),
        )
    ),
)
"""The nearer one first: where two ways lead from an explore to one view, the first is taken."""
