"""Values of code parts as their page has them: behind each company, one collection for each of the code parts B to J.

``CodePartValuesHandling.svc/CompanyFinanceSet(Company='…')/CodeIArray`` is known from public code; the columns behind it are not.
"""

from __future__ import annotations

from dataclasses import replace

from ifs_bi_sandbox.data.finance import CODE_PART_VALUES
from ifs_bi_sandbox.data.model import EntitySet, Projection, Reference
from ifs_bi_sandbox.data.properties import text

_LETTERS = "BCDEFGHIJ"

VALUES = replace(
    CODE_PART_VALUES, projection="CodePartValuesHandling", service="projection", endpoints=("main", "int", "b2b")
)

COMPANY_FINANCE = EntitySet(
    projection="CodePartValuesHandling",
    name="CompanyFinanceSet",
    entity_type="CompanyFinance",
    table="company",
    key=("Company",),
    logical_unit="CompanyFinance",
    company="Company",
    properties=(*text(20, "Company", required=True), *text(3, "CurrencyCode", "ParallelAccCurrency")),
    references=tuple(
        Reference(
            f"Code{letter}Array", VALUES.name, (("Company", "Company"),), many=True, fixed=(("CodePart", letter),)
        )
        for letter in _LETTERS
    ),
)

PROJECTIONS = (Projection("CodePartValuesHandling", "Standard", "Values of code parts", (COMPANY_FINANCE, VALUES)),)
