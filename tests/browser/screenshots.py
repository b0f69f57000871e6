"""Pictures of the monitor for the documentation: `python -m tests.browser.screenshots` writes docs/images."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.browser.monitor_page import chromium, monitor, simulated

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
SECONDS, AT = 900, 320  # s of the recording, and of it when the pictures are taken
PICTURES = {  # name -> width, height, theme
    "monitor": (1280, 720, "dark"),
    "monitor-light": (1280, 720, "light"),
    "monitor-phone": (390, 780, "dark"),
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        walk = simulated(Path(folder), seconds=SECONDS, bad=0.6 * AT)
        models = ("--model", "hr-tcn5k-acc-s8", "--af-model", "af-tcn5k-s8")
        with monitor(walk, "--speed", 10, *models) as (address, _):
            pages = {}
            for name, (width, height, theme) in PICTURES.items():
                context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
                pages[name] = context.new_page()
                pages[name].goto(address)
            for name, page in pages.items():
                while page.evaluate("now") < AT:
                    page.wait_for_timeout(100)
                page.screenshot(path=IMAGES / f"{name}.png")
                print(IMAGES / f"{name}.png", (IMAGES / f"{name}.png").stat().st_size)


if __name__ == "__main__":
    main()
