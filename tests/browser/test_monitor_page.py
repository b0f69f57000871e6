"""The monitor's page in a real browser: it loads, shows the model's numbers, and does what people click."""

import io
import os
import re
import signal
import subprocess
import time
from contextlib import contextmanager

import numpy as np
import pytest

import ppgfast
from tests.browser.monitor_page import ENDED, RATE, chromium, missing, monitor, simulated

MODELS = {"hr": "hr-tcn5k-acc-s8", "af": "af-tcn5k-s8"}


@pytest.fixture(scope="module")
def browser():
    lacking = missing()
    if lacking and os.environ.get("PPGFAST_BROWSER") == "required":
        pytest.fail(f"this machine lacks {lacking}")
    if lacking:
        pytest.skip(f"no browser test: this machine lacks {lacking}")
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def walk(tmp_path_factory):
    return simulated(tmp_path_factory.mktemp("recordings"), seconds=90)


@pytest.fixture(scope="module")
def ended(browser, walk):
    """The address of a monitor that has played all of it."""
    with monitor(walk, "--speed", 0, "--model", MODELS["hr"], "--af-model", MODELS["af"]) as (address, _):
        yield address


@contextmanager
def opened(browser):
    """A page that must not complain, nor ask anyone but this computer."""
    page = browser.new_page(viewport={"width": 1280, "height": 760})
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    yield page
    page.close()
    usual = ("[bokeh", "ERR_CONNECTION_REFUSED")  # the second from a monitor that a test has ended
    assert [text for text in said if not any(part in text for part in usual)] == []
    outside = re.compile(r"(https?|wss?)://(?!127\.0\.0\.1:)")
    assert [url for url in asked if outside.match(url)] == []


@pytest.fixture(scope="module")
def shown(browser, ended):
    """A page that shows all of it."""
    with opened(browser) as page:
        page.goto(ended)
        page.wait_for_selector(ENDED)
        until(page, "!dirty && plot['wave glyph']")
        yield page


def until(page, expression):
    """Waits for it to be true; the page's own policy forbids to ask from within."""
    patience = time.monotonic() + 20
    while not page.evaluate(expression):
        assert time.monotonic() < patience, expression
        page.wait_for_timeout(20)


def expected(walk, model, **options):
    recording = ppgfast.read(walk)
    acc = "acc" in model
    stream = ppgfast.load(model).stream(
        sampling_rate=RATE, acc_rate=recording.acc_rate if acc else None, **options
    )
    rows = stream.push(
        recording.signal.astype(np.float32), acc=recording.acc.astype(np.float32) if acc else None
    )
    return [{key: None if value != value else value for key, value in row._asdict().items()} for row in rows]


def test_the_numbers_on_the_page_are_the_models(shown, walk):
    page = shown
    for kept, rows in (
        ("results", expected(walk, MODELS["hr"])),
        ("af", expected(walk, MODELS["af"], both_ways=True)),
    ):
        found = page.evaluate(f"kept.{kept}")
        assert [{key: row[key] for key in rows[0]} for row in found] == rows
        assert len(rows) > 4
    last = expected(walk, MODELS["hr"])[-1]
    assert page.inner_text("#hr") == f"{last['hr_bpm']:.0f}"
    low, high = (last["hr_bpm"] + sign * 1.6449 * last["hr_std"] for sign in (-1, 1))
    assert page.inner_text("#interval") == f"{low:.0f} \u2013 {high:.0f}"
    assert page.inner_text("#quality") == f"{last['quality']:.2f}"
    assert (
        page.inner_text("#af") == f"{expected(walk, MODELS['af'], both_ways=True)[-1]['af_probability']:.2f}"
    )
    assert float(page.inner_text("#latency")) > 0
    assert page.inner_text("#status") == "ended"
    assert "walk.npz, hr-tcn5k-acc-s8, 128 Hz" in page.inner_text("#source")


def test_the_plots_hold_what_is_in_view(shown, walk):
    page = shown
    drawn = page.evaluate("Array.from(plot['wave source'].data.y)")
    signal_shown = ppgfast.read(walk).signal[-len(drawn) :]
    assert len(drawn) == pytest.approx(10 * RATE, abs=3)
    np.testing.assert_allclose(drawn, signal_shown, rtol=1e-5)
    beats = page.evaluate("Array.from(plot['beats source'].data.t)")
    assert len(beats) > 5
    rows = expected(walk, MODELS["hr"])
    data = page.evaluate("plot['rows source'].data")
    assert [x for x in data["hr"] if x == x] == [row["hr_bpm"] for row in rows if row["valid"]]
    colours = page.evaluate("plot['ribbon source'].data.colour")
    bad = page.evaluate("colours.bad")
    assert [colour == bad for colour in colours] == [not row["valid"] for row in rows]
    assert page.evaluate("plot['motion source'].data.g.length") > 60


