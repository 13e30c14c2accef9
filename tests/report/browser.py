"""Chromium without a window, driven over its own debugging protocol: opens a page and says what it did and how it looks."""

import asyncio
import base64
import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--remote-debugging-port=0",
)


def find_browser():
    """The path of a Chromium, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@dataclass
class Seen:
    """What a page did at one width. widths: of the window, and of everything on the page; messages: what it wrote to the console or was
    refused; requests: addresses it asked for, without the page itself and data URIs; broken: pictures that did not appear; answer: of the
    script that was run; screenshot: PNG of the whole page."""

    width: int
    window: int = 0
    content: int = 0
    messages: list = field(default_factory=list)
    requests: list = field(default_factory=list)
    broken: list = field(default_factory=list)
    answer: object = None
    screenshot: bytes = b""


def look(path, width, *, script="null", dark=False):
    """Open a file in a window so many pixels wide."""
    return asyncio.run(_with_browser(lambda tab: _look(tab, Path(path), width, script, dark)))


def print_to_pdf(path):
    """The page as it comes out of a printer, A4."""
    return asyncio.run(_with_browser(lambda tab: _print(tab, Path(path))))


async def _look(tab, path, width, script, dark):
    seen = Seen(width)
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    await tab.call("Emulation.setEmulatedMedia", features=scheme)
    await tab.call("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 600)
    await tab.open(path)
    probe = """JSON.stringify({
        window: document.documentElement.clientWidth, content: document.documentElement.scrollWidth,
        broken: [...document.images].filter(one => !one.complete || !one.naturalWidth).map(one => one.alt),
        answer: (%s)})"""
    found = json.loads((await tab.call("Runtime.evaluate", expression=probe % script))["result"]["value"])
    seen.window, seen.content, seen.broken, seen.answer = (found[key] for key in ("window", "content", "broken", "answer"))
    picture = await tab.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
    seen.screenshot = base64.b64decode(picture["data"])
    for event in tab.events:
        method, detail = event["method"], event["params"]
        if method == "Network.requestWillBeSent":
            address = detail["request"]["url"]
            if not address.startswith("data:") and address != path.as_uri():
                seen.requests.append(address)
        elif method in ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
            seen.messages.append(json.dumps(detail.get("entry", detail))[:500])
    return seen


async def _print(tab, path):
    await tab.open(path)
    printed = await tab.call("Page.printToPDF", paperWidth=8.27, paperHeight=11.69, preferCSSPageSize=True)
    return base64.b64decode(printed["data"])


async def _with_browser(work):
    browser = find_browser()
    assert browser is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [browser, *QUIET, f"--user-data-dir={profile}", "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            async with asyncio.timeout(60):
                tab = await _Tab.of(Path(profile), process)
                return await work(tab)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class _Tab:
    """The browser's first tab, and everything it reports."""

    def __init__(self, socket):
        self.socket, self.events, self.last = socket, [], 0

    @classmethod
    async def of(cls, profile, process):
        from tornado.httpclient import AsyncHTTPClient
        from tornado.websocket import websocket_connect

        port = profile / "DevToolsActivePort"
        while not (port.exists() and "\n" in port.read_text()):
            assert process.poll() is None, "the browser ended before it began"
            await asyncio.sleep(0.05)
        address = f"http://127.0.0.1:{port.read_text().split()[0]}/json"
        while True:
            tabs = json.loads((await AsyncHTTPClient().fetch(address)).body)
            pages = [tab for tab in tabs if tab["type"] == "page"]
            if pages:
                break
            await asyncio.sleep(0.05)
        tab = cls(await websocket_connect(pages[0]["webSocketDebuggerUrl"], max_message_size=2**28))
        for domain in ("Page", "Network", "Log", "Runtime"):
            await tab.call(f"{domain}.enable")
        return tab

    async def call(self, method, **parameters):
        """The result of a command; events on the way are kept."""
        self.last += 1
        await self.socket.write_message(json.dumps({"id": self.last, "method": method, "params": parameters}))
        while True:
            message = await self._next()
            if message.get("id") == self.last:
                assert "error" not in message, (method, message)
                return message["result"]

    async def open(self, path):
        """Go to a file, and wait until it and its pictures are there."""
        self.events.clear()
        await self.call("Page.navigate", url=path.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            await self._next()

    async def _next(self):
        text = await self.socket.read_message()
        assert text is not None, "the browser closed the connection"
        message = json.loads(text)
        if "method" in message:
            self.events.append(message)
        return message
