"""From the tap's settings to a client of the system they name, for the tap and for every `ifs-bi` verb that asks IFS Cloud."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ifs_bi_core.errors import ConfigError
from ifs_bi_core.http.client import REAL
from ifs_bi_core.http.shared_limits import shared_limit
from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_core.settings import origin
from ifs_bi_core.singer.request_limits import request_limit

from tap_ifs_cloud.client import IfsCloud
from tap_ifs_cloud.metadata_cache import Document
from tap_ifs_cloud.odata import service_url
from tap_ifs_cloud.token import Client, keycloak_token_url

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ifs_bi_core.http.client import Surroundings
    from ifs_bi_core.http.limits import Limiter
    from ifs_bi_core.http.policies import Attempt

    from tap_ifs_cloud.metadata_cache import Fetch

WINDOW_SECONDS = 61.0
"""The window in which `requests_per_minute` holds: IFS Cloud counts requests as they arrive, and one may take a second longer on
its way than another."""

_NOT_MODIFIED = 304


def base_url(config: Mapping[str, Any]) -> str:
    """The system's address.

    Raises:
        ConfigError: it is no address, or an unprotected one.
    """
    return origin("base_url", config["base_url"])


def credentials(config: Mapping[str, Any]) -> Client:
    """The IAM client of the settings, and where it gets its token.

    Raises:
        ConfigError: neither realm nor token_url is set, or an address is none.
    """
    if config.get("token_url"):
        token_url = origin("token_url", config["token_url"])
    elif config.get("realm"):
        token_url = keycloak_token_url(base_url(config), config["realm"])
    else:
        raise ConfigError(
            "Neither realm nor token_url is set. Set realm to the system's namespace: IFS Cloud shows it in API Explorer, "
            "Documentation, API Doc, as part of Connect URL."
        )
    return Client(token_url, config["client_id"], config["client_secret"], config.get("scope") or "")


def connected(
    config: Mapping[str, Any],
    *,
    limiter: Limiter | None = None,
    observe: Callable[[Attempt], None] = lambda _: None,
    surroundings: Surroundings = REAL,
) -> IfsCloud:
    """The client of the configured system.

    Args:
        config: the tap's settings, resolved and checked.
        limiter: counts requests; left out, they are counted together with those of all processes that share ``state_dir`` or
            the ledger.
        observe: hears of every attempt.
        surroundings: clock, sleep and dice.

    Raises:
        ConfigError: the settings name no system that can be called.
    """
    return IfsCloud(
        credentials(config),
        limiter=limiter or limiter_of(config),
        timeout_seconds=float(config["request_timeout_seconds"]),
        retry_limit_seconds=float(config["retry_limit_seconds"]),
        user_agent=config["user_agent"],
        observe=observe,
        surroundings=surroundings,
    )


def service_of(config: Mapping[str, Any], projection: str, endpoint: str, service: str) -> str:
    """The address of a projection or entity service of the configured system."""
    return service_url(base_url(config), endpoint=endpoint, service=service, projection=projection)


def metadata_of(cloud: IfsCloud, service: str) -> Fetch:
    """What `MetadataCache` asks the server with."""
    url, operation = f"{service}/$metadata", f"$metadata of {service.rpartition('/')[2].removesuffix('.svc')}"

    def fetch(etag: str | None) -> Document | None:
        headers = {"If-None-Match": etag} if etag else None
        response = cloud.get(url, operation, accept="application/xml", headers=headers)
        return None if response.status == _NOT_MODIFIED else Document(response.body, response.headers.get("ETag"))

    return fetch


def limiter_of(config: Mapping[str, Any], ledger: Ledger | None = None) -> Limiter:
    """Counts the requests to the configured system together with those of all who share its state folder or its ledger.

    Args:
        config: the tap's settings, resolved and checked.
        ledger: of them, if it is open.

    Raises:
        ConfigError: the settings name no system, or requests can't be counted.
    """
    limit, url = float(config["requests_per_minute"]), config.get("ledger_url") or ""
    if ledger is None and not url.startswith("postgres"):
        return shared_limit(Path(config["state_dir"]), "ifs-cloud", base_url(config), limit, WINDOW_SECONDS)
    ledger = ledger or Ledger.open(url, Path(config["state_dir"]))
    return request_limit(ledger, "ifs-cloud", base_url(config), limit, WINDOW_SECONDS)
