"""Verbs of `ifs-bi` about a warehouse: `verify` with all it compares, and `warehouse_check`, whose steps are in `check`."""
