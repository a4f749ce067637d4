"""A landing zone in OneLake, by Microsoft's own client of Azure Data Lake Storage.

The client writes the requests and reads the answers; what sends them is the project's own chain of policies, so that tokens,
retries, limits and the ledger are the same as everywhere (``docs/adr/0002``). Whatever is asked here may be asked twice, but for
the rename: after one without an answer it is looked what is there.

Operations: learn.microsoft.com/rest/api/storageservices/datalakestoragegen2; what of them OneLake has:
learn.microsoft.com/fabric/onelake/onelake-api-parity.
"""

from __future__ import annotations

import io
import logging
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urlsplit

import requests
import urllib3
from azure.core import MatchConditions
from azure.core.credentials import AccessToken
from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.filedatalake import FileSystemClient
from ifs_bi_core.errors import (
    AuthError,
    ConfigError,
    ContractBrokenError,
    IfsBiError,
    OutcomeUnknownError,
    ThrottledError,
    UnavailableError,
)
from ifs_bi_core.http.client import client
from ifs_bi_core.http.limits import SlidingWindow
from ifs_bi_core.http.message import Request
from ifs_bi_core.http.retry import RetryRules, next_wait
from ifs_bi_core.http.tokens import TokenSource
from ifs_bi_core.http.transport import transport

from target_powerbi.mirroring.address import LAST_FOLDER, SETTING
from target_powerbi.mirroring.files import temporary_name
from target_powerbi.mirroring.landing_zone import taken
from target_powerbi.sign_in import SignIn

if TYPE_CHECKING:
    from collections.abc import Callable

    from azure.storage.filedatalake import DataLakeFileClient
    from ifs_bi_core.http.client import Surroundings
    from ifs_bi_core.http.message import Send
    from ifs_bi_core.http.policies import Attempt

    from target_powerbi.mirroring.address import OneLakeFolder
    from target_powerbi.settings import Settings

STORAGE_SCOPE = "https://storage.azure.com/.default"
"""What a token for OneLake is asked for, in every cloud (learn.microsoft.com/fabric/onelake/onelake-access-api)."""

_LOG = logging.getLogger(__name__)
_CALLS_PER_MINUTE = 1_200  # OneLake tells no limit but by 429; a file takes five
_ATTEMPTS = 100  # the time limit ends the tries, not their number
_CONFLICT, _CONDITION, _SERVER_ERROR = 409, 412, 500
_TENANT_SETTINGS = "allow service principals to use Fabric APIs and apps outside of Fabric to reach OneLake"
_RENAME = "x-ms-rename-source"


class _AbsentError(ConfigError):
    """There is nothing of that name."""


_MEANINGS: dict[int, tuple[type[IfsBiError], str]] = {
    401: (AuthError, "The token was renewed and refused again: check tenant_id and client_id, then run again."),
    403: (
        AuthError,
        f"Give the app the role Contributor in the workspace, and let an administrator {_TENANT_SETTINGS}; then run again.",
    ),
    404: (_AbsentError, f"There is no such workspace, mirrored database or landing zone: check {SETTING}."),
    429: (ThrottledError, "Run again later."),
}
"""What a status amounts to, and what to do. Others below 500 are no refusal that is known."""

T = TypeVar("T")


