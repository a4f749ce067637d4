"""The account of every pull and push, and the trail of every record: what happened, when, and what became of it.

To write, start at `ifs_bi_core.ledger.runs` (`Ledger`, `Run`); to ask, at `ifs_bi_core.ledger.history` and
`ifs_bi_core.ledger.stories`.
"""
