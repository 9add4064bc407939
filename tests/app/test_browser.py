"""The page in a real browser, Debian's chromium: from a dropped file to a downloaded table.

The browser and the program start once, so this is one test of many steps.
"""

import base64
import csv
import json
import re
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ifdd.model import DEMONSTRATION
from ifdd.synth import SynthConfig, render_clip
from tests.helpers.processes import LIMIT_SECONDS, Running, started, wait_until
from tests.helpers.videos import write_video

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium (Debian: apt install chromium)")

STEP_MS = 180_000
"""Longest wait for one step; here, each takes a few seconds."""

EXPECTED = ("style-src",)
"""Parts of the browser's own complaints that are right: Plotly brings a style for maps, which are not used."""

DROP = """([name, content]) => {
    const bytes = Uint8Array.from(atob(content), (each) => each.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], name));
    document.getElementById("drop").dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true }));
}"""

HOLD_CAMERA = """() => {
    const usual = navigator.mediaDevices.getUserMedia;
    navigator.mediaDevices.getUserMedia = async (wish) => {
        await new Promise((resolve) => { window.allowCamera = resolve; });
        navigator.mediaDevices.getUserMedia = usual;
        window.camera = await usual.call(navigator.mediaDevices, wish);
        return window.camera;
    };
}"""
"""Let the next camera wait for ``window.allowCamera()``, as for an answer of the user."""


@dataclass
class Browser:
    """A browser with the cookie of the page, and what it complained of."""

    context: Any
    address: str
    complaints: list[str] = field(default_factory=list)

    def tab(self, address: str) -> Any:
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda line: self.complaints.append(line.text) if line.type == "error" else None)
        page.goto(address)
        return page


def write_camera(path: Path, frames: np.ndarray) -> Path:
    """Write frames as chromium's fake camera reads them."""
    count, height, width, _ = frames.shape
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F10:1 Ip A1:1 C420jpeg\n".encode())
        for frame in frames:
            file.write(b"FRAME\n" + cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420).tobytes())
    assert count
    return path


@contextmanager
def serving(folder: Path, results: Path) -> Iterator[tuple[Running, str]]:
    """Start the program; yield it and the address that it prints."""
    options = ["--results", results, "--checkpoint", DEMONSTRATION, "--detector", "haar", "--port", "0", "--no-open"]
    command = [sys.executable, "-m", "ifdd", "app", folder, *options]
    with started(command, env={"TMPDIR": str(results.parent)}) as program:
        program.wait_until(lambda: "\n" in program.output, "the address")
        yield program, re.findall(r"http://\S+", program.output)[0]


@contextmanager
def browsing(address: str, camera: Path) -> Iterator[Browser]:
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    options = [
        "--no-sandbox",  # containers allow none
        "--disable-dev-shm-usage",
        "--disable-gpu",  # its emulation is slow
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={camera}",
    ]
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=options)
        try:
            context = chromium.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
            context.set_default_timeout(STEP_MS)
            yield Browser(context, address)
        finally:
            chromium.close()


def test_the_whole_path_in_a_browser(drawn: Path, tmp_path: Path) -> None:
    folder, results = tmp_path / "videos", tmp_path / "results"
    folder.mkdir()
    frames = render_clip(SynthConfig(size=112, frames=16, fps=10.0), seed=1, index=0).frames
    write_video(folder / "old.mkv", frames, fps=10.0, codec="mpeg2video")  # chromium plays no MPEG-2
    camera = write_camera(tmp_path / "camera.y4m", frames)
    with serving(folder, results) as (program, address), browsing(address, camera) as browser:
        page = browser.tab(address)
        assert "token" not in page.url
        other = browser.tab(page.url)  # a second tab has the cookie

        drop_and_reload(page, drawn)
        other.get_by_role("button", name="Open party.mp4").wait_for()
        fail_in_a_sentence(page)
        page.get_by_role("button", name="Open party.mp4").click()
        watch(page)
        correct(page, other, results)
        assert download(page) == (results / "party.json").with_suffix(".csv").name
        other.close()

        watch_frames(page)
        choose_two_results(page)
        leave_before_the_camera_is_allowed(page)
        show_live(page)
        assert [each for each in browser.complaints if not any(part in each for part in EXPECTED)] == []

        program.send(signal.SIGINT)
        program.popen.wait(LIMIT_SECONDS)
        assert program.popen.returncode == 0
        page.get_by_role("link", name="Analyze").click()
        page.get_by_role("alert").get_by_text("The program does not answer").wait_for()
    assert not list(tmp_path.glob("ifdd-app-*"))
    assert sorted(path.name for path in results.glob("*.json")) == ["old.json", "party.corrections.json", "party.json"]


def check_notice(page: Any) -> None:
    """The notice is in sight, wherever the page is scrolled to."""
    page.mouse.wheel(0, 5000)
    box = page.get_by_role("note").bounding_box()
    assert box is not None
    assert 0 <= box["y"] < 200
    assert "drawn faces" in page.get_by_role("note").inner_text()
    page.mouse.wheel(0, -5000)


def drop_and_reload(page: Any, video: Path) -> None:
    """Drop a video, and reload the page while it is copied or read: the server goes on."""
    page.get_by_text("No videos yet.").wait_for()
    page.evaluate(DROP, ["party.mp4", base64.b64encode(video.read_bytes()).decode()])
    page.get_by_role("button", name=re.compile("^(Cancel|Open) party.mp4")).wait_for()
    page.reload()
    page.get_by_role("button", name="Open party.mp4").wait_for()
    assert page.locator("#queue li").count() == 1
    check_notice(page)


