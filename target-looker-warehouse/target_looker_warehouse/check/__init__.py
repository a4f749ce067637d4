"""What `ifs-bi warehouse-check` does: every operation of this target, in a schema of its own that is dropped at the end.

The steps are data (`check.values`, `check.changes`); `check.scratch` is the schema, `check.probes` what lines alone can't show,
and `check.run` goes from one to the next.
"""
