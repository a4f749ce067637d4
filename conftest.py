"""Laws are held against the same examples in every run; ``pytest --hypothesis-profile=default`` looks for new ones."""

from collections.abc import Iterator

import pytest
from hypothesis import settings
from ifs_bi_core.redaction import REDACTOR

pytest_plugins = ["postgres"]  # tests/postgres.py: a server for whoever asks for one

settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True, scope="module")
def _secrets_of_their_own() -> Iterator[None]:
    """Secrets stay registered as long as a process lives; those of one file of tests are no secrets of the next."""
    REDACTOR.forget()
    yield
    REDACTOR.forget()