def fail_in_a_sentence(page: Any) -> None:
    page.evaluate(DROP, ["broken.mp4", base64.b64encode(b"no video").decode()])
    page.get_by_role("button", name="Try again broken.mp4").wait_for()
    words = page.locator(".task.failed .words").inner_text()
    assert "broken.mp4" in words
    assert "Traceback" not in words
    page.get_by_role("button", name="Remove broken.mp4").click()
    page.locator(".task.failed").wait_for(state="detached")


def watch(page: Any) -> None:
    """The video is shown with its timeline; both lead to each other."""
    page.locator("#plot .main-svg").first.wait_for()
    page.locator("#segments tr").first.wait_for()
    page.wait_for_selector("#now:has-text('Person 1')")
    assert page.evaluate("document.getElementById('video').videoWidth") == 112
    assert page.get_by_role("heading", level=2).inner_text() == "party"
    check_notice(page)

    page.locator("body").click(position={"x": 5, "y": 5})
    page.keyboard.press("j")
    page.locator("tr.chosen").wait_for()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#now:has-text('0:01.0')")
    assert page.evaluate("document.getElementById('video').currentTime") == pytest.approx(1.0, abs=0.05)
    plot = page.locator("#plot").bounding_box()
    page.locator("#plot").scroll_into_view_if_needed()
    page.locator("#plot").click(position={"x": 90, "y": plot["height"] / 2})
    page.wait_for_selector("#now:has-text('0:00.0')")
    assert page.evaluate("document.getElementById('video').currentTime") < 0.3
    painted = """() => {
        const canvas = document.getElementById("overlay");
        return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean);
    }"""
    assert page.evaluate(painted)

    shown = page.locator("#segments tr").count()
    label = page.locator("#segments tr td").nth(3).inner_text().split()[0]
    chip = page.get_by_role("checkbox", name=re.compile(f"^{label}"))
    chip.uncheck()
    assert page.locator("#segments tr").count() < shown
    chip.check()
    page.get_by_role("combobox", name="Person").select_option("1")
    assert page.locator("#segments tr").count() == shown


def correct(page: Any, other: Any, results: Path) -> None:
    """A correction is saved beside the results, and the other tab shows it."""
    before = (results / "party.json").read_bytes()
    page.locator("#segments tr").first.click()
    page.get_by_label("Expression", exact=True).select_option("fear")
    page.get_by_label("Comment").fill("<b>not</b> sure")
    page.get_by_role("button", name="Save").click()
    page.locator("#segments .corrected").get_by_text("→ fear").wait_for()
    saved = json.loads((results / "party.corrections.json").read_text())
    assert (saved["corrections"][0]["corrected"], saved["corrections"][0]["comment"]) == ("fear", "<b>not</b> sure")
    assert (results / "party.json").read_bytes() == before
    other.get_by_role("button", name="Open party.mp4").click()
    other.locator("#segments .corrected").get_by_text("→ fear").wait_for()


def download(page: Any) -> str:
    with page.expect_download() as started_download:
        page.get_by_role("button", name="timeline, CSV").click()
    table = started_download.value
    with Path(table.path()).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert {"track", "start_seconds", "happy", "quality"} <= rows[0].keys()
    return str(table.suggested_filename)


def watch_frames(page: Any) -> None:
    """A video that the browser cannot play is shown frame by frame."""
    page.get_by_role("link", name="Analyze").click()
    page.get_by_role("checkbox", name="old").check()
    page.get_by_role("button", name="Add the chosen videos").click()
    page.get_by_role("button", name="Open old").click()
    page.get_by_text("single frames are shown").wait_for()
    page.locator("#still").wait_for()
    page.get_by_role("button", name="Play").click()
    page.get_by_role("button", name="Play").wait_for()  # it has ended
    assert page.evaluate("document.getElementById('still').naturalWidth") == 112


def choose_two_results(page: Any) -> None:
    """A result that arrives late does not replace the one that was chosen after it."""
    ids = {name: page.locator("#results option", has_text=name).get_attribute("value") for name in ("party", "old")}
    place, held = f"**/api/results/{ids['party']}", list[Any]()
    page.route(place, lambda route: held.append(route))
    with page.expect_request(place):
        page.locator("#results").select_option("party")
    page.locator("#results").select_option("old")
    title = page.get_by_role("heading", level=2, name="old")
    title.wait_for()
    with page.expect_response(place):
        held[0].continue_()
    page.wait_for_timeout(300)
    assert title.is_visible()
    page.unroute(place)


def leave_before_the_camera_is_allowed(page: Any) -> None:
    """A camera that is allowed after the user went to another place is switched off."""
    page.get_by_role("link", name="Live").click()
    page.evaluate(HOLD_CAMERA)
    page.get_by_role("button", name="Start the camera").click()
    wait_until(lambda: page.evaluate("window.allowCamera !== undefined"), "the question for the camera")
    page.get_by_role("link", name="Analyze").click()
    page.evaluate("window.allowCamera()")
    off = "window.camera?.getTracks().every((track) => track.readyState === 'ended')"
    wait_until(lambda: page.evaluate(off), "the camera to be off")


def show_live(page: Any) -> None:
    page.get_by_role("link", name="Live").click()
    page.get_by_role("button", name="Start the camera").click()
    page.locator("#live-people meter").first.wait_for()
    page.get_by_text(re.compile(r"Delay \d")).wait_for()
    check_notice(page)
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped.").wait_for()
