"""`ifs-bi write-back`: changes, creates and deletes records in IFS Cloud under its optimistic concurrency control.

Only the command starts it: nothing that reads imports this package, so the tap never writes. Start at
`tap_ifs_cloud.write_back.command`; what is done about each answer is decided in `tap_ifs_cloud.write_back.decisions`.
"""
