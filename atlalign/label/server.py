"""The server of the page: on this computer only, and for who knows the token only."""

from __future__ import annotations

import hmac
import secrets
import webbrowser
from collections.abc import Callable
from typing import Any

try:
    from bokeh.application import Application
    from bokeh.application.handlers.function import FunctionHandler
    from bokeh.document import Document
    from bokeh.server.server import BaseServer
    from bokeh.server.tornado import BokehTornado
    from bokeh.server.util import bind_sockets
    from tornado.httpserver import HTTPServer
    from tornado.httputil import HTTPHeaders, HTTPServerRequest
    from tornado.ioloop import IOLoop
    from tornado.web import ErrorHandler, OutputTransform
except ImportError:
    from atlalign.errors import MissingExtraError

    raise MissingExtraError("The pages of atlalign label", "label") from None

HOST = "127.0.0.1"
_NAMES = (HOST, "localhost")
_TOKEN_BYTES = 24
_LARGEST_MESSAGE = 2**24  # bytes: clicks, and not pictures, come from the page


class LabelServer:
    """Serves one page on a port of 127.0.0.1.

    Every address begins with a random token. A request without it, for another host than this one, or from a page of
    another origin gets the answer 403 and nothing else; the websocket, over which all that matters goes, as well.

    Parameters
    ----------
    make_page : callable
        Fills a new `bokeh.document.Document`; called once for each tab.
    port : int
        0 takes a free one.

    Attributes
    ----------
    port : int
    token : str
    url : str
        What a browser must open.

    Raises
    ------
    OSError
        If the port is taken.
    """

    def __init__(self, make_page: Callable[[Document], Any], port: int = 0):
        sockets, self.port = bind_sockets(HOST, port)
        self.token = secrets.token_urlsafe(_TOKEN_BYTES)
        self.url = f"http://{HOST}:{self.port}/{self.token}/"
        tornado = _Guarded(
            {"/": Application(FunctionHandler(make_page))},
            token=self.token,
            hosts=[f"{name}:{self.port}" for name in _NAMES],
            prefix=f"/{self.token}",
            extra_websocket_origins=[f"{name}:{self.port}" for name in _NAMES],
            websocket_max_message_size_bytes=_LARGEST_MESSAGE,
            redirect_root=False,
        )
        http = HTTPServer(tornado)
        http.add_sockets(sockets)
        self._loop = IOLoop.current()
        self._server = BaseServer(self._loop, tornado, http)
        self._server.start()

    def run(self, *, browser: bool = True) -> None:
        """Serve until Ctrl-C.

        Parameters
        ----------
        browser : bool
            Whether to open the page in the browser.
        """
        if browser:
            self._loop.add_callback(webbrowser.open, self.url)
        try:
            self._loop.start()
        finally:
            self._server.unlisten()
            self._server.stop()

    def stop(self) -> None:
        """Make `run` return; may be called from another thread."""
        self._loop.add_callback(self._loop.stop)


class _Headers(OutputTransform):
    """What every answer says: keep nothing, tell nobody, stand in no other page."""

    def __init__(self, request: HTTPServerRequest):
        pass

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        headers["Referrer-Policy"] = "no-referrer"
        headers["X-Frame-Options"] = "DENY"
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        headers.pop("Server", None)
        return status_code, headers, chunk


class _Guarded(BokehTornado):
    """Looks at every request before anything else does."""

    def __init__(self, applications: Any, *, token: str, hosts: list[str], **options: Any):
        self._token, self._hosts = token, hosts
        super().__init__(applications, **options)
        self.add_transform(_Headers)

    def find_handler(self, request: HTTPServerRequest, **options: Any) -> Any:
        if not self._is_allowed(request):
            return self.get_handler_delegate(request, ErrorHandler, {"status_code": 403})
        return super().find_handler(request, **options)

    def _is_allowed(self, request: HTTPServerRequest) -> bool:
        given = request.path.split("/")[1] if "/" in request.path else ""
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            return False
        origin = request.headers.get("Origin")
        allowed = [f"http://{host}" for host in self._hosts]
        return request.host in self._hosts and (origin is None or origin in allowed)