def test_pause_holds_the_plots_and_dragging_looks_back(browser, walk):
    samples = ppgfast.read(walk).signal.astype("<f4")
    piped = monitor("-", "--format", "f32", "--sampling-rate", RATE, stdin=subprocess.PIPE)
    with piped as (address, process), opened(browser) as page:

        def play(first, last):
            process.stdin.write(samples[first * RATE : last * RATE].tobytes())
            process.stdin.flush()
            until(page, f"now > {last} - 0.01")

        page.goto(address)
        play(0, 12)
        until(page, "plot.trace && plot.trace.x_range.end === now * 1000")
        end = page.evaluate("plot.trace.x_range.end")
        page.click("#pause")
        assert page.inner_text("#pause") == "Live"
        play(12, 15)
        page.wait_for_timeout(300)
        assert page.evaluate("plot.trace.x_range.end") == end
        assert page.evaluate("kept.wave.t.length") == 15 * RATE
        page.click("#pause")
        until(page, "plot.trace.x_range.end === now * 1000")
        box = page.locator("#plots").bounding_box()
        page.mouse.move(box["x"] + 300, box["y"] + 80)
        page.mouse.down()
        page.mouse.move(box["x"] + 600, box["y"] + 80, steps=4)
        page.mouse.up()
        assert page.evaluate("paused")
        until(page, "plot.trace.x_range.end < (now - 1) * 1000")
        until(page, "plot['wave source'].data.t[0] < plot.trace.x_range.start")
        page.keyboard.press("Space")
        until(page, "!paused && plot.trace.x_range.end === now * 1000")


def test_an_image_is_saved(shown):
    pillow = pytest.importorskip("PIL.Image")
    page = shown
    with page.expect_download() as download:
        page.click("#png")
    assert re.fullmatch(r"ppgfast-[\dTZ-]+\.png", download.value.suggested_filename)
    image = pillow.open(io.BytesIO(download.value.path().read_bytes()))
    assert image.format == "PNG"
    assert min(image.size) > 600
    shown = {colour for _, colour in image.convert("RGB").getcolors(1 << 24)}
    for name in ("card", "wave", "rate", "good", "bad", "ink"):
        wanted = page.evaluate(f"colours.{name}").lstrip("#")
        assert tuple(bytes.fromhex(wanted)) in shown, name


def test_dark_and_light(shown):
    page = shown
    theme = page.evaluate("document.documentElement.dataset.theme")
    paper = page.evaluate("colours.paper")
    page.click("#theme")
    assert page.evaluate("document.documentElement.dataset.theme") != theme
    assert page.evaluate("colours.paper") != paper
    assert page.evaluate(
        "plot['wave glyph'].line_color.value ?? plot['wave glyph'].line_color"
    ) == page.evaluate("colours.wave")
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") != theme


def test_a_phone_needs_no_scrolling_to_the_side(browser, ended):
    phone = browser.new_page(viewport={"width": 360, "height": 740})
    phone.goto(ended)
    phone.wait_for_selector(ENDED)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360
    assert phone.locator("#hr").bounding_box()["y"] < 200
    phone.close()


def test_a_wrong_token_is_refused(browser, walk):
    with monitor(walk, "--speed", 0, "--host", "0.0.0.0") as (address, _):
        port, token = re.fullmatch(r"http://.+:(\d+)/\?token=(.+)", address).groups()
        page = browser.new_page()
        for wrong in ("?token=", f"?token={token[:-1]}A", ""):
            assert page.goto(f"http://127.0.0.1:{port}/{wrong}").status == 403
            assert "token" in page.inner_text("body")
        assert _can_listen(page, port) is False
        assert page.goto(f"http://127.0.0.1:{port}/?token={token}").status == 200
        page.wait_for_selector(ENDED)
        assert token not in page.url
        assert token not in page.evaluate("document.cookie")
        page.close()


def test_another_page_hears_nothing(browser, ended):
    port = ended.split(":")[2].strip("/")
    other = browser.new_page()
    other.goto("data:text/html,<p>another page")
    assert _can_listen(other, port) is False
    assert other.evaluate(f"fetch('{ended}plots.json').then(() => true, () => false)") is False
    other.close()


def _can_listen(page, port):
    return page.evaluate(
        f"""new Promise((told) => {{
          const socket = new WebSocket("ws://127.0.0.1:{port}/live");
          socket.onmessage = () => told(true);
          socket.onclose = () => told(false);
        }})"""
    )


def test_a_sensor_that_stops_and_a_monitor_that_stops_are_shown(browser):
    made = ppgfast.ppg_simulate(duration=14, sampling_rate=50, seed=1)
    lines = "".join(f"{value!r}\n" for value in made.signal.tolist()).encode()
    piped = monitor("-", "--sampling-rate", 50, "--hop", 1, stdin=subprocess.PIPE)
    with piped as (address, process), opened(browser) as page:
        page.goto(address)
        page.wait_for_selector("body[data-status=waiting]")
        process.stdin.write(lines[: len(lines) // 2])
        process.stdin.flush()
        page.wait_for_selector("body[data-status=silent]")
        assert re.fullmatch(r"no sample for \d s", page.inner_text("#status"))
        process.stdin.write(lines[len(lines) // 2 :])
        process.stdin.close()
        page.wait_for_selector(ENDED)
        assert page.evaluate("kept.wave.t.length") == len(made.signal)
        process.send_signal(signal.SIGINT)
        page.wait_for_selector("body[data-status=lost]")
        assert page.inner_text("#status") == "the monitor has stopped"
        assert process.wait(10) == 130
        page.goto("about:blank")  # or it would go on asking for the monitor
