"""The server's face: the page, its socket, and files to be taken away, behind one door."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from gradline.studio.access import Access
from gradline.studio.answers import Studio
from gradline.studio.messages import Problem, read
from gradline.studio.page_file import HEADERS, file_policy, page, page_policy
from gradline.studio.work import Desk, Page

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.responses import Response
    from starlette.websockets import WebSocket

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Sending = Callable[[MutableMapping[str, Any]], Awaitable[None]]

LONGEST_MESSAGE = 2**23
"""Bytes of a question: points of a page, at most."""

FORBIDDEN = (
    "This address is not good, or no longer: each one that gradline studio prints is good for one visit. Start the studio again, and open"
    " the address that it prints."
)


class Door:
    """Refuses, before anything else is looked at, whatever does not come from this machine's own pages: 403."""

    def __init__(self, app: Any, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Sending) -> None:
        if scope["type"] not in ("http", "websocket") or self._may_enter(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})  # before it was accepted: 403
        else:
            body = FORBIDDEN.encode()
            headers = {**HEADERS, "Content-Security-Policy": file_policy(), "Content-Type": "text/plain; charset=utf-8"}
            raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
            await send({"type": "http.response.start", "status": 403, "headers": raw})
            await send({"type": "http.response.body", "body": body if scope["method"] != "HEAD" else b""})

    def _may_enter(self, scope: Scope) -> bool:
        given = [(name, value.decode("latin-1")) for name, value in scope["headers"]]
        hosts = [value for name, value in given if name == b"host"]
        origins = [value for name, value in given if name == b"origin"]
        if len(hosts) != 1 or not self._access.is_here(hosts[0]):
            return False
        # Browsers name the origin of every socket: one without is no page's.
        if len(origins) > 1 or not all(map(self._access.is_own, origins)) or (scope["type"] == "websocket" and not origins):
            return False
        path: str = scope["path"]
        if path == "/":
            return True  # where tokens are exchanged
        _, _, rest = path.partition("/s/")
        return path.startswith("/s/") and self._access.knows(rest.partition("/")[0])


def make_app(studio: Studio, access: Access, *, framed: bool = False) -> Any:
    """The application. framed: whether a notebook may show the page in a frame."""
    from fastapi import FastAPI
    from starlette.responses import PlainTextResponse, RedirectResponse
    from starlette.responses import Response as Plain
    from starlette.routing import Route, WebSocketRoute

    desk = Desk(studio.answer)

    def answer(response: Response, policy: str) -> Response:
        response.headers.update({**HEADERS, "Content-Security-Policy": policy})
        return response

    async def enter(request: Any) -> Response:
        place = access.exchange(request.url.query.encode())
        if place is None:
            return answer(PlainTextResponse(FORBIDDEN, 403), file_policy())
        return answer(RedirectResponse(place, 303), file_policy())

    async def show(request: Any) -> Response:
        return answer(Plain(page(), media_type="text/html; charset=utf-8"), page_policy(framed))

    async def take(request: Any) -> Response:
        found = studio.file(request.path_params["file"])
        if found is None:
            return answer(PlainTextResponse("There is no such file any more: ask for it again.", 404), file_policy())
        headers = {"Content-Disposition": f'attachment; filename="{found.name}"'}
        return answer(Plain(found.content, media_type=found.kind, headers=headers), file_policy())

    async def speak(socket: WebSocket) -> None:
        await socket.accept()
        await _speak(socket, studio, desk)

    @asynccontextmanager
    async def lasting(app: FastAPI) -> AsyncIterator[None]:
        yield
        desk.close()

    routes = [
        Route("/", enter),
        Route("/s/{key}/", show),
        Route("/s/{key}/files/{file}/{name}", take),
        WebSocketRoute("/s/{key}/socket", speak),
    ]
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, routes=routes, lifespan=lasting)
    return Door(app, access)


async def _speak(socket: WebSocket, studio: Studio, desk: Desk) -> None:
    """One page, from its greeting until it leaves."""
    from starlette.websockets import WebSocketDisconnect

    loop = asyncio.get_running_loop()
    outgoing: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()

    def send(message: Mapping[str, Any]) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(outgoing.put_nowait, message)

    async def deliver() -> None:
        while True:
            message = await outgoing.get()
            await socket.send_text(json.dumps(message, allow_nan=False, separators=(",", ":")))

    own = Page(desk, send)
    outgoing.put_nowait({"hello": await asyncio.to_thread(studio.hello)})
    delivering = asyncio.create_task(deliver())
    try:
        while True:
            text = await socket.receive_text()
            _receive(text, own, send)
    except (WebSocketDisconnect, KeyError):
        pass  # gone, or no text
    finally:
        own.leave()
        delivering.cancel()


def _receive(text: str, own: Page, send: Callable[[Mapping[str, Any]], None]) -> None:
    number: Any = None
    try:
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            raise Problem("", "a message is a JSON object") from None
        number = message.get("id") if isinstance(message, dict) else None
        found = read(message)
    except Problem as problem:
        send({"id": number if isinstance(number, int) else 0, "problem": {"path": problem.path, "message": problem.message}})
        return
    if isinstance(found, int):
        own.cancel(found)
    else:
        own.ask(found)
