"""The chart of accounts: accounts with their groups, code parts and their values, alike in every company of the group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ifs_bi_sandbox.data.business.group import Company
    from ifs_bi_sandbox.data.values import Row

INVENTORY, RECEIVABLES, BANK = "1410", "1510", "1930"
PAYABLES, TAX_OUT, TAX_IN, ACCRUALS = "2440", "2610", "2640", "2990"
SALES, SERVICES, EXCHANGE_GAIN = "3010", "3040", "3960"
RENT, SALARIES, EXCHANGE_LOSS = "5010", "7010", "7960"
EXPENSES = ("4010", "5410", "6110", "6540", "6990")

# Account, description, kind, group.
ACCOUNTS = (
    (INVENTORY, "Inventory", "Assets", "14 INVENTORY"),
    (RECEIVABLES, "Trade receivables", "Assets", "15-19 CURRENT"),
    (BANK, "Bank", "Assets", "15-19 CURRENT"),
    (PAYABLES, "Trade payables", "Liabilities", "24 PAYABLES"),
    (TAX_OUT, "Output VAT", "Liabilities", "26 VAT"),
    (TAX_IN, "Input VAT", "Liabilities", "26 VAT"),
    (ACCRUALS, "Accrued expenses", "Liabilities", "24 PAYABLES"),
    (SALES, "Sales of products", "Revenues", "3 REVENUE"),
    (SERVICES, "Sales of services", "Revenues", "3 REVENUE"),
    (EXCHANGE_GAIN, "Exchange gains", "Revenues", "3 REVENUE"),
    ("4010", "Material and goods", "Cost", "4 MATERIAL"),
    (RENT, "Rent of premises", "Cost", "5-6 OVERHEAD"),
    ("5410", "Consumables & tools", "Cost", "5-6 OVERHEAD"),
    ("6110", "Office supplies", "Cost", "5-6 OVERHEAD"),
    ("6540", "IT services", "Cost", "5-6 OVERHEAD"),
    ("6990", "Other external services", "Cost", "5-6 OVERHEAD"),
    (SALARIES, "Salaries", "Cost", "7 STAFF"),
    (EXCHANGE_LOSS, "Exchange losses", "Cost", "5-6 OVERHEAD"),
    ("9990", "Number of employees", "Statistics", "9 STATISTICS"),
)

# Group, description, parent: the hierarchy that reports climb.
ACCOUNT_GROUPS = (
    ("BS", "Balance sheet", None),
    ("1 ASSETS", "Assets", "BS"),
    ("14 INVENTORY", "Inventory", "1 ASSETS"),
    ("15-19 CURRENT", "Receivables & cash", "1 ASSETS"),
    ("2 LIABILITIES", "Liabilities", "BS"),
    ("24 PAYABLES", "Payables", "2 LIABILITIES"),
    ("26 VAT", "Value-added tax", "2 LIABILITIES"),
    ("P&L", "Profit & loss", None),
    ("3 REVENUE", "Revenue", "P&L"),
    ("4 MATERIAL", "Cost of material", "P&L"),
    ("5-6 OVERHEAD", "Overhead", "P&L"),
    ("7 STAFF", "Staff", "P&L"),
    ("9 STATISTICS", "Statistics", None),
)

# Letter, name, function. A is the account, B the cost centre.
CODE_PARTS = (
    ("A", "Account", "BaseForFollowUp"),
    ("B", "Cost centre", "NoFunction"),
    ("C", "Product line", "NoFunction"),
    ("D", "Region", "NoFunction"),
    ("E", "Fixed asset", "FixedAssetAccounting"),
    ("F", "Project", "ProjectAccounting"),
    ("G", "Counterparty", "Elimination"),
    ("H", "Vehicle", "NoFunction"),
    ("I", "Employee", "NoFunction"),
    ("J", "Free", "NoFunction"),
)

# One value of each code part that nothing but manual vouchers uses.
LONE_VALUES = (
    ("D", "NORD/ÖST", "North and east"),
    ("E", "M-100", "Milling machine"),
    ("G", "IC#1", "Within the group"),
    ("H", "ABC 123", "Delivery van"),
    ("I", "50%", "Half-time staff"),
    ("J", "*", "Not specified"),
)

PRODUCT_LINES = (("PUMPS", "Pumps"), ("VALVES", "Valves & fittings"), ("SERVICE", "Service"))
DEPARTMENTS = (
    "Management",
    "Purchasing",
    "Machining",
    "Assembly",
    "Sales",
    "IT & data",
    "Logistics",
    "Quality",
    "Service",
)


@dataclass(frozen=True)
class Codes:
    """The code part values of one company that its rows may use."""

    cost_centres: tuple[str, ...]
    projects: tuple[str, ...]


def codes(cost_centres: int, projects: int) -> Codes:
    """Values for a company with so many cost centres and projects."""
    return Codes(
        cost_centres=tuple(str(100 + 10 * number) for number in range(1, cost_centres + 1)),
        projects=tuple(f"P-{number}" for number in range(1001, 1001 + projects)),
    )


def account_rows(company: Company, master: Company) -> Iterator[tuple[str, Row]]:
    """Table and row of a company's account groups and accounts; ``master`` is whose groups they follow."""
    for order, (group, description, parent) in enumerate(ACCOUNT_GROUPS, start=1):
        yield (
            "account_group",
            {
                "Company": company.code,
                "AccntGroup": group,
                "Description": description,
                "ParentGroup": parent,
                "MasterCompany": master.code,
                "MasterCompanyAccntGroup": group,
                "SortOrder": order,
            },
        )
    for account, description, kind, group in ACCOUNTS:
        cost = kind == "Cost"
        yield (
            "account",
            {
                "Company": company.code,
                "Account": account,
                "Description": description,
                "AccntType": kind,
                "LogicalAccountType": kind,
                "LogicalAccountTypeDb": kind[0],
                "AccntGroup": group,
                "ValidFrom": "2019-01-01",
                "ValidUntil": "2049-12-31",
                "ReqCodeB": "Mandatory" if cost else "Blocked",
                "ReqCodeC": "CanBeUsed",
                "ReqCodeF": "CanBeUsed" if cost else "Blocked",
                "ExcludeFromCurrTrans": "TRUE" if kind == "Statistics" else "FALSE",
                "TaxFlagDb": "TRUE" if account in {TAX_IN, TAX_OUT} else "FALSE",
                "LedgFlag": account in {PAYABLES, RECEIVABLES},
                "BudAccount": cost,
            },
        )


