"""Make the pictures of docs/app.md: the page in chromium, with the rendered person of docs/images/rendered_story.mp4.

python docs/make_app_figures.py

A word names YuNet's file, where it cannot be downloaded.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).parent / "images"
STORY = IMAGES / "rendered_story.mp4"
SECONDS = 4.0
"""Time that the viewer shows."""


def main() -> None:
    """Serve a folder with the story, and take the pictures."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("no chromium (Debian: apt install chromium)")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "interviews"
        place.mkdir()
        shutil.copy(STORY, place / "person_01.mp4")
        shutil.copy(STORY, place / "person_02.mp4")
        words = [
            sys.executable,
            "-m",
            "ifdd",
            "app",
            "interviews",
            "--results",
            "timelines",
            "--port",
            "0",
            "--no-open",
        ]
        words += ["--detector-model", str(Path(sys.argv[1]).absolute())] if len(sys.argv) > 1 else []
        with subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, text=True) as program:
            assert program.stdout is not None
            try:
                address = re.findall(r"http://\S+", program.stdout.readline())[0]
                with sync_playwright() as driver:
                    browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
                    take_pictures(browser, address)
                    browser.close()
            finally:
                program.terminate()


def take_pictures(browser: Any, address: str) -> None:
    """Take the queue in dark, the viewer in light, and the viewer on a phone."""
    page = open_page(browser, address, 1200, 740, "dark")
    page.get_by_role("checkbox", name="person_01").check()
    page.get_by_role("checkbox", name="person_02").check()
    page.get_by_role("button", name="Add the chosen videos").click()
    page.get_by_role("button", name="Open person_01").wait_for()
    page.get_by_text("real time, 1 face").first.wait_for()
    save(page, "app_analyze.jpg")
    for name, width, height in (("app_viewer.jpg", 1200, 970), ("app_phone.jpg", 390, 800)):
        page = open_page(browser, address, width, height, "light")
        page.get_by_role("link", name="Viewer").click()
        page.locator("#plot .main-svg").first.wait_for()
        show_time(page)
        save(page, name)


def open_page(browser: Any, address: str, width: int, height: int, colours: str) -> Any:
    """Open the page in a window of a size."""
    size = {"width": width, "height": height}
    page = browser.new_context(viewport=size, color_scheme=colours, reduced_motion="reduce").new_page()
    page.set_default_timeout(600_000)
    page.goto(address)
    return page


def show_time(page: Any) -> None:
    """Choose the segment of the time that is shown."""
    page.evaluate(f"document.getElementById('video').currentTime = {SECONDS}")
    page.locator("tr.playing").first.click()
    page.evaluate(f"document.getElementById('video').currentTime = {SECONDS}")
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    time.sleep(8)  # the frame is drawn, and the message at the bottom has gone


def save(page: Any, name: str) -> None:
    """Save what is in the window."""
    page.screenshot(path=IMAGES / name, type="jpeg", quality=85)


if __name__ == "__main__":
    main()
