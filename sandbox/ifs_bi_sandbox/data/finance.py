"""What IFS Cloud exposes of accounting: accounts and their groups, code parts, vouchers in hold and in the general ledger."""

from __future__ import annotations

from ifs_bi_sandbox.data.model import EntitySet, EnumType, Projection, Reference
from ifs_bi_sandbox.data.properties import amount, choice, day, decimal, flag, instant, integer, text

ACCOUNT_KIND = EnumType("LogicalAccountType", ("Assets", "Liabilities", "Revenues", "Cost", "Statistics"))
CODE_DEMAND = EnumType("AccountRequest", ("Mandatory", "CanBeUsed", "Blocked"))
CODE_PART_FUNCTION = EnumType(
    "AccountingCodePartFu",
    ("BaseForFollowUp", "NoFunction", "ProjectAccounting", "FixedAssetAccounting", "Elimination"),
)
PARTY = EnumType("PartyType", ("Supplier", "Customer"))

CODE_PARTS_B_TO_J = tuple(f"Code{letter}" for letter in "BCDEFGHIJ")

ACCOUNTS = EntitySet(
    projection="AccountEntity",
    name="AccountSet",
    entity_type="Account",
    table="account",
    key=("Company", "Account"),
    logical_unit="Account",
    service="entity",
    endpoints=("int",),
    company="Company",
    properties=(
        *text(20, "Company", "Account", required=True),
        *text(100, "Description", required=True),
        *choice("LogicalAccountType", "AccntType", "LogicalAccountType", required=True),
        *text(1, "LogicalAccountTypeDb"),
        *text(20, "AccntGroup", required=True),
        *day("ValidFrom", "ValidUntil", required=True),
        *choice("AccountRequest", "ReqCodeB", "ReqCodeC", "ReqCodeF"),
        *text(5, "ExcludeFromCurrTrans", "TaxFlagDb"),  # "TRUE" or "FALSE"
        *flag("LedgFlag", "BudAccount"),
        *text(20, "ConsAccnt", "SortValue"),
        *text(2000, "Text"),
    ),
)

ACCOUNT_REFERENCE = EntitySet(
    projection="VoucherRowsAnalysis",
    name="Reference_Account",
    entity_type="Reference_Account",
    table="account",
    key=("Company", "Account"),
    logical_unit="Account",
    company="Company",
    has_etag=False,
    properties=(
        *text(20, "Company", "Account", required=True),
        *text(100, "Description", required=True),
        *text(20, "AccntGroup", required=True),
    ),
)

ACCOUNT_GROUPS = EntitySet(
    projection="AccountGroupsHandling",
    name="AccountGroupSet",
    entity_type="AccountGroup",
    table="account_group",
    key=("Company", "AccntGroup"),
    logical_unit="AccountGroup",
    company="Company",
    properties=(
        *text(20, "Company", "AccntGroup", required=True),
        *text(100, "Description", required=True),
        *text(20, "ParentGroup", "MasterCompany", "MasterCompanyAccntGroup"),
        *integer("SortOrder"),
    ),
)

CODE_PARTS = EntitySet(
    projection="AccountingCodePartEntity",
    name="AccountingCodePartSet",
    entity_type="AccountingCodePart",
    table="accounting_code_part",
    key=("Company", "CodePart"),
    logical_unit="AccountingCodeParts",
    service="entity",
    endpoints=("int",),
    company="Company",
    properties=(
        *text(20, "Company", required=True),
        *text(1, "CodePart", required=True),
        *text(50, "CodeName", required=True),
        *choice("AccountingCodePartFu", "CodePartFunction"),
        *text(30, "ViewName", "PackageName"),
        *integer("MaxNumberOfChar"),
        *flag("CodePartUsedDb"),
    ),
)

CODE_PART_VALUES = EntitySet(
    projection="AccountingCodePartValueEntity",
    name="AccountingCodePartValueSet",
    entity_type="AccountingCodePartValue",
    table="accounting_code_part_value",
    key=("Company", "CodePart", "CodePartValue"),
    logical_unit="AccountingCodePartValue",
    service="entity",
    endpoints=("int",),
    company="Company",
    properties=(
        *text(20, "Company", required=True),
        *text(1, "CodePart", required=True),
        *text(20, "CodePartValue", required=True),
        *text(100, "Description", required=True),
        *day("ValidFrom", "ValidUntil", required=True),
        *text(20, "ParentValue", "ConsCodePart", "SortValue"),
        *flag("BudgetValueDb"),
        *text(2000, "Text"),
    ),
)

