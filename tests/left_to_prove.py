"""What of a long table of cases `make test` looks at, and what it leaves to `make prove`."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from math import gcd
from typing import Any

import pytest


def every(nth: int, *factors: Collection[Any]) -> list[Any]:
    """All combinations as parameters of a test: every nth for `make test`, the others for `make prove`.

    Raises:
        ValueError: some value of the last factor would never be among those of `make test`.
    """
    if gcd(nth, len(factors[-1])) > 1 and len(factors) > 1:
        raise ValueError(f"every {nth}. of {len(factors[-1])} would be the same ones again and again")
    return [
        pytest.param(*case, marks=[pytest.mark.prove] if place % nth else [])
        for place, case in enumerate(itertools.product(*factors))
    ]
