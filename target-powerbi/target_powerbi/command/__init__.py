"""The verbs of ``ifs-bi powerbi``: what a run would do, the dataset made ahead, tables compacted and verified."""
