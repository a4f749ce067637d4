"""The SDK's standard suite for targets, against the stand-in."""

from __future__ import annotations

from typing import Any

import pytest
from singer_sdk.testing import get_target_test_class
from target_powerbi.target import TargetPowerBI

CONFIG: dict[str, Any] = {}
"""Filled before each test: the stand-in's ports are free ones. A row without its key is to end the run, as the suite expects."""


class TestTargetPowerBI(get_target_test_class(TargetPowerBI, config=CONFIG)):  # type: ignore[misc] # made at run time
    """The standard tests, each with a workspace and a folder of its own."""

    @pytest.fixture(autouse=True)
    def workspace(self, pipe):
        CONFIG.clear()
        CONFIG.update(pipe.config, on_row_error="fail")
