"""Verbs of `ifs-bi` that are about a warehouse."""
