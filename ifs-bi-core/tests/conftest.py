"""A ledger in each kind of database."""

import pytest
from ifs_bi_core.ledger.runs import Ledger


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request):
    """Where a ledger is to be made: in its state folder, and in PostgreSQL."""
    return None if request.param == "sqlite" else request.getfixturevalue("postgres_url")


@pytest.fixture
def open_ledger(ledger_url):
    """Opens the ledger of this test in a state folder, as often as it is called."""
    opened = []

    def open_one(state_dir, **options):
        opened.append(Ledger.open(ledger_url, state_dir, **options))
        return opened[-1]

    yield open_one
    for ledger in opened:
        ledger.close()
