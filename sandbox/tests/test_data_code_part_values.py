"""Values of code parts lie behind each company, one collection for each code part."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from ifs_bi_sandbox.data.generate import generate
from ifs_bi_sandbox.data.projections import PROJECTIONS
from ifs_bi_sandbox.ifs.catalogue import Catalogue
from ifs_bi_sandbox.ifs.errors import OdpError
from ifs_bi_sandbox.ifs.exchange import Call
from ifs_bi_sandbox.ifs.provider import Provider
from ifs_bi_sandbox.ifs.store import Store
from ifs_bi_sandbox.ifs.writer import Writer
from ifs_bi_sandbox.world import Switches, World

if TYPE_CHECKING:
    from pathlib import Path

    from ifs_bi_sandbox.data.values import Row

ROOT = "http://localhost/main/ifsapplications/projection/v1/"


class Tenant:
    def __init__(self, database: Path) -> None:
        generate(database, scale=300, seed=5)
        self.switches = Switches()
        catalogue = Catalogue(PROJECTIONS)
        store = Store(database, catalogue.listing())
        self._provider = Provider(catalogue, store, Writer({}, None), World(database, self.switches))

    def rows(self, path: str) -> list[Row]:
        path = f"CodePartValuesHandling.svc/{path}"
        answer = self._provider.answer(Call("GET", ("main", "projection"), ROOT, path, "", {}))
        found: list[Row] = json.loads(answer.body)["value"]
        return found


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    return Tenant(tmp_path / "ifs.db")


def test_a_collection_has_the_values_of_one_code_part_in_one_company(tenant: Tenant) -> None:
    everything = tenant.rows("AccountingCodePartValueSet")
    for company in [row["Company"] for row in tenant.rows("CompanyFinanceSet")]:
        for letter in "BCDEFGHIJ":
            found = tenant.rows(f"CompanyFinanceSet(Company='{company}')/Code{letter}Array")
            wanted = [row for row in everything if (row["Company"], row["CodePart"]) == (company, letter)]
            assert sorted(map(json.dumps, found)) == sorted(map(json.dumps, wanted))
    assert tenant.rows("CompanyFinanceSet(Company='10')/CodeBArray")


def test_a_company_that_the_user_does_not_see_has_no_collections(tenant: Tenant) -> None:
    tenant.switches.allowed_companies = ["20"]
    with pytest.raises(OdpError, match="Resource not found"):
        tenant.rows("CompanyFinanceSet(Company='10')/CodeBArray")
