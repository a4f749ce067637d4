"""The state of the pipes for people and monitors: a page, JSON, OpenMetrics text, and notices, all from the ledger.

Start at `ifs_bi_core.report.figures` (what is known) and `ifs_bi_core.report.command` (``ifs-bi report``). A section of the page
takes six steps, of which only the first and the third read anything:

1. `ifs_bi_core.ledger.activity` asks the ledger for what the section is made of.
2. `figures` gets its values, and `Report` a field of them, which is what ``--json`` prints; `run_sums` or `stream_sums` makes
   them.
3. `reading` reads, and puts the report together.
4. `sections` shows them, or `attention` if they need a person; `page` says where they stand.
5. `findings` tells what of them needs a person, which notices tell too.
6. `openmetrics` gets a row for each number that a monitor may watch.
"""
