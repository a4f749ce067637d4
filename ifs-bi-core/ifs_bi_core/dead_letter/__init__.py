"""Dead letters: rows that a destination refused for good, kept with the reason until they are delivered after all.

To put rows, to ask and to answer, start at `ifs_bi_core.dead_letter.store` (`DeadLetters`); what a letter says is in
`ifs_bi_core.dead_letter.letter`, how its lines are told apart in a replay in `ifs_bi_core.dead_letter.lines`.
"""