VOUCHER_KEY = ("Company", "VoucherType", "AccountingYear", "VoucherNo", "RowNo")

# What a voucher row has in hold already, and takes along into the general ledger.
VOUCHER_PROPERTIES = (
    *text(20, "Company", required=True),
    *text(3, "VoucherType", required=True),
    *integer("AccountingYear", "VoucherNo", "RowNo", required=True),
    *integer("AccountingPeriod", required=True),
    *decimal(0, "YearPeriodKey", precision=6),
    *day("VoucherDate", required=True),
    *text(20, "Account", required=True),
    *text(20, *CODE_PARTS_B_TO_J),
    *text(10, "TransCode", "ProcessCode", "OptionalCode"),
    *amount("CurrencyDebetAmount", "CurrencyCreditAmount"),  # one of the two is null, as in each pair below
    *amount("CurrencyAmount", required=True),
    *amount("DebetAmount", "CreditAmount", precision=25),
    *amount("Amount", precision=25, required=True),
    *amount("ThirdCurrencyAmount", show_scale=False),
    *text(3, "CurrencyCode", required=True),
    *decimal(10, "CurrencyRate", show_scale=False),
    *integer("ConversionFactor"),
    *decimal(3, "Quantity"),
    *text(200, "Text"),
    *choice("PartyType", "PartyType"),
    *text(20, "PartyTypeId"),
    *text(20, "ReferenceSerie"),
    *text(50, "ReferenceNumber"),
    *text(20, "ProjectId"),
    *integer("ProjectActivityId"),
    *text(5, "Correction", "Autobook"),  # "TRUE" or "FALSE"
    *text(20, "MultiCompanyId", "CreatorDesc"),
    *instant("CreatedAt"),
)

HOLD_ROWS = EntitySet(
    projection="VoucherRowsAnalysis",
    name="VoucherRowSet",
    entity_type="VoucherRow",
    table="voucher_row",
    key=VOUCHER_KEY,
    logical_unit="VoucherRow",
    company="Company",
    references=(Reference("AccountRef", "Reference_Account", (("Company", "Company"), ("Account", "Account"))),),
    properties=(*VOUCHER_PROPERTIES, *day("EntryDate")),
)

LEDGER_ROWS = EntitySet(
    projection="GenLedVoucherRowEntity",
    name="GenLedVoucherRowSet",
    entity_type="GenLedVoucherRow",
    table="gen_led_voucher_row",
    key=VOUCHER_KEY,
    logical_unit="GenLedVoucherRow",
    service="entity",
    endpoints=("int",),
    company="Company",
    properties=(
        *VOUCHER_PROPERTIES,
        *integer("PostingCombinationId"),  # beyond 2^53: a float can't hold it
        *integer("JournalId", "InternalSeqNumber"),
        *text(5, "Summerized"),
        *day("MatchingDate"),
        *integer("MatchingNo", "MpccomAccountingId"),
        *instant("Rowversion", required=True),  # when the row arrived in the general ledger, or changed there
        *text(50, "Rowkey", required=True),
    ),
)

PROJECTIONS = (
    Projection("AccountEntity", "StandardEntity", "Accounts", (ACCOUNTS,), (ACCOUNT_KIND, CODE_DEMAND)),
    Projection("AccountGroupsHandling", "Standard", "Account groups", (ACCOUNT_GROUPS,)),
    Projection("AccountingCodePartEntity", "StandardEntity", "Code parts", (CODE_PARTS,), (CODE_PART_FUNCTION,)),
    Projection("AccountingCodePartValueEntity", "StandardEntity", "Values of code parts", (CODE_PART_VALUES,)),
    Projection("VoucherRowsAnalysis", "Standard", "Voucher rows in hold", (HOLD_ROWS, ACCOUNT_REFERENCE), (PARTY,)),
    Projection(
        "GenLedVoucherRowEntity", "StandardEntity", "Voucher rows in the general ledger", (LEDGER_ROWS,), (PARTY,)
    ),
)
