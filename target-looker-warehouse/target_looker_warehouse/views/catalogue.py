"""The views that stand beside the tables: what each is called, what it is made of, and what its columns say.

A name that two views share means the same in both. Amounts have every digit that the source gave. Where a list of columns has
more than one would ask for, it is so that a row can be told from all others: `View.key` names the columns that do it.

* Rows that are marked as deleted never count.
* A hierarchy is climbed 15 places; `gl_account_levels` shows the first ten of them. One that goes round in a circle comes to an
  end, with each node once.
* A company's cost centres are the values of its code part B, as in the templates that IFS delivers.
* ``DaysOverdue`` and ``AgeingBucket`` are of the warehouse's current date, at the time of the query.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from importlib.resources import files

from ifs_bi_core.columnar.columns import Kind

_INTEGERS = ("AccountingYear", "AccountingPeriod", "VoucherNo", "RowNo", "InvoiceId", "LedgerItemVersion")
_AMOUNTS = (
    *("Amount", "CurrencyAmount", "Quantity", "NetAmtCurr", "NetAmtBase"),
    *("FullCurrAmount", "ClearedCurrAmount", "FullDomAmount", "ClearedDomAmount"),
)
_DATES = ("ValidFrom", "ValidUntil", "VoucherDate", "WantedDeliveryDate", "InvoiceDate", "DueDate")

KINDS: dict[str, Kind] = {
    **dict.fromkeys(_INTEGERS, Kind.INTEGER),
    **dict.fromkeys(_AMOUNTS, Kind.DECIMAL),
    **dict.fromkeys(_DATES, Kind.DATE),
    "OrderDate": Kind.TIMESTAMP,
}
"""What views take a property of that name for; all others are texts."""


@dataclass(frozen=True, slots=True)
class ViewColumn:
    """A column of a view.

    Attributes:
        name: as the view has it.
        description: what it says, as a sentence.
        kind: of its values.
    """

    name: str
    description: str
    kind: Kind = Kind.TEXT


@dataclass(frozen=True, slots=True)
class Source:
    """A stream whose table a view reads.

    Attributes:
        stream: its name, and the name under which the SELECT knows its present rows.
        needs: properties without which there is no view.
        may_lack: properties that are null where the table has no such column.
        may_be_missing: the view is made without the table too; then it has no rows.
    """

    stream: str
    needs: tuple[str, ...]
    may_lack: tuple[str, ...] = ()
    may_be_missing: bool = False


@dataclass(frozen=True, slots=True)
class Definition:
    """One way to make a view.

    Attributes:
        texts: names of ``.sql`` files of this folder: steps of a WITH, and at last the SELECT that uses them.
        sources: what they read.
    """

    texts: tuple[str, ...]
    sources: tuple[Source, ...]

    def steps(self) -> tuple[str, ...]:
        """What stands in these files."""
        folder = files("target_looker_warehouse.views")
        return tuple(folder.joinpath(f"{name}.sql").read_text(encoding="utf-8").strip() for name in self.texts)


@dataclass(frozen=True)
class View:
    """A view.

    Attributes:
        name: as it is called in the warehouse, if that can hold the name.
        description: what its rows are, as a sentence.
        columns: in their order.
        key: the columns that tell a row from all others.
        definitions: the ways to make it; the first whose sources are there is taken.
    """

    name: str
    description: str
    columns: tuple[ViewColumn, ...]
    key: tuple[str, ...]
    definitions: tuple[Definition, ...]

    @property
    def streams(self) -> frozenset[str]:
        """The streams that any of its definitions reads."""
        return frozenset(source.stream for definition in self.definitions for source in definition.sources)

    @cached_property
    def fingerprint(self) -> str:
        """Another one as soon as anything about the view is another."""
        ways = [(definition.steps(), definition.sources) for definition in self.definitions]
        return sha256(repr((self.columns, ways, KINDS)).encode()).hexdigest()[:16]


_COMPANY = ViewColumn("Company", "The company that keeps the books.")
_SUPPLIER = (
    ViewColumn("SupplierNo", "The supplier's number."),
    ViewColumn("SupplierName", "The supplier's name."),
)
_CURRENCY = ViewColumn("CurrencyCode", "The currency of the open amount.")
_OPEN_AMOUNT_BASE = ViewColumn(
    "OpenAmountBase", "The open amount in the currency of the company's books.", Kind.DECIMAL
)
_STRUCTURE = ViewColumn("StructureId", "The accounting structure in which accounts are arranged.")
_ACCOUNT = ViewColumn("Account", "The account's number.")
_ACCOUNT_DESCRIPTION = ViewColumn("AccountDescription", "What the account is called.")
_PERIOD = (
    ViewColumn("AccountingYear", "The accounting year.", Kind.INTEGER),
    ViewColumn("AccountingPeriod", "The period of the accounting year.", Kind.INTEGER),
)

_ACCOUNTS = Source("gl_accounts", ("Company", "Account"), ("Description",), may_be_missing=True)
_SUPPLIERS = Source("suppliers", ("SupplierId",), ("Name",), may_be_missing=True)
_TREE = (
    Source("account_structures", ("Company", "StructureId", "CodePart")),
    Source(
        "account_structure_items",
        ("Company", "StructureId", "StructureItem", "StructureItemType", "ItemAbove"),
        ("Description",),
    ),
    _ACCOUNTS,
)
_VOUCHER_ROW = ("Company", "VoucherType", "AccountingYear", "VoucherNo", "RowNo")
_CODES = tuple(f"Code{letter}" for letter in "BCDEFGHIJ")
_ENTRY = (
    (*_VOUCHER_ROW, "AccountingPeriod", "VoucherDate", "Account", "Amount"),
    (
        *_CODES,
        *("CurrencyCode", "CurrencyAmount", "Quantity", "Text"),
        *("PartyType", "PartyTypeId", "ReferenceSerie", "ReferenceNumber"),
    ),
)
_NAMED_ACCOUNTS = Source("gl_accounts", ("Company", "Account"), ("Description", "AccntType"), may_be_missing=True)
_SPENT = ("Company", "AccountingYear", "AccountingPeriod", "VoucherDate", "Account", "CodeB", "Amount")
_SPENDING = (
    Source("gl_accounts", ("Company", "Account", "AccntType")),
    Source("code_part_values", ("Company", "CodePart", "CodePartValue"), ("Description",), may_be_missing=True),
    Source("companies", ("Company",), ("CurrencyCode",), may_be_missing=True),
)

VIEWS: tuple[View, ...] = (
    View(
        name="gl_account_levels",
        description="Each account with the nodes above it in each accounting structure, from the top down: a drill path.",
        columns=(
            _COMPANY,
            _ACCOUNT,
            _ACCOUNT_DESCRIPTION,
            _STRUCTURE,
            *(
                column
                for level in range(1, 11)
                for column in (
                    ViewColumn(
                        f"Level{level}",
                        "The node at the top of the structure."
                        if level == 1
                        else f"The node of level {level} above the account; the one right above it where there is none so deep.",
                    ),
                    ViewColumn(f"Level{level}Description", f"What the node of level {level} is called."),
                )
            ),
            ViewColumn("Depth", "How many nodes are above the account.", Kind.INTEGER),
        ),
        key=("Company", "StructureId", "Account"),
        definitions=(Definition(("account_tree", "gl_account_levels"), _TREE),),
    ),
    View(
        name="gl_account_closure",
        description="Each account below each node of an accounting structure: joined to amounts, it rolls them up to any node.",
        columns=(
            _COMPANY,
            _STRUCTURE,
            ViewColumn("AncestorNode", "The node that the account is below; the account itself at distance 0."),
            ViewColumn("AncestorDescription", "What the node is called."),
            _ACCOUNT,
            ViewColumn("Distance", "How many places the account is below the node.", Kind.INTEGER),
        ),
        key=("Company", "StructureId", "AncestorNode", "Account"),
        definitions=(Definition(("account_tree", "gl_account_closure"), _TREE),),
    ),
    View(
        name="cost_dimensions",
        description="The values of the code parts B to J (cost centre, project, region …) with their names and validity.",
        columns=(
            _COMPANY,
            ViewColumn("CodePart", "The letter of the code part."),
            ViewColumn("CodePartName", "What the company calls the code part."),
            ViewColumn("CodePartValue", "The value, as postings name it."),
            ViewColumn("Description", "What the value is called."),
            ViewColumn("ParentValue", "The value that this one is summed up in."),
            ViewColumn("ValidFrom", "The first day on which it may be posted to.", Kind.DATE),
            ViewColumn("ValidUntil", "The last day on which it may be posted to.", Kind.DATE),
        ),
        key=("Company", "CodePart", "CodePartValue"),
        definitions=(
            Definition(
                ("cost_dimensions",),
                (
                    Source(
                        "code_part_values",
                        ("Company", "CodePart", "CodePartValue"),
                        ("Description", "ParentValue", "ValidFrom", "ValidUntil"),
                    ),
                    Source("code_parts", ("Company", "CodePart"), ("CodeName",), may_be_missing=True),
                ),
            ),
        ),
    ),
    View(
        name="all_journal_entries",
        description="Every row of every voucher once, whether it waits in hold or is in the general ledger.",
        columns=(
            _COMPANY,
            ViewColumn("VoucherType", "The type of the voucher."),
            _PERIOD[0],
            ViewColumn("VoucherNo", "The number of the voucher in its type and year.", Kind.INTEGER),
            ViewColumn("RowNo", "The number of the row in the voucher.", Kind.INTEGER),
            ViewColumn("Stage", "hold while the voucher waits for its update, then general_ledger."),
            _PERIOD[1],
            ViewColumn("VoucherDate", "The day the voucher is of.", Kind.DATE),
            _ACCOUNT,
            _ACCOUNT_DESCRIPTION,
            ViewColumn("AccountType", "Assets, Liabilities, Revenues, Cost or Statistics."),
            *(
                ViewColumn(code, f"The value of code part {code[-1]}{', the cost centre' * (code == 'CodeB')}.")
                for code in _CODES
            ),
            ViewColumn("CurrencyCode", "The currency of the transaction."),
            ViewColumn("CurrencyAmount", "The amount in the currency of the transaction.", Kind.DECIMAL),
            ViewColumn("Amount", "Debit less credit in the currency of the company's books.", Kind.DECIMAL),
            ViewColumn("Quantity", "The quantity posted.", Kind.DECIMAL),
            ViewColumn("Text", "The text of the row."),
            ViewColumn("PartyType", "Supplier or Customer, where the row concerns one."),
            ViewColumn("PartyTypeId", "The number of that supplier or customer."),
            ViewColumn("ReferenceSerie", "The series of the document that the row refers to."),
            ViewColumn("ReferenceNumber", "The number of the document that the row refers to."),
        ),
        key=_VOUCHER_ROW,
        definitions=(
            Definition(
                ("entries_of_one_stream", "all_journal_entries"),
                (Source("journal_entries", (*_ENTRY[0], "stage"), _ENTRY[1]), _NAMED_ACCOUNTS),
            ),
            Definition(
                ("entries_of_both_stages", "all_journal_entries"),
                (Source("gl_voucher_rows", *_ENTRY), Source("vouchers", *_ENTRY), _NAMED_ACCOUNTS),
            ),
        ),
    ),
    View(
        name="open_purchase_orders",
        description="Order lines that are neither closed nor cancelled, of orders that are neither of these nor only planned.",
        columns=(
            ViewColumn("Company", "The company that orders."),
            ViewColumn("Contract", "The site that the goods are for."),
            ViewColumn("OrderNo", "The number of the purchase order."),
            ViewColumn("LineNo", "The number of the line in the order."),
            ViewColumn("ReleaseNo", "The release of the line."),
            *_SUPPLIER,
            ViewColumn("OrderDate", "When it was ordered.", Kind.TIMESTAMP),
            ViewColumn("WantedDeliveryDate", "The day the goods are wanted.", Kind.DATE),
            _CURRENCY,
            ViewColumn("OpenAmount", "The net amount of the line in the currency of the order.", Kind.DECIMAL),
            _OPEN_AMOUNT_BASE,
        ),
        key=("OrderNo", "LineNo", "ReleaseNo"),
        definitions=(
            Definition(
                ("open_purchase_orders",),
                (
                    Source(
                        "purchase_order_lines",
                        ("OrderNo", "LineNo", "ReleaseNo", "Objstate", "NetAmtCurr", "CurrencyCode"),
                        ("Contract", "WantedDeliveryDate", "NetAmtBase"),
                    ),
                    Source("purchase_orders", ("OrderNo", "VendorNo", "Objstate", "Company"), ("OrderDate",)),
                    _SUPPLIERS,
                ),
            ),
        ),
    ),
    View(
        name="outstanding_supplier_invoices",
        description="What supplier invoices, and their instalments, are worth less what was paid of them.",
        columns=(
            _COMPANY,
            ViewColumn("InvoiceId", "The number that IFS Cloud gave the invoice.", Kind.INTEGER),
            ViewColumn("InvoiceNo", "The number that the supplier gave it."),
            ViewColumn("LedgerItemSeriesId", "The series of the ledger item."),
            ViewColumn("LedgerItemId", "The ledger item, which is the invoice's number in the series."),
            ViewColumn(
                "LedgerItemVersion", "The version of the ledger item: of an instalment, which one.", Kind.INTEGER
            ),
            *_SUPPLIER,
            ViewColumn("InvoiceDate", "The day the invoice is of.", Kind.DATE),
            ViewColumn("DueDate", "The day it is to be paid.", Kind.DATE),
            _CURRENCY,
            ViewColumn("OpenAmount", "What is still to be paid, in the currency of the invoice.", Kind.DECIMAL),
            _OPEN_AMOUNT_BASE,
            ViewColumn("DaysOverdue", "Days since the day it was to be paid; 0 until then.", Kind.INTEGER),
            ViewColumn("AgeingBucket", "not due, 1-30, 31-60, 61-90 or over 90 days overdue."),
        ),
        key=("Company", "SupplierNo", "LedgerItemSeriesId", "LedgerItemId", "LedgerItemVersion"),
        definitions=(
            Definition(
                ("outstanding_supplier_invoices",),
                (
                    Source(
                        "ledger_items",
                        (
                            *(
                                "Company",
                                "Identity",
                                "PartyType",
                                "LedgerItemSeriesId",
                                "LedgerItemId",
                                "LedgerItemVersion",
                            ),
                            *("Currency", "FullCurrAmount", "ClearedCurrAmount", "DueDate"),
                        ),
                        ("InvoiceId", "FullDomAmount", "ClearedDomAmount"),
                    ),
                    Source(
                        "supplier_invoices", ("Company", "InvoiceId"), ("InvoiceNo", "InvoiceDate"), may_be_missing=True
                    ),
                    _SUPPLIERS,
                ),
            ),
        ),
    ),
    View(
        name="spend_by_cost_centre",
        description="What the general ledger has on cost accounts, by cost centre, period and day. Vouchers in hold don't count.",
        columns=(
            _COMPANY,
            *_PERIOD,
            ViewColumn("VoucherDate", "The day the vouchers are of.", Kind.DATE),
            ViewColumn("CostCentre", "The cost centre; empty where a posting names none."),
            ViewColumn("CostCentreName", "What the cost centre is called."),
            ViewColumn("CurrencyCode", "The currency of the company's books."),
            ViewColumn("Amount", "Debit less credit in the currency of the company's books.", Kind.DECIMAL),
        ),
        key=("Company", "AccountingYear", "AccountingPeriod", "VoucherDate", "CostCentre"),
        definitions=(
            Definition(
                ("ledger_of_gl_voucher_rows", "spend_by_cost_centre"),
                (Source("gl_voucher_rows", _SPENT), *_SPENDING),
            ),
            Definition(
                ("ledger_of_journal_entries", "spend_by_cost_centre"),
                (Source("journal_entries", (*_SPENT, "stage")), *_SPENDING),
            ),
        ),
    ),
)
"""All of them."""
