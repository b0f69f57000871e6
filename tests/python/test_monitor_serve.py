"""The monitor's server: who is let in, what is said, and that nothing stays open."""

import asyncio
import errno
import json
import re
import socket
import threading

import numpy as np
import pytest

import ppgfast
from ppgfast.monitor.live import Live, Options
from ppgfast.monitor.source import Packet, Source

pytest.importorskip("tornado", reason="needs tornado: pip install 'ppgfast[monitor]'")
pytest.importorskip("bokeh", reason="needs Bokeh: pip install 'ppgfast[monitor]'")

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from ppgfast.monitor import serve as module
from ppgfast.monitor.serve import Hub, Socket, is_local, serve

RATE = 64.0


@pytest.fixture(scope="module")
def signal():
    return ppgfast.ppg_simulate(duration=30, sampling_rate=RATE, seed=6).signal


def began(packets, **source):
    def begin():
        made = Source(
            **{"name": "x", "sampling_rate": RATE, "acc_rate": None, "timed": False, **source},
            packets=packets,
        )
        live = Live(made, ppgfast.load("hr-tcn5k-s8"), None, Options())
        return live, packets

    return begin


def serving(visit, packets=(), *, host="127.0.0.1", begin=None):
    """What `visit(port, address)` returns, while the server runs."""

    async def main():
        address = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(
            serve(begin or began(iter(packets)), host=host, port=0, ready=address.set_result)
        )
        await asyncio.wait([task, address], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        port = int(address.result().split(":")[2].split("/")[0])
        try:
            return await visit(port, address.result())
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    return asyncio.run(main())


async def get(port, path="/", **headers):
    """(status, headers, body)."""
    request = HTTPRequest(
        f"http://127.0.0.1:{port}{path}",
        headers={k.title(): v for k, v in headers.items()},
        follow_redirects=False,
    )
    answer = await AsyncHTTPClient().fetch(request, raise_error=False)
    return answer.code, answer.headers, answer.body


async def listen(port, until, **headers):
    """All messages until one of that status."""
    request = HTTPRequest(f"ws://127.0.0.1:{port}/live", headers={k.title(): v for k, v in headers.items()})
    client = await websocket_connect(request)
    said = []
    while not said or said[-1].get("status") != until:
        text = await asyncio.wait_for(client.read_message(), 30)
        if text is None:
            break
        said += json.loads(text)
    await left(client)
    return said


async def left(client):
    """Both sides have said goodbye and closed."""
    client.close()
    while await asyncio.wait_for(client.read_message(), 5) is not None:
        pass
    await asyncio.sleep(0.05)


async def refused(port, **headers):
    with pytest.raises(HTTPClientError) as error:
        await listen(port, "ended", **headers)
    return error.value.code


def test_a_listener_hears_the_numbers_of_the_stream(signal):
    packets = [Packet(part) for part in np.array_split(signal, 40)]
    said = serving(lambda port, _: listen(port, "ended"), packets)
    rows = [row for message in said for row in message.get("results", [])]
    stream = ppgfast.load("hr-tcn5k-s8").stream(sampling_rate=RATE)
    expected = [result._asdict() for result in stream.push(signal)]
    assert [{key: row[key] for key in expected[0]} for row in rows] == [
        {key: None if value != value else value for key, value in row.items()} for row in expected
    ]
    assert said[0]["about"]["source"] == "x"
    assert [message["begin"] for message in said if "begin" in message] == [0.0]
    assert sum(len(message["wave"]["t"]) for message in said if "wave" in message) == len(signal)


def test_who_comes_later_hears_all_from_the_beginning(signal):
    async def visit(port, _):
        first = await listen(port, "ended")
        return first, await listen(port, "ended")

    first, second = serving(visit, [Packet(part) for part in np.array_split(signal, 5)])
    order = lambda said: sorted(json.dumps(m, sort_keys=True) for m in said if "status" not in m)  # noqa: E731
    assert order(first) == order(second)


def test_the_page_and_all_it_asks_for_come_from_here(signal):
    async def visit(port, _):
        return {
            path: await get(port, path) for path in ("/", "/page.css", "/page.js", "/plots.json", "/bokeh.js")
        }

    for path, (status, headers, body) in serving(visit).items():
        assert status == 200, path
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert len(body) > 1000
        assert b"://" not in body or path in ("/bokeh.js", "/plots.json"), path


def test_another_web_page_cannot_look():
    async def visit(port, address):
        own = f"http://127.0.0.1:{port}"
        assert address == f"{own}/"
        assert (await get(port, origin=own))[0] == 200
        assert (await get(port, host=f"localhost:{port}"))[0] == 200
        for headers in (
            {"origin": "http://evil.example"},
            {"origin": "null"},
            {"origin": f"https://127.0.0.1:{port}"},
            {"origin": f"http://localhost:{port}"},
            {"host": f"evil.example:{port}"},
            {"host": f"127.0.0.1.evil.example:{port}"},
            {"host": "127.0.0.1"},
            {"host": f"evil.example:{port}", "origin": f"http://evil.example:{port}"},
        ):
            for path in ("/", "/page.js", "/plots.json"):
                assert (await get(port, path, **headers))[0] == 403, headers
            assert await refused(port, **headers) == 403, headers

    serving(visit)


def test_other_addresses_need_the_token():
    async def visit(port, address):
        token = address.split("token=")[1]
        assert len(token) >= 32
        for path in ("/", "/?token=", "/?token=x", f"/?token={token[:-1]}", f"/?token={token}x", "/page.js"):
            status, _, body = await get(port, path)
            assert status == 403, path
            assert token.encode() not in body
        assert (await get(port, f"/?token={token}&token={token}"))[0] == 403
        assert await refused(port) == 403
        assert await refused(port, cookie=f"ppgfast_{port}=x") == 403
        status, headers, _ = await get(port, f"/?token={token}")
        assert (status, headers["Location"]) == (302, "/")
        assert "HttpOnly" in headers["Set-Cookie"]
        assert "SameSite=Lax" in headers["Set-Cookie"]
        cookie = headers["Set-Cookie"].split(";")[0]
        assert (await get(port, cookie=cookie))[0] == 200
        assert (await listen(port, "ended", cookie=cookie))[-1]["status"] == "ended"
        assert await refused(port, cookie=cookie, origin="http://evil.example") == 403
        return token

    tokens = {serving(visit, host="0.0.0.0") for _ in range(2)}
    assert len(tokens) == 2


def test_only_this_computer_is_local():
    assert all(map(is_local, ("127.0.0.1", "127.9.9.9", "localhost", "::1")))
    assert not any(map(is_local, ("0.0.0.0", "::", "192.168.1.2", "example.org", "localhost.example.org")))


def test_a_port_that_is_taken_is_said():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            ValueError, match=rf"port {port} of 127.0.0.1 .* in use, maybe by another monitor"
        ):
            asyncio.run(serve(began(iter(())), host="127.0.0.1", port=port, ready=print))


