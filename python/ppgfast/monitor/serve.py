"""A page for a browser, and a WebSocket that tells it what comes: on this computer, or with a token."""

from __future__ import annotations

import asyncio
import errno
import hmac
import ipaddress
import json
import secrets
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerRequest
from tornado.web import Application, HTTPError, RequestHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from .live import Live
from .page import parts
from .source import Packet

KEPT = {"wave": 600.0, "results": 12 * 3600.0}  # s that a page which is opened later still gets
SILENT = 2.0  # s without a sample, after which the page says so
LOOK = 0.5  # s between looks for silence
GOODBYE = 1.0  # s in which browsers may answer that they have heard of the end
BEHIND = 200  # messages that a browser may be behind before it is let go: it connects again and gets all
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def is_local(host: str) -> bool:
    """Whether only this computer reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


class Gate:
    """Who may look. Without a token: pages that were asked for under a name of this very computer, so that
    no other web page comes in under a name of its own. With one: who knows it, once, then by a cookie."""

    def __init__(self, host: str, port: int) -> None:
        self.token = None if is_local(host) else secrets.token_urlsafe(24)
        self.cookie = f"ppgfast_{port}"
        self.names = {f"{name}:{port}" for name in (host, "localhost", "127.0.0.1", "[::1]")}
        everywhere = host in ("0.0.0.0", "::")
        shown = socket.gethostname() if everywhere else f"[{host}]" if ":" in host else host
        self.address = f"http://{shown}:{port}/" + (f"?token={self.token}" if self.token else "")

    def knows(self, given: str | None) -> bool:
        """Whether that is the token; takes as long for any other."""
        return self.token is not None and hmac.compare_digest((given or "").encode(), self.token.encode())

    def check(self, request: HTTPServerRequest) -> None:
        """HTTPError 403 unless the request is one that may be answered."""
        origin = request.headers.get("Origin")
        if origin is not None and origin != f"{request.protocol}://{request.host}":
            raise HTTPError(403, reason="Asked by another page")
        if self.token is None:
            if request.host not in self.names:
                raise HTTPError(403, reason="Asked under another name")
            return
        morsel = request.cookies.get(self.cookie)
        if not self.knows(morsel.value if morsel else None) and not self.knows(_given(request)):
            raise HTTPError(403, reason="Open the address with the token that ppgfast printed")


def _given(request: HTTPServerRequest) -> str | None:
    values = request.query_arguments.get("token", [])
    return values[0].decode("utf-8", "replace") if len(values) == 1 else None


class Hub:
    """What has been said so far, and who hears what comes."""

    def __init__(self) -> None:
        self.listeners: set[Socket] = set()
        self.status: dict[str, Any] = {"status": "waiting", "text": "waiting for the first sample"}
        self.heard: float | None = None  # time.monotonic() of the newest samples
        self._about: list[str] = []
        self._said: dict[str, deque[tuple[float, str]]] = {name: deque() for name in KEPT}

    def tell_about(self, about: dict[str, Any]) -> None:
        self._about = [json.dumps({"about": {**about, "keep": KEPT}})]
        self._send(self._about)

    def publish(self, message: dict[str, Any]) -> None:
        """Samples and what was found in them, as `Live.push` returns it."""
        self.heard = time.monotonic()
        if "begin" in message:
            for said in self._said.values():
                said.clear()
            self._about = [*self._about[:1], json.dumps({"begin": message["begin"]})]
            self._send(self._about[1:])
        fresh = []
        for kind, names in (("wave", ("wave", "beats")), ("results", ("results", "af", "motion"))):
            part = {name: message[name] for name in names if name in message}
            if part:
                fresh.append(json.dumps(part, separators=(",", ":")))
                said = self._said[kind]
                said.append((message["now"], fresh[-1]))
                while said[0][0] < message["now"] - KEPT[kind]:
                    said.popleft()
        self._send(fresh)
        self.tell("live", "live")

    def tell(self, status: str, text: str) -> None:
        if (status, text) != (self.status["status"], self.status["text"]):
            self.status = {"status": status, "text": text}
            self._send([json.dumps(self.status)])

    def look(self) -> None:
        """Says so if nothing has come for a while."""
        if self.heard is None or self.status["status"] == "ended":
            return
        silence = time.monotonic() - self.heard
        if silence > SILENT:
            self.tell("silent", f"no sample for {silence:.0f} s")

    def join(self, listener: Socket) -> None:
        said = [*self._about, *(text for kind in self._said.values() for _, text in kind)]
        listener.tell([*said, json.dumps(self.status)])
        self.listeners.add(listener)

    def _send(self, texts: list[str]) -> None:
        for listener in list(self.listeners) if texts else ():
            listener.tell(texts)


class _Part(RequestHandler):
    """One of the files that the page is made of."""

    def initialize(self, gate: Gate, files: dict[str, tuple[str, bytes]]) -> None:
        self.gate, self.files = gate, files

    def set_default_headers(self) -> None:
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("Cache-Control", "no-cache")

    def prepare(self) -> None:
        self.gate.check(self.request)

    def get(self) -> None:
        given = _given(self.request)
        if self.gate.knows(given):
            self.set_cookie(self.gate.cookie, given or "", httponly=True, samesite="Lax")
            self.redirect("/")
            return
        kind, content = self.files[self.request.path]
        self.set_header("Content-Type", kind)
        self.write(content)

    def write_error(self, status_code: int, **_: Any) -> None:
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{status_code}: {self._reason}\n")


class Socket(WebSocketHandler):
    """One browser that listens. What it says is not listened to."""

    def initialize(self, gate: Gate, hub: Hub) -> None:
        self.gate, self.hub = gate, hub
        self.waiting = 0

    def prepare(self) -> None:
        self.gate.check(self.request)

    def check_origin(self, origin: str) -> bool:
        return True  # `prepare` has compared it

    def open(self, *_: str, **__: str) -> None:
        self.hub.join(self)

    def on_message(self, message: str | bytes) -> None:
        pass

    def on_close(self) -> None:
        self.hub.listeners.discard(self)

    def tell(self, texts: list[str]) -> None:
        if self.waiting > BEHIND:
            self.close(1013, "too slow")
            return
        try:
            sent = self.write_message(f"[{','.join(texts)}]")
        except WebSocketClosedError:
            self.hub.listeners.discard(self)
            return
        self.waiting += 1
        asyncio.ensure_future(sent).add_done_callback(self._told)

    def _told(self, sent: asyncio.Future[None]) -> None:
        self.waiting -= 1
        sent.exception()  # a browser that left is no error


async def serve(
    begin: Callable[[], tuple[Live, Iterable[Packet]]],
    *,
    host: str,
    port: int,
    ready: Callable[[str], None],
) -> None:
    """Serve until cancelled.

    `begin` runs in a thread of its own, where it may wait for a sensor, and returns what turns packets into
    messages, and the packets. What it or they raise is raised here. `ready` gets the address to open.
    ValueError if the port is taken.
    """
    try:
        listening = socket.create_server((host, port), family=_family(host))
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        why = "in use, maybe by another monitor" if taken else str(error)
        raise ValueError(
            f"port {port} of {host} cannot be opened: it is {why}: choose another --port"
        ) from None
    listening.setblocking(False)
    gate, hub = Gate(host, listening.getsockname()[1]), Hub()
    files = parts()
    routes: list[Any] = [(path, _Part, {"gate": gate, "files": files}) for path in files]
    server = HTTPServer(
        Application([*routes, ("/live", Socket, {"gate": gate, "hub": hub})], log_function=lambda _: None)
    )
    server.add_socket(listening)
    loop = asyncio.get_running_loop()
    failed: asyncio.Future[None] = loop.create_future()
    reader = _Reader(begin, hub, loop, failed)
    reader.start()
    ready(gate.address)
    try:
        while not failed.done():
            hub.look()
            await asyncio.wait([failed], timeout=LOOK)
        failed.result()
    finally:
        reader.stopped.set()
        server.stop()
        for listener in list(hub.listeners):
            listener.close(1001, "stopped")
        patience = loop.time() + GOODBYE
        while (hub.listeners or reader.computing) and loop.time() < patience:
            await asyncio.sleep(0.01)
        await server.close_all_connections()


class _Reader(threading.Thread):
    """The samples' thread: waits for them, computes, hands over. It may be stuck in a read at the end."""

    def __init__(
        self,
        begin: Callable[[], tuple[Live, Iterable[Packet]]],
        hub: Hub,
        loop: asyncio.AbstractEventLoop,
        failed: asyncio.Future[None],
    ) -> None:
        super().__init__(daemon=True)
        self.begin, self.hub, self.loop, self.failed = begin, hub, loop, failed
        self.stopped = threading.Event()
        self.computing = False  # in the core, which the end of the process must not tear a thread out of

    def run(self) -> None:
        try:
            live, packets = self.begin()
            self._do(self.hub.tell_about, live.about)
            for packet in packets:
                self.computing = True
                if self.stopped.is_set():
                    return
                message = live.push(packet)
                self.computing = False
                self._do(self.hub.publish, message)
            self._do(self.hub.tell, "ended", "ended")
        except Exception as error:  # whatever it is, it ends the serving
            if not self.stopped.is_set():
                self._do(self.failed.set_exception, error)
        finally:
            self.computing = False

    def _do(self, what: Callable[..., None], *values: Any) -> None:
        """In the server's thread, and not before it has done what came before."""
        done: Future[None] = Future()

        def act() -> None:
            try:
                what(*values)
                done.set_result(None)
            except Exception as error:
                done.set_exception(error)

        self.loop.call_soon_threadsafe(act)
        while not wait([done], timeout=LOOK).done:
            if self.stopped.is_set():
                raise InterruptedError
        done.result()
