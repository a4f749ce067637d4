"""How Looker's own client reaches Looker: by our HTTP policies, and not by a transport and a session of its own.

The client (`looker-sdk`) gives requests their shape and reads the answers. What it lacks is replaced here: it neither signs in
again on a 401 nor waits on a 429 and knows no ``Retry-After``; its login changes the content type of the request that it is
made for; its errors carry no status and ask a server of its vendor for a text, without a timeout; and it reads a ``looker.ini``
that happens to lie in the working folder. Here signing in is `SignIn`, whose token a policy adds, and an answer that is no
success becomes an error of ours before the client sees it.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec
from ifs_bi_core.errors import AuthError
from ifs_bi_core.http.message import UNREADABLE, Request, Response
from ifs_bi_core.http.tokens import Token
from looker_sdk.rtl import api_settings, auth_session, transport

from target_looker_warehouse.looker.outcomes import refusal, sign_in_refusal

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from ifs_bi_core.http.message import Send
    from looker_sdk.rtl.api_settings import SettingsConfig
    from looker_sdk.rtl.transport import HttpMethod, TAuthenticator, TransportOptions

    from target_looker_warehouse.looker.settings import LookerSettings

API_VERSION = "4.0"
_JSON = {"Content-Type": "application/json"}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class ServerClock:
    """Looker's clock, as its answers show it.

    Attributes:
        seconds: what it said last, in seconds since the epoch; None before that.
    """

    def __init__(self) -> None:
        self.seconds: float | None = None

    def read_from(self, send: Send) -> Send:
        """The same sender; its answers tell the time."""

        def listened(request: Request) -> Response:
            response = send(request)
            self.seconds = _seconds(response) or self.seconds
            return response

        return listened


class SdkSettings(api_settings.ApiSettings):
    """What the client is told: the target's settings alone, no file and no environment variable.

    It signs nobody in, so it gets no secret.
    """

    def __init__(self, settings: LookerSettings) -> None:
        self._base_url = settings.base_url
        super().__init__(env_prefix=None)

    def read_config(self) -> SettingsConfig:
        """The address."""
        return {"base_url": self._base_url, "client_id": "", "client_secret": ""}


class SdkSession(auth_session.AuthSession):
    """The client's session without a sign-in: a policy adds the token."""

    def authenticate(self, transport_options: TransportOptions) -> dict[str, str]:
        """No header."""
        del transport_options
        return {}


class SignIn:
    """Asks for tokens; to be called by a `ifs_bi_core.http.tokens.TokenSource`, which keeps them.

    The credentials travel in the form: in the query, which is about to end, they would lie in logs.
    """

    def __init__(self, settings: LookerSettings, send: Send) -> None:
        form = {"client_id": settings.client_id, "client_secret": settings.client_secret}
        self._request = Request(
            "POST",
            f"{settings.base_url}/api/{API_VERSION}/login",
            headers=_FORM,
            body=urlencode(form).encode(),
            safe_twice=True,
            operation="Sign-in to Looker",
        )
        self._send = send

    def __call__(self) -> Token:
        """A token.

        Raises:
            AuthError: Looker does not know the key, or its secret is wrong; or something else answers.
            NotSentError: Looker can't be reached or can't work.
        """
        response = self._send(self._request)
        if not response.ok:
            raise sign_in_refusal(response.status)
        try:
            answer: Any = msgspec.json.decode(response.body)
            return Token(str(answer["access_token"]), float(answer["expires_in"]))
        except (*UNREADABLE, KeyError, TypeError, ValueError):
            raise AuthError(
                "Sign-in to Looker: what answers at looker.base_url is not Looker's API. Check looker.base_url, then run again."
            ) from None


class Wire(transport.Transport):
    """The transport that the client is given.

    Args:
        again: sends what does no harm twice, and tries again.
        once: sends what would, and does not.

    Attributes:
        operation: what the next request is for, in words.
        safe_twice: whether doing it twice does no harm.
    """

    def __init__(self, again: Send, once: Send) -> None:
        self.operation = ""
        self.safe_twice = True
        self._again = again
        self._once = once

    @classmethod
    def configure(cls, settings: transport.PTransportSettings) -> transport.Transport:
        """Not a way to make one."""
        raise NotImplementedError(f"{cls.__name__} is made with what sends for it, not from {type(settings).__name__}")

    def request(
        self,
        method: HttpMethod,
        path: str,
        query_params: MutableMapping[str, str] | None = None,
        body: bytes | None = None,
        authenticator: TAuthenticator = None,
        transport_options: TransportOptions | None = None,
    ) -> transport.Response:
        """Send a request of the client.

        Raises:
            IfsBiError: Looker refuses it, or there is no answer.
        """
        del authenticator, transport_options  # a token and the headers of a login: policies have both
        request = Request(
            method.name,
            f"{path}?{urlencode(query_params)}" if query_params else path,
            headers=_JSON if body else {},
            body=body,
            safe_twice=self.safe_twice,
            operation=self.operation,
        )
        response = (self._again if self.safe_twice else self._once)(request)
        if not response.ok:
            raise refusal(request, response)
        return transport.Response(True, response.body, transport.ResponseMode.STRING)  # noqa: FBT003 - as the client has it


def _seconds(response: Response) -> float | None:
    """The ``Date`` of an answer; None where it has none that can be read."""
    try:
        return parsedate_to_datetime(response.headers.get("Date", "")).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