class OneLakeFiles:
    """Files below a folder of OneLake (see `target_powerbi.mirroring.landing_zone.Files`).

    Args:
        folder: the landing zone.
        send: sends what the client wants to be sent.
        rules: how long a rename is tried again.
        surroundings: the clock.
    """

    def __init__(self, folder: OneLakeFolder, send: Send, rules: RetryRules, surroundings: Surroundings) -> None:
        self._folder = folder
        self._rules = rules
        self._surroundings = surroundings
        self._files = FileSystemClient(
            _secure(folder.origin),
            folder.workspace,
            credential=_Credential(),
            transport=RequestsTransport(session=_Session(send, folder), session_owner=False),
            retry_total=0,  # two layers of retries multiply
            permit_redirects=False,  # the token would go along
        )

    def names(self, folder: str) -> list[str]:
        """The names in a folder; none where it is absent, if only the mirrored database is there."""
        found = self._unless_absent(folder, lambda: self._listed(self._at(folder)))
        if found is None and not folder:  # nothing was ever written there, or the address is wrong
            self._asked("", lambda: self._listed(self._folder.path.rpartition(f"/{LAST_FOLDER}")[0]))
        return found or []

    def _listed(self, path: str) -> list[str]:
        return sorted(str(found.name).rpartition("/")[2] for found in self._files.get_paths(path, recursive=False))

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None where it is absent."""
        return self._unless_absent(path, lambda: bytes(self._file(path).download_file().readall()))

    def write(self, path: str, data: bytes) -> None:
        """A file in the place of one that is there; whole from the moment in which it has its name."""
        self._put(path, data)

    def publish(self, path: str, data: bytes) -> None:
        """A file that is not there yet, under a temporary name first.

        Raises:
            OutcomeUnknownError: the rename was not answered, and now nobody says what is there.
            ContractBrokenError: another file has the name.
        """
        self._put(path, data, match_condition=MatchConditions.IfMissing)

    def _put(self, path: str, data: bytes, **conditions: Any) -> None:
        begun, attempt = self._surroundings.clock(), 0
        while True:
            attempt += 1
            temporary = self._upload(path, data)  # each time: an unanswered rename may have moved it
            try:
                self._asked(path, lambda: self._rename(temporary, path, **conditions))  # noqa: B023 - called at once
            except (OutcomeUnknownError, UnavailableError, _AbsentError) as doubt:
                if self._has_come(path, data, alone=bool(conditions)):
                    return
                now = self._surroundings.clock()
                wait = next_wait(
                    self._rules,
                    attempt=attempt,
                    outcome=OutcomeUnknownError(str(doubt)),
                    safe_twice=True,  # it has not happened
                    elapsed=now - begun,
                    now=now,
                    chance=self._surroundings.chance(),
                )
                if wait is None:
                    raise
                _LOG.warning("%s It is not there; trying again in %.1f s.", doubt, wait)
                self._surroundings.sleep(wait)
            else:
                return

    def remove(self, path: str) -> None:
        """Remove a file or a whole folder, if it is there."""
        self._unless_absent(path, lambda: self._files.get_directory_client(self._at(path)).delete_directory())

    def _at(self, path: str) -> str:
        return f"{self._folder.path}/{path}".rstrip("/")

    def _file(self, path: str) -> DataLakeFileClient:
        return self._files.get_file_client(self._at(path))

    def _upload(self, path: str, data: bytes) -> str:
        """Write a file under its temporary name, in the place of what an earlier try left there; that name."""
        folder, _, name = path.rpartition("/")
        temporary = f"{folder}/{temporary_name(name)}".lstrip("/")
        file = self._file(temporary)

        def upload() -> None:
            file.create_file()
            file.append_data(data, 0, len(data))
            file.flush_data(len(data))

        self._asked(temporary, upload)
        return temporary

    def _rename(self, temporary: str, path: str, **conditions: Any) -> None:
        self._file(temporary).rename_file(f"{self._folder.workspace}/{self._at(path)}", **conditions)

    def _has_come(self, path: str, data: bytes, *, alone: bool) -> bool:
        """Whether a file has its name after all; ``alone``: none but this one may have it.

        Raises:
            OutcomeUnknownError: that can't be found out.
            ContractBrokenError: another one has it.
        """
        try:
            held = self.read(path)
        except IfsBiError as error:
            raise OutcomeUnknownError(f"Nobody knows whether {path} has come into the landing zone: {error}") from None
        if alone and held not in {None, data}:
            raise taken(path)
        return held == data

    def _unless_absent(self, path: str, ask: Callable[[], T]) -> T | None:
        try:
            return self._asked(path, ask)
        except _AbsentError:
            return None

    def _asked(self, path: str, ask: Callable[[], T]) -> T:
        """What a question or an order brings; every refusal becomes one of our errors.

        Raises:
            IfsBiError: the class that `_MEANINGS` gives.
        """
        try:
            return ask()
        except HttpResponseError as refused:
            status = refused.status_code or 0
            code = getattr(refused, "error_code", None)
            code = getattr(code, "value", code)  # the client knows most of them
            answer = f"{status} {code}" if code else str(status)
            said = f"OneLake answered {answer} for {path or 'the landing zone'}."
            if status in {_CONFLICT, _CONDITION}:
                raise UnavailableError(f"{said} Run again when nobody else writes to the landing zone.") from None
            if status >= _SERVER_ERROR:
                raise UnavailableError(f"{said} Run again when it is well.") from None
            kind, advice = _MEANINGS.get(status, (ContractBrokenError, "Report this: it is no refusal that is known."))
            raise kind(f"{said} {advice}") from None
        except AzureError as error:
            raise OutcomeUnknownError(f"OneLake, {path or 'the landing zone'}: {type(error).__name__}.") from None


class _Credential:
    """What the client has to be given. The token that counts is put into a request where it is sent, and renewed there."""

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        """No token."""
        return AccessToken("", sys.maxsize)


class _Session(requests.Session):
    """What the client takes for a session of `requests`, and is the project's own chain of policies."""

    def __init__(self, send: Send, folder: OneLakeFolder) -> None:
        super().__init__()
        self._send = send
        self._origin = folder.origin
        self._root = f"/{folder.workspace}/{folder.path}/"

    def request(self, method: str | bytes, url: str | bytes, *_: Any, **options: Any) -> requests.Response:
        """Send one request, and again as the policies decide."""
        headers = dict(options["headers"])
        path = unquote(urlsplit(str(url)).path).removeprefix(self._root)
        verb, address = str(method), self._origin + str(url).removeprefix(_secure(self._origin))
        request = Request(
            verb,
            address,
            headers=headers,
            body=_bytes(options.get("data")),
            safe_twice=_RENAME not in headers,
            operation=f"OneLake {'rename to' if _RENAME in headers else verb} {path}",
        )
        answer = self._send(request)
        response = requests.Response()
        response.status_code = answer.status
        response.headers = requests.structures.CaseInsensitiveDict(answer.headers)
        response.url = request.url
        body = b"" if request.method == "HEAD" else answer.body
        response.raw = urllib3.HTTPResponse(io.BytesIO(body), status=answer.status, preload_content=False)
        return response


def onelake_files(
    folder: OneLakeFolder, settings: Settings, surroundings: Surroundings, observe: Callable[[Attempt], None]
) -> OneLakeFiles:
    """The files below a folder, behind all HTTP policies, as who the settings say; nothing is sent yet."""
    rules = RetryRules(limit_seconds=settings.retry_limit_seconds, attempts=_ATTEMPTS)
    send = client(
        transport(requests.Session()),
        tokens=TokenSource(SignIn(replace(settings, token_scope=STORAGE_SCOPE))),
        limiter=SlidingWindow(_CALLS_PER_MINUTE, clock=surroundings.clock, sleep=surroundings.sleep),
        rules=rules,
        observe=observe,
        logger=_LOG,
        surroundings=surroundings,
    )
    return OneLakeFiles(folder, send, rules, surroundings)


def _secure(origin: str) -> str:
    """The address that the client is told: it takes https alone, and a service on this machine may have none."""
    return origin.replace("http://", "https://", 1)


def _bytes(data: Any) -> bytes | None:
    """A body in one piece; the client may give a file."""
    if data is None or isinstance(data, bytes):
        return data
    return bytes(data.read()) if hasattr(data, "read") else b"".join(data)