def code_part_rows(company: Company, values: Codes) -> Iterator[tuple[str, Row]]:
    """Table and row of a company's code parts and their values."""
    for letter, name, function in CODE_PARTS:
        yield (
            "accounting_code_part",
            {
                "Company": company.code,
                "CodePart": letter,
                "CodeName": name,
                "CodePartFunction": function,
                "ViewName": "ACCOUNT" if letter == "A" else f"CODE_{letter}",
                "MaxNumberOfChar": 10,
                "CodePartUsedDb": True,
            },
        )
    for number, code in enumerate(values.cost_centres):
        round_, department = divmod(number, len(DEPARTMENTS))
        name = DEPARTMENTS[department] + (f" {round_ + 1}" if round_ else "")
        parent = values.cost_centres[0] if number else None
        yield "accounting_code_part_value", _value_row(company, ("B", code, name), parent)
    for code, name in PRODUCT_LINES:
        yield "accounting_code_part_value", _value_row(company, ("C", code, name))
    for code in values.projects:
        yield "accounting_code_part_value", _value_row(company, ("F", code, f"Project {code}"))
    for value in LONE_VALUES:
        yield "accounting_code_part_value", _value_row(company, value)


def _value_row(company: Company, value: tuple[str, str, str], parent: str | None = None) -> Row:
    letter, code, description = value
    return {
        "Company": company.code,
        "CodePart": letter,
        "CodePartValue": code,
        "Description": description,
        "ValidFrom": "2019-01-01",
        "ValidUntil": "2049-12-31",
        "ParentValue": parent,
        "BudgetValueDb": letter == "B",
    }
