"""Sign-in of a service principal or of a managed identity, by Microsoft's own library.

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

from target_powerbi.certificate import credential_of

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
    "AADSTS700024": "The certificate's assertion is not valid now: check this machine's clock.",
    "AADSTS700027": "The app does not know this certificate: upload it (Certificates & secrets), or check the path.",
    "AADSTS7000112": "The application is disabled: an administrator enables its enterprise application.",
    "AADSTS500011": "The tenant has no such service: check token_scope (it differs in the national clouds).",
    "AADSTS1002012": "The scope can't be asked for: token_scope has to end with /.default.",
    "AADSTS70011": "The scope can't be asked for: check token_scope.",
}
_OTHER_ADVICE = "Check tenant_id, client_id, its secret or certificate, authority_host and token_scope."
_DEFAULT_SCOPE = "/.default"
_NO_IDENTITY = (
    "Managed identity: switch it on for this machine, give it the workspace, and check managed_identity (true, or the "
    "client id of an identity that is assigned to this machine)."
)


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


class MetadataSession(requests.Session):
    """The http client of a managed identity: Azure's service on the machine itself, whose failures become our errors.

    A whole session, which MSAL asks for on Service Fabric. No proxy: the service is not behind one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **options: Any) -> requests.Response:
        """Ask the service."""
        host = urlsplit(str(url)).netloc
        options.setdefault("timeout", _TIMEOUT)
        try:
            answer = super().request(method, url, *args, **options)
        except requests.exceptions.RequestException:
            raise NotSentError(
                f"Managed identity: no service for it answers at {host}. It is there on Azure's own machines alone; elsewhere "
                f"set client_secret or client_certificate_path instead."
            ) from None
        if answer.status_code == _TOO_MANY or answer.status_code >= _SERVER_ERROR:
            said = " ".join(str(part) for part in (answer.status_code, _object(answer).get("message")) if part)
            raise NotSentError(
                f"Managed identity: {host} answered {REDACTOR.redact(said)}. Run again when it is well. {_NO_IDENTITY}"
            )
        return answer


class SignIn:
    """Asks for tokens; to be called by a `ifs_bi_core.http.tokens.TokenSource`, which keeps them.

    A new MSAL application each time: its own cache would give back the very token that Power BI has just refused, and it
    repeats a refusal of the sign-in service for a minute without asking.

    Args:
        settings: who signs in, and where.
        session: holds the connections.

    Raises:
        ConfigError: the certificate can't be read.
    """

    def __init__(self, settings: Settings, session: requests.Session | None = None) -> None:
        host = settings.authority_host
        self._settings = settings
        self._http = Loopback(session or requests.Session(), host if host.startswith("http://") else None)
        self._credential: str | dict[str, str] | None = settings.client_secret
        if settings.client_certificate_path:
            self._credential = credential_of(settings.client_certificate_path, settings.client_certificate_password)
        self._succeeded = False

    def __call__(self) -> Token:
        """A new token.

        Raises:
            ConfigError: tenant, client, secret, certificate, identity or scope is wrong.
            AuthError: the service gave a token in this run already, and now gives none.
            NotSentError: the service can't be reached, or can't work.
        """
        advice = _NO_IDENTITY if self._settings.managed_identity else _OTHER_ADVICE
        try:
            answer = self._of_identity() if self._settings.managed_identity else self._of_principal()
        except ConfigError as error:
            raise self._later(error) from None
        except (ValueError, KeyError) as error:  # MSAL's words for an address or an answer that it can't use
            said = f"the answer holds no {error}" if isinstance(error, KeyError) else str(error)
            raise self._later(ConfigError(f"Sign-in to Microsoft: {REDACTOR.redact(said)}. {advice}")) from None
        if not isinstance(answer, dict) or not isinstance(answer.get("access_token"), str):
            said = _refused_text(answer) or "the answer holds no access token"
            raise self._later(ConfigError(f"Sign-in to Microsoft: {said}. {advice}"))
        self._succeeded = True
        return Token(answer["access_token"], max(_SHORTEST_LIFETIME, float(answer.get("expires_in", 0))))

    def _of_principal(self) -> Any:
        settings = self._settings
        application = msal.ConfidentialClientApplication(
            settings.client_id,
            client_credential=self._credential,
            authority=f"{settings.authority_host.replace('http://', 'https://', 1)}/{settings.tenant_id}",
            http_client=self._http,
            instance_discovery=False,  # the host was configured; MSAL would ask the public cloud about it
        )
        return application.acquire_token_for_client([settings.token_scope])

    def _of_identity(self) -> Any:
        named = self._settings.managed_identity
        identity = (
            msal.UserAssignedManagedIdentity(client_id=named)
            if isinstance(named, str)
            else msal.SystemAssignedManagedIdentity()
        )
        client = msal.ManagedIdentityClient(identity, http_client=MetadataSession())
        return client.acquire_token_for_client(resource=self._settings.token_scope.removesuffix(_DEFAULT_SCOPE))

    def _later(self, error: ConfigError) -> IfsBiError:
        """The error as it is at the first sign-in, when nothing was sent yet; later it is none of the configuration."""
        return AuthError(str(error)) if self._succeeded else error


def _object(answer: requests.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except requests.exceptions.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _refused_text(answer: Any) -> str:
    """What MSAL says where it has no token, in words; empty where it says nothing."""
    if not isinstance(answer, dict):
        return ""
    parts = (answer.get(name) for name in ("error", "error_description"))
    return REDACTOR.redact(": ".join(str(part) for part in parts if part))


def _refusal(host: str, answer: requests.Response) -> ConfigError:
    body = _object(answer)
    match = _CODE.search(str(body.get("error_description", "")))
    code = match[0] if match else None
    reason = " ".join(str(part) for part in (code, body.get("error")) if part)
    return ConfigError(
        f"Sign-in to Microsoft: {host} answered {answer.status_code}{f' {reason}' if reason else ''}. "
        f"{_ADVICE.get(code or '', _OTHER_ADVICE)}"
    )
