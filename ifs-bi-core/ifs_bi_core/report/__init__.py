"""The state of the pipes for people and monitors: a page, JSON, OpenMetrics text, and notices, all from the ledger.

Start at `ifs_bi_core.report.figures` (what is known) and `ifs_bi_core.report.command` (``ifs-bi report``).
"""
