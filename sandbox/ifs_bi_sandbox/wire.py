"""The wire between a client and a stand-in: it applies scripted faults and keeps the request log.

``Wire`` is ASGI middleware. Breaking a connection is not in ASGI, so ``BreakableProtocol`` hands uvicorn's transport to the
application in ``scope["extensions"]``: with it a socket can be reset (SO_LINGER of 0 seconds makes the kernel send
RST instead of FIN) or closed halfway.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from uvicorn.protocols.http.h11_impl import H11Protocol

from ifs_bi_sandbox.faults import take

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Mapping

    from ifs_bi_sandbox.faults import Fault
    from ifs_bi_sandbox.world import World

    Message = dict[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Any, Any, Any], Awaitable[None]]  # Starlette's and uvicorn's own types differ in their details

TRANSPORT = "ifs_bi_sandbox.transport"
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger: on, 0 seconds
SECRETS = ("client_secret", "access_token", "token")  # never logged, should a client put them into an address


class BreakableProtocol(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, with the connection's transport within the application's reach."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as its parent has it
        """Wrap the application for this one connection."""
        super().connection_made(transport)
        app: App = self.app

        async def with_transport(scope: Any, receive: Any, send: Any) -> None:
            scope["extensions"] = {TRANSPORT: transport}
            await app(scope, receive, send)

        self.app = with_transport


@dataclass
class Answer:
    """What an application sent, kept back."""

    status: int = 500
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)

    async def keep(self, message: Message) -> None:
        """Take one ASGI message in place of the client."""
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message.get("headers", ()))
        else:
            self.body += message.get("body", b"")

    async def send(self, send: Send) -> None:
        """Send it whole."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": bytes(self.body)})

    async def send_half(self, send: Send) -> None:
        """Send half of it under the Content-Length of the whole; of an empty body, that of two bytes."""
        promised = str(max(len(self.body), 2)).encode()
        framing = {b"content-length", b"transfer-encoding"}
        headers = [(name, value) for name, value in self.headers if name.lower() not in framing]
        headers.append((b"content-length", promised))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        half = bytes(self.body[: len(self.body) // 2])
        await send({"type": "http.response.body", "body": half, "more_body": True})


class Wire:
    """Middleware of one server.

    ``service`` names the server in faults and in the log; ``parts`` gives paths that start so another name. ``revoke`` ends
    every token that the server accepts.
    """

    def __init__(
        self,
        app: App,
        world: World,
        service: str,
        *,
        parts: Mapping[str, str] | None = None,
        revoke: Callable[[], None] = lambda: None,
    ) -> None:
        self.app = app
        self.world = world
        self.service = service
        self.parts = parts or {}
        self.revoke = revoke

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve one request, with the fault that is scripted for it, and log it."""
        body = await _read(receive)
        if body is None:
            return  # the client left before it had said everything
        method, path = scope["method"], scope["path"]
        service = next((name for start, name in self.parts.items() if path.startswith(start)), self.service)
        fault = take(self.world, service, method, path)
        entry = {
            "service": service,
            "method": method,
            "path": path,
            "query": _query(scope["query_string"]),
            "status": None,
            "request_bytes": len(body),
            "response_bytes": 0,
            "time": self.world.now(),
            "fault": fault.kind if fault else None,
            "authorization": any(name == b"authorization" for name, _ in scope["headers"]),
        }

        begun: list[Message] = []

        async def logged(message: Message) -> None:
            """Send a message; log the request before its last one, so that no client is faster than the log.

            The head goes out with the body: before an empty body it would be the whole answer to a client.
            """
            if message["type"] == "http.response.start":
                entry["status"] = message["status"]
                begun.append(message)
                return
            entry["response_bytes"] += len(message.get("body", b""))
            if not message.get("more_body", False):
                self.world.requests.append(entry)
            while begun:
                await send(begun.pop())
            await send(message)

        again = _repeat(body, receive)
        if fault is None:
            await self.app(scope, again, logged)
        else:
            broken = await self._strike(fault, scope, again, logged)
            if broken:
                self.world.requests.append(entry)
                await _break(scope["extensions"][TRANSPORT], receive, reset=fault.kind != "truncate")

    async def _strike(self, fault: Fault, scope: Any, receive: Receive, send: Send) -> bool:
        """Let a fault happen; True when the connection is to be broken now."""
        answer = Answer()
        if fault.loses_answer:
            await self.app(scope, receive, answer.keep)
        match fault.kind:
            case "status":
                status, headers, body = fault.answer()
                headers["Content-Length"] = str(len(body))
                encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
                await Answer(status, encoded, bytearray(body)).send(send)
            case "reset":
                return True
            case "reset_mid_body" | "truncate":
                await answer.send_half(send)
                return True
            case "slow" | "revoke_tokens":
                if fault.kind == "slow":
                    await self.world.waiting(fault.seconds)
                else:
                    self.revoke()
                if fault.loses_answer:
                    await answer.send(send)
                else:
                    await self.app(scope, receive, send)
        return False


async def _read(receive: Receive) -> bytes | None:
    """The whole body of a request; None when the client went away."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


def _repeat(body: bytes, receive: Receive) -> Receive:
    """A ``receive`` that tells the body once more and then whatever comes."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


def _query(text: bytes) -> dict[str, str]:
    """The query's options, decoded."""
    options = parse_qsl(text.decode("latin-1"), keep_blank_values=True)
    return {name: "(secret)" if name in SECRETS else value for name, value in options}


async def _break(transport: asyncio.Transport, receive: Receive, *, reset: bool) -> None:
    """Reset the connection (RST), or close it (FIN) after what was written; returns when it is gone."""
    if reset:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        transport.abort()
    else:
        transport.close()
    while (await receive())["type"] != "http.disconnect":
        pass
