"""What a BigQuery address says, and the client that it makes. No token is fetched before the first request."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import google.auth
from google.api_core.client_info import ClientInfo
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery
from google.oauth2.service_account import Credentials
from ifs_bi_core.errors import ConfigError
from ifs_bi_core.redaction import REDACTOR
from ifs_bi_core.settings import is_loopback, origin, resolve

_OPTIONS = ("api_endpoint", "credentials", "credentials_path", "location")
_SCOPES = ("https://www.googleapis.com/auth/bigquery",)
_PROJECT = re.compile(r"([a-z0-9.-]+:)?[a-z][a-z0-9-]+")
_DATASET = re.compile(r"[A-Za-z0-9_]{1,1024}")
_LOCATION = re.compile(r"[A-Za-z0-9-]+")
_FORM = "Write bigquery://project/dataset, for example bigquery://my-project/erp?location=EU"


class Place(NamedTuple):
    """A dataset, and how it is reached.

    Attributes:
        project: that holds the dataset and pays for the jobs.
        dataset: where tables are, if nobody says so.
        location: of the dataset: ``EU``, ``europe-west3``; None where the address doesn't say it.
        endpoint: where requests go; None for Google's own servers.
        key: of a service account, as its JSON file has it; None for the credentials that this machine has by itself.
    """

    project: str
    dataset: str
    location: str | None = None
    endpoint: str | None = None
    key: dict[str, Any] | None = None

    @property
    def destination(self) -> str:
        """The dataset without secrets: the same text for the same place in every run."""
        elsewhere = f"?api_endpoint={self.endpoint}" if self.endpoint else ""
        return f"bigquery://{self.project}/{self.dataset}{elsewhere}"


def place(warehouse_url: str) -> Place:
    """What the address says.

    Args:
        warehouse_url: ``bigquery://project/dataset``, and in its query ``location``, ``api_endpoint``, and ``credentials_path``
            (the JSON file of a service account's key) or ``credentials`` (what is in such a file, or a reference to it:
            ``env:NAME``, ``vault:NAME``).

    Raises:
        ConfigError: it is malformed, or the key can't be read.
    """
    try:
        parts = urlsplit(warehouse_url)
        options = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    except ValueError:  # its message may repeat a key
        raise _malformed("is no BigQuery address") from None
    REDACTOR.register(options.get("credentials"))
    if unknown := options.keys() - set(_OPTIONS):
        raise _malformed(
            f"has {', '.join(sorted(unknown))} in its query, and BigQuery's may have {', '.join(_OPTIONS)}"
        )
    project, dataset = parts.netloc, parts.path.removeprefix("/")
    if "@" in project:
        raise _malformed("names a user, and BigQuery knows who asks by a key")
    if not _PROJECT.fullmatch(project):
        raise _malformed(f"names no project: {project!r} is none")
    if not _DATASET.fullmatch(dataset):
        raise _malformed(f"names no dataset: {dataset!r} is none")
    location = options.get("location")
    if location is not None and not _LOCATION.fullmatch(location):
        raise _malformed(f"has the location {location!r}, which is none")
    endpoint = options.get("api_endpoint")
    return Place(
        project, dataset, location, endpoint and origin("api_endpoint of warehouse_url", endpoint), _key(options)
    )


def client(found: Place) -> bigquery.Client:
    """A client that asks as who the address says.

    Raises:
        ConfigError: there are no credentials, or they are none.
    """
    return bigquery.Client(
        project=found.project,
        location=found.location,
        credentials=_credentials(found),
        client_options={"api_endpoint": found.endpoint} if found.endpoint else None,
        client_info=ClientInfo(user_agent="target-looker-warehouse"),  # type: ignore[no-untyped-call]
    )


def _credentials(found: Place) -> Any:
    if found.endpoint and is_loopback(urlsplit(found.endpoint).hostname or ""):
        return AnonymousCredentials()  # type: ignore[no-untyped-call]  # nobody's token is given to what listens on this machine
    try:
        if found.key is not None:
            return Credentials.from_service_account_info(found.key, scopes=_SCOPES)  # type: ignore[no-untyped-call]
        credentials, _ = google.auth.default(scopes=_SCOPES)
    except (GoogleAuthError, ValueError):  # the latter is about the key; its message may repeat it
        raise ConfigError(
            f"There are no credentials for {found.destination}. Let credentials_path in warehouse_url name the JSON key of a "
            f"service account, or run 'gcloud auth application-default login' on this machine, then run again. Nothing was sent."
        ) from None
    return credentials


def _key(options: dict[str, str]) -> dict[str, Any] | None:
    """The key of a service account that an address names or carries."""
    path, written = options.get("credentials_path"), options.get("credentials")
    if path is not None and written is not None:
        raise _malformed("has both credentials and credentials_path")
    try:
        text = Path(path).read_text(encoding="utf-8") if path else written and _resolved(written)
        key = json.loads(text) if text else None
    except OSError as error:
        raise _malformed(f"has the credentials_path {path!r}, which can't be read ({error.strerror})") from None
    except ValueError:  # its message may repeat the key
        raise _malformed("has credentials that are no JSON") from None
    if key is None:
        return None
    if not isinstance(key, dict) or key.get("type") != "service_account":
        raise _malformed("has credentials that are not the key of a service account")
    REDACTOR.register(key.get("private_key"))
    return key


def _resolved(written: str) -> str:
    where = "credentials of warehouse_url"
    return str(resolve({where: written})[where])


def _malformed(reason: str) -> ConfigError:
    return ConfigError(f"Setting 'warehouse_url' {reason}. {_FORM}.")