def test_nothing_stays_open(signal):
    async def visit(port, _):
        request = HTTPRequest(f"ws://127.0.0.1:{port}/live")
        return port, await websocket_connect(request)

    async def main():
        address = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(
            serve(began(iter([Packet(signal)])), host="127.0.0.1", port=0, ready=address.set_result)
        )
        port, client = await visit(int((await address).split(":")[2].strip("/")), None)
        task.cancel()
        await asyncio.gather(task, left(client), return_exceptions=True)
        return port, client.close_code

    port, code = asyncio.run(main())
    assert code == 1001
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED


def test_a_sensor_that_stops_is_said_and_may_come_back(signal, monkeypatch):
    monkeypatch.setattr(module, "SILENT", 0.1)
    more = threading.Event()

    def packets():
        yield Packet(signal)
        assert more.wait(10)
        yield Packet(signal[:64])

    async def visit(port, _):
        said = await listen(port, "silent")
        more.set()
        return said, await listen(port, "ended")

    said, then = serving(visit, packets())
    assert re.fullmatch(r"no sample for \d+ s", said[-1]["text"])
    assert [message["status"] for message in then if "status" in message][-1] == "ended"


def test_what_goes_wrong_in_the_source_ends_the_serving():
    def begin():
        raise ValueError("the lines hold no time")

    async def main():
        await asyncio.wait_for(serve(begin, host="127.0.0.1", port=0, ready=lambda _: None), 5)

    with pytest.raises(ValueError, match="the lines hold no time"):
        asyncio.run(main())

    def packets():
        yield Packet(np.zeros(64, np.float32))
        raise OSError("the pipe broke")

    async def broken():
        await asyncio.wait_for(serve(began(packets()), host="127.0.0.1", port=0, ready=lambda _: None), 5)

    with pytest.raises(OSError, match="the pipe broke"):
        asyncio.run(broken())


def test_a_new_stream_makes_the_old_one_forgotten_and_old_samples_go():
    hub, heard = Hub(), []
    hub.tell_about({"source": "x"})
    for now in (0.0, 700.0):
        hub.publish(
            {
                "now": now,
                **({"begin": 0.0} if now == 0 else {}),
                "wave": {"t": [now], "y": [1]},
                "af": [{"t_end": now}],
            }
        )

    class Listener:
        def tell(self, texts):
            heard.append([json.loads(text) for text in texts])

    hub.join(Listener())
    assert [m["wave"]["t"] for m in heard[0] if "wave" in m] == [[700.0]]
    assert [m["af"][0]["t_end"] for m in heard[0] if "af" in m] == [0.0, 700.0]
    hub.publish({"now": 5.0, "begin": 5.0, "wave": {"t": [5.0], "y": [1]}})
    hub.join(Listener())
    assert [m for m in heard[-1] if "wave" in m or "af" in m or "begin" in m] == [
        {"begin": 5.0},
        {"wave": {"t": [5.0], "y": [1]}},
    ]


def test_a_browser_that_does_not_read_is_let_go():
    closed = []

    class Slow(Socket):
        def __init__(self):
            self.waiting = module.BEHIND + 1

        def close(self, code=None, reason=None):
            closed.append((code, reason))

    Slow().tell(["{}"])
    assert closed == [(1013, "too slow")]
