"""The server of fakesnow, with one fault of it mended; run by the Python of its own environment.

Its MERGE doesn't find the columns of ``USING name AS alias`` that the condition alone names. A subquery's alias it knows, so the
source is given to it as one.
"""

from fakesnow import cli, transforms
from sqlglot import exp

_merge = transforms.merge


def _mended(statement):
    source = statement.args.get("using") if isinstance(statement, exp.Merge) else None
    if isinstance(source, exp.Table) and source.alias:
        alias = source.args["alias"].copy()
        plain = source.copy()
        plain.set("alias", None)
        statement.set("using", exp.Subquery(this=exp.select("*").from_(plain), alias=alias))
    return _merge(statement)


transforms.merge = _mended
cli.main(["-s"])
