"""Sign-in of a service principal, by Microsoft's own library.

MSAL takes https addresses alone, in the answers of the service too. For a service on this machine (a loopback address, which
may be http) it is given a client that turns exactly that origin back to http.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msal
import requests
from ifs_bi_core.errors import AuthError, ConfigError, IfsBiError, NotSentError
from ifs_bi_core.http.tokens import Token
from ifs_bi_core.redaction import REDACTOR

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_powerbi.settings import Settings

_TIMEOUT = (10.0, 60.0)  # seconds: to connect, and of silence
_OK, _TOO_MANY, _SERVER_ERROR = 200, 429, 500
_CODE = re.compile(r"AADSTS\d+")
_SHORTEST_LIFETIME = 1.0

_ADVICE = {
    "AADSTS90002": "There is no such tenant: check tenant_id (Directory (tenant) ID of the app's Overview page), authority_host.",
    "AADSTS900023": "tenant_id is no tenant: write the Directory (tenant) id from the app's Overview page.",
    "AADSTS700016": "The tenant has no such app: check client_id (Application (client) ID of its Overview page) and tenant_id.",
    "AADSTS7000215": "The secret is wrong: set client_secret to the secret's Value, not to its Secret ID, and check client_id.",
    "AADSTS7000216": "No secret was sent: set client_secret.",
    "AADSTS7000222": "The secret has expired: make a new one (Certificates & secrets) and set client_secret to its Value.",
    "AADSTS7000112": "The application is disabled: an administrator enables its enterprise application.",
    "AADSTS500011": "The tenant has no such service: check token_scope (it differs in the national clouds).",
    "AADSTS1002012": "The scope can't be asked for: token_scope has to end with /.default.",
    "AADSTS70011": "The scope can't be asked for: check token_scope.",
}
_OTHER_ADVICE = "Check tenant_id, client_id, client_secret, authority_host and token_scope."


@dataclass(frozen=True)
class Loopback:
    """The http client that MSAL is given: it has the shape of a `requests.Session`, and maps every failure to our errors.

    Attributes:
        session: sends.
        origin: an ``http://`` origin on this machine that MSAL calls https; None where the service has https itself.
    """

    session: requests.Session
    origin: str | None

    def get(self, url: str, **options: Any) -> requests.Response:
        """A discovery document."""
        return self._answer("GET", url, options)

    def post(self, url: str, **options: Any) -> requests.Response:
        """A token, or why there is none."""
        return self._answer("POST", url, options)

    def close(self) -> None:
        """End the connections."""
        self.session.close()

    def _answer(self, method: str, url: str, options: Mapping[str, Any]) -> requests.Response:
        if self.origin:
            spoken = self.origin.replace("http://", "https://", 1)
            url = self.origin + url.removeprefix(spoken) if url.startswith(f"{spoken}/") else url
        host = urlsplit(url).netloc
        try:
            answer = self.session.request(method, url, timeout=_TIMEOUT, allow_redirects=False, **options)
        except requests.exceptions.SSLError:
            raise NotSentError(
                f"Sign-in to Microsoft: the certificate of {host} is not trusted. Name the file of your certificate authority in "
                f"REQUESTS_CA_BUNDLE, then run again."
            ) from None
        except requests.exceptions.RequestException:  # a second token does no harm, so unanswered is like not sent
            raise NotSentError(
                f"Sign-in to Microsoft: {host} can't be reached or does not answer. Check authority_host and the network, then "
                f"run again."
            ) from None
        if answer.status_code == _TOO_MANY or answer.status_code >= _SERVER_ERROR:
            raise NotSentError(
                f"Sign-in to Microsoft: {host} answered {answer.status_code}. Run again when it is well."
            )
        if answer.status_code != _OK:
            raise _refusal(host, answer)
        if not _object(answer):
            raise ConfigError(
                f"Sign-in to Microsoft: {host} does not answer like a sign-in service. Check authority_host."
            )
        return answer


class SignIn:
    """Asks for tokens; to be called by a `ifs_bi_core.http.tokens.TokenSource`, which keeps them.

    A new MSAL application each time: its own cache would give back the very token that Power BI has just refused, and it
    repeats a refusal of the sign-in service for a minute without asking.

    Args:
        settings: who signs in, and where.
        session: holds the connections.
    """

    def __init__(self, settings: Settings, session: requests.Session | None = None) -> None:
        host = settings.authority_host
        self._settings = settings
        self._http = Loopback(session or requests.Session(), host if host.startswith("http://") else None)
        self._succeeded = False

    def __call__(self) -> Token:
        """A new token.

        Raises:
            ConfigError: tenant, client, secret or scope is wrong.
            AuthError: the service gave a token in this run already, and now gives none.
            NotSentError: the service can't be reached, or can't work.
        """
        settings = self._settings
        try:
            application = msal.ConfidentialClientApplication(
                settings.client_id,
                client_credential=settings.client_secret,
                authority=f"{settings.authority_host.replace('http://', 'https://', 1)}/{settings.tenant_id}",
                http_client=self._http,
                instance_discovery=False,  # the host was configured; MSAL would ask the public cloud about it
            )
            answer = application.acquire_token_for_client([settings.token_scope])
        except ConfigError as error:
            raise self._later(error) from None
        except (ValueError, KeyError) as error:  # MSAL's words for an address or an answer that it can't use
            raise self._later(
                ConfigError(f"Sign-in to Microsoft: {REDACTOR.redact(str(error))}. {_OTHER_ADVICE}")
            ) from None
        if not isinstance(answer, dict) or not isinstance(answer.get("access_token"), str):
            raise self._later(ConfigError(f"Sign-in to Microsoft: the answer holds no access token. {_OTHER_ADVICE}"))
        self._succeeded = True
        return Token(answer["access_token"], max(_SHORTEST_LIFETIME, float(answer.get("expires_in", 0))))

    def _later(self, error: ConfigError) -> IfsBiError:
        """The error as it is at the first sign-in, when nothing was sent yet; later it is none of the configuration."""
        return AuthError(str(error)) if self._succeeded else error


def _object(answer: requests.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except requests.exceptions.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _refusal(host: str, answer: requests.Response) -> ConfigError:
    body = _object(answer)
    match = _CODE.search(str(body.get("error_description", "")))
    code = match[0] if match else None
    reason = " ".join(str(part) for part in (code, body.get("error")) if part)
    return ConfigError(
        f"Sign-in to Microsoft: {host} answered {answer.status_code}{f' {reason}' if reason else ''}. "
        f"{_ADVICE.get(code or '', _OTHER_ADVICE)}"
    )
