"""The vault: a file of sealed secrets, what opens it, and the verbs of ``ifs-bi vault``."""
