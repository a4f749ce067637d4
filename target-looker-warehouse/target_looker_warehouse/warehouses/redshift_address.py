"""What an address of Amazon Redshift says. Pure."""

from __future__ import annotations

import re
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from ifs_bi_core.errors import ConfigError
from ifs_bi_core.redaction import REDACTOR
from ifs_bi_core.settings import is_loopback

_PORT = 5439
_OPTIONS = frozenset(
    {"cluster_identifier", "db_user", "iam", "iam_role", "profile", "region", "ssl", "sslmode", "workgroup"}
)
_TRUTH = {"true": True, "1": True, "false": False, "0": False}
_ARN = r"arn:aws[\w-]*:iam::\d{12}:role/[\w+=,.@/-]+"
_ROLE = re.compile(rf"default|{_ARN}", re.ASCII)


class Parameters(NamedTuple):
    """What an address says.

    Attributes:
        driver: arguments of `redshift_connector.connect`.
        iam_role: whose rights COPY has in S3: ``default`` or an ARN; the run's own rights if there is none.
        destination: the database without user and secrets: the same text for the same place in every run.
    """

    driver: dict[str, Any]
    iam_role: str | None
    destination: str


def parameters(warehouse_url: str) -> Parameters:
    """What the address says.

    Args:
        warehouse_url: ``redshift://user:password@host:5439/database``, or ``redshift:///database?iam=true`` with the name of a
            cluster or of a workgroup.

    Raises:
        ConfigError: it is malformed, or would send a password without TLS to another machine.
    """
    try:
        parts = urlsplit(warehouse_url)
        host, port = parts.hostname or "", parts.port or _PORT
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:  # its message may repeat the address
        raise _malformed("is no Redshift address") from None
    user, password, database = (unquote(part or "") for part in (parts.username, parts.password, parts.path.strip("/")))
    REDACTOR.register(password)
    if parts.netloc.count("@") > 1 or "@" in parts.path:  # the end of the password
        raise _malformed("has more than one '@'; write '@' as %40 and '/' as %2F in the user and the password")
    if unknown := options.keys() - _OPTIONS:
        raise _malformed(f"has {', '.join(sorted(unknown))} in its query, which isn't known")
    role = options.pop("iam_role", None)
    if role is not None and not _ROLE.fullmatch(role):
        raise _malformed("has an iam_role in its query that is neither 'default' nor the ARN of a role")
    iam, ssl = (_flag(options.pop(name, default)) for name, default in (("iam", "false"), ("ssl", "true")))
    if not ssl and (iam or not is_loopback(host)):
        raise _malformed("switches ssl off, and a password goes to another machine over TLS alone")
    workgroup = options.pop("workgroup", None)
    driver: dict[str, Any] = {"sslmode": "verify-full", "ssl": ssl, "iam": iam, "database": database} | options
    if host:
        driver |= {"host": host, "port": port}
    if workgroup:
        driver |= {"serverless_work_group": workgroup, "is_serverless": True}
    cluster = options.get("cluster_identifier")
    if iam:
        driver["db_user"] = options.get("db_user") or user
    else:
        driver |= {"user": user, "password": password}
    if not database or not (host or (iam and (cluster or workgroup))) or not (user or iam):
        raise _malformed("names no database, or nobody to be there, or no cluster")
    place = f"{host}:{port}" if host else workgroup or cluster
    return Parameters(driver, role, f"redshift://{place}/{database}")


def _flag(value: str) -> bool:
    truth = _TRUTH.get(value.lower())
    if truth is None:
        raise _malformed("has iam or ssl in its query, and says neither true nor false")
    return truth


def _malformed(what: str) -> ConfigError:
    return ConfigError(
        f"Setting 'warehouse_url' {what}. Write redshift://user:password@host:5439/database, or, with IAM, "
        f"redshift:///database?iam=true&cluster_identifier=name&region=eu-central-1&db_user=name "
        f"(serverless: workgroup=name in the place of cluster_identifier and db_user)."
    )
