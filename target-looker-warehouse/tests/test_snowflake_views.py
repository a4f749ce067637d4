"""The roll-up views in Snowflake's SQL, as far as fakesnow runs it: its sum of decimals is a double, and no test here sums."""

from __future__ import annotations

import pytest
import test_views

READ = ["test_a_row_that_is_marked_as_deleted_never_counts"]
PROVED = [
    "test_a_structure_of_cost_centres_is_no_structure_of_accounts",
    "test_a_voucher_row_that_is_in_both_stages_is_in_the_general_ledger",
    "test_an_account_is_below_all_that_is_above_it_and_the_lowest_node_fills_the_levels_below",
    "test_an_invoice_is_in_the_bucket_of_the_days_since_it_was_due",
    "test_the_stream_of_journal_entries_goes_before_its_stages",
    "test_values_that_are_spread_over_two_columns_come_together",
    "test_what_is_closed_cancelled_or_only_planned_is_not_open",
]


@pytest.mark.parametrize("name", [*READ, *(pytest.param(name, marks=pytest.mark.prove) for name in PROVED)])
def test_the_views_hold_what_they_hold_everywhere(snowflake_box, name):
    snowflake_box.config["views"] = True
    getattr(test_views, name)(snowflake_box)
