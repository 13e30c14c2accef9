"""What the tests of the studio's server share: a server in a thread, and somebody who talks with it as a page does."""

import itertools
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
from websockets.sync.client import connect

from gradline.studio.answers import Studio
from gradline.studio.serving import Server, open_port

MODEL: dict[str, Any] = {
    "target": "body_mass_g",
    "terms": [{"factors": [{"column": "flipper_length_mm", "transform": "none"}]}],
}


def model(target: str = "body_mass_g", *terms: Any, **more: Any) -> dict[str, Any]:
    """A model's question. terms: columns, (column, transform), or lists of these for interactions."""

    def factor(one: Any) -> dict[str, Any]:
        column, transform = (one, "none") if isinstance(one, str) else one
        return {"column": column, "transform": transform}

    found = [{"factors": [factor(part) for part in (one if isinstance(one, list) else [one])]} for one in terms]
    return {"target": target, "terms": found, **more}


@contextmanager
def serving(studio: Studio) -> Iterator[Server]:
    server = Server(studio, open_port(0), b"x" * 32)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def enter(server: Server) -> str:
    """The address of a page, for a token."""
    answer = httpx.get(server.access.new_address(), follow_redirects=False)
    assert answer.status_code == 303
    return f"http://127.0.0.1:{server.port}{answer.headers['location']}"


class Talk:
    """A page's side of the socket."""

    def __init__(self, page: str, **more: Any) -> None:
        self.page = page
        origin = "/".join(page.split("/")[:3])
        self._leaving = ExitStack()
        address = page.replace("http", "ws", 1) + "socket"
        self.socket = self._leaving.enter_context(connect(address, origin=origin, max_size=None, **more))
        self.hello = json.loads(self.socket.recv(timeout=20))["hello"]
        self.progress: list[Any] = []
        self._ids = itertools.count(1)

    def send(self, ask: str, lane: str | None = None, **content: Any) -> int:
        number = next(self._ids)
        message = {"id": number, "ask": ask, "with": content}
        self.socket.send(json.dumps(message if lane is None else {**message, "lane": lane}))
        return number

    def receive(self, *numbers: int) -> dict[int, Any]:
        """The end of each of these questions."""
        found: dict[int, Any] = {}
        while set(found) < set(numbers):
            message = json.loads(self.socket.recv(timeout=60))
            if "progress" in message:
                self.progress.append(message)
            else:
                found[message["id"]] = message
        return found

    def ask(self, ask: str, **content: Any) -> Any:
        """The answer of a question that has one."""
        number = self.send(ask, **content)
        message = self.receive(number)[number]
        assert "answer" in message, message
        return message["answer"]

    def problem(self, ask: str, **content: Any) -> dict[str, str]:
        number = self.send(ask, **content)
        return self.receive(number)[number]["problem"]

    def close(self) -> None:
        self._leaving.close()

    def __enter__(self) -> "Talk":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


@contextmanager
def talking(studio: Studio) -> Iterator[Talk]:
    with serving(studio) as server, Talk(enter(server)) as talk:
        yield talk
