"""Who gets an answer from the server: who knows the token, from this computer, from the page itself."""

import asyncio
import socket
import threading
import urllib.error
import urllib.request

import pytest
from bokeh.models import Div
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from atlalign.label.server import LabelServer

SECRET = "Only who knows the token reads this."


@pytest.fixture(scope="module")
def server():
    started = threading.Event()
    box = []

    def serve():
        asyncio.set_event_loop(asyncio.new_event_loop())
        box.append(LabelServer(lambda document: document.add_root(Div(text=SECRET))))
        started.set()
        box[0].run(browser=False)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    started.wait(30)
    yield box[0]
    box[0].stop()
    thread.join(30)


def answer(url, **headers):
    """Return status, headers and text of an answer."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as response:
            return response.status, response.headers, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def websocket(server, token, **headers):
    """Return the status with which the server refuses a websocket, or 101."""

    async def connect():
        url = f"ws://127.0.0.1:{server.port}/{token}/ws"
        try:
            connection = await websocket_connect(HTTPRequest(url, headers=headers), subprotocols=["bokeh", "x.y"])
        except HTTPClientError as error:
            return error.code
        connection.close()
        return 101

    return asyncio.run(connect())


def test_who_has_the_address_gets_the_page(server):
    status, headers, text = answer(server.url)
    assert status == 200
    assert "bokeh" in text
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Frame-Options"] == "DENY"
    assert "Server" not in headers


def test_the_page_brings_its_own_scripts(server):
    _, _, text = answer(server.url)
    assert "cdn." not in text
    assert answer(server.url + "static/js/bokeh.min.js")[0] == 200


@pytest.mark.parametrize("path", ["", "ws", "static/js/bokeh.min.js", "autoload.js", "metadata", "favicon.ico"])
@pytest.mark.parametrize("how", ["none", "wrong", "shorter", "longer"])
def test_without_the_token_there_is_nothing(server, path, how):
    token = {"none": "", "wrong": "x" * 32 + "/", "shorter": server.token[:-1] + "/", "longer": server.token + "x/"}
    status, _, text = answer(f"http://127.0.0.1:{server.port}/{token[how]}{path}")
    assert status == 403
    assert SECRET not in text
    assert server.token not in text


@pytest.mark.parametrize("path", ["static/../../../../etc/passwd", "static/%2e%2e/%2e%2e/etc/passwd", "../etc/passwd"])
def test_a_path_outside_gets_nothing(server, path):
    with socket.create_connection(("127.0.0.1", server.port), 20) as connection:
        request = f"GET /{server.token}/{path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode())
        text = b"".join(iter(lambda: connection.recv(4096), b""))
    assert int(text.split()[1]) in (403, 404)
    assert b"root:" not in text


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:1", "https://127.0.0.1:{port}", "null"])
def test_another_origin_gets_nothing(server, origin):
    origin = origin.format(port=server.port)
    assert answer(server.url, Origin=origin)[0] == 403
    assert websocket(server, server.token, Origin=origin) == 403


def test_a_name_that_only_leads_here_gets_nothing(server):
    assert answer(server.url, Host=f"evil.example:{server.port}")[0] == 403
    assert answer(server.url, Host=f"localhost:{server.port}")[0] == 200


def test_the_websocket_asks_for_the_token_as_well(server):
    own = f"http://127.0.0.1:{server.port}"
    assert websocket(server, "x" * 32, Origin=own) == 403
    assert websocket(server, server.token, Origin=own) == 101


def test_the_server_listens_on_this_computer_only(server):
    with socket.socket() as other:
        other.bind(("127.0.0.2", 0))  # nobody listens on the computer's other addresses
        other.settimeout(5)
        assert other.connect_ex(("127.0.0.2", server.port)) != 0


def test_every_server_has_a_port_and_a_token_of_its_own(server):
    async def start():
        return LabelServer(lambda document: None)

    other = asyncio.run(start())
    assert other.port != server.port
    assert other.token != server.token
    assert len(other.token) >= 32


def test_a_port_that_is_taken_is_refused(server):
    async def start():
        LabelServer(lambda document: None, server.port)

    with pytest.raises(OSError, match="in use"):
        asyncio.run(start())
