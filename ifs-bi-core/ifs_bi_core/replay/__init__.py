"""Dead letters on their way back into a target: ``ifs-bi dead-letters``, ``ifs-bi replay``, ``tap-replay``.

What all of them do is in `ifs_bi_core.replay.printing`; the key that letters are sealed with comes from the vault by
`ifs_bi_core.replay.key`.
"""
