"""The progress bar of videos shows its fields on one line at every terminal width."""

import io

import pytest
from rich.console import Console
from rich.table import Table

from ifdd import console
from ifdd.console import SafeConsole


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    text = io.StringIO()
    resize(text, monkeypatch, console.USUAL_WIDTH)
    return text


def resize(screen: io.StringIO, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    terminal = Console(file=screen, width=width, force_terminal=True, color_system=None)
    monkeypatch.setattr(console, "error_console", terminal)


def show(total: float | None, done: float, faces: int, seconds: float) -> str:
    """Return the bar of a video that was read at constant speed for some seconds."""
    now = [0.0]
    bar = console.video_bar()
    bar.get_time = lambda: now[0]
    task = bar.add_task("a video with quite a long name.mp4", total=total, faces=0)
    for step in range(11):
        now[0] = seconds * step / 10
        bar.update(task, completed=done * step / 10, faces=faces)
    with bar.console.capture() as captured:
        bar.console.print(bar.get_renderable())
    (line,) = captured.get().rstrip("\n").split("\n")
    return " ".join(line.split())


def test_time_speed_faces_and_remaining_time_are_shown(screen: io.StringIO) -> None:
    line = show(7200.0, 3605.0, 12, 20.0)
    assert "1:00:05/2:00:00 180.2x real time 12 faces 0:20 left" in line
    assert "…" in line


@pytest.mark.parametrize("width", [50, 60, 70])
def test_a_narrow_terminal_shortens_only_the_name(
    screen: io.StringIO, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    resize(screen, monkeypatch, width)
    line = show(7200.0, 3605.0, 12, 20.0)
    assert line.endswith("… 1:00:05/2:00:00 180.2x 12 faces 0:20 left")
    assert line.startswith("a vide")


def test_a_wide_terminal_shows_the_full_name_and_a_long_bar(
    screen: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    resize(screen, monkeypatch, 200)
    line = show(7200.0, 3605.0, 12, 20.0)
    assert line.startswith("a video with quite a long name.mp4 ━")
    assert line.count("━") > 20  # half of the bar is filled


def test_a_live_source_shows_no_total_or_remaining_time(screen: io.StringIO) -> None:
    line = show(None, 20.0, 1, 20.0)
    assert line.endswith("0:20 1.0x real time 1 face")


def test_a_count_is_shown_next_to_a_video(screen: io.StringIO) -> None:
    bar = console.video_bar()
    bar.add_task("videos", total=3, completed=1)
    bar.add_task("b.mp4", total=10.0, completed=5, faces=2)
    with bar.console.capture() as captured:
        bar.console.print(bar.get_renderable())
    count, video = captured.get().rstrip("\n").split("\n")
    assert count.split()[-1] == "1/3"
    assert "0:05/0:10" in video
    assert "2 faces" in video


@pytest.mark.parametrize(("encoding", "umlaut"), [("utf-8", "\u00fc"), ("ascii", r"\xfc"), ("cp1252", "\u00fc")])
def test_what_a_terminal_cannot_show_is_escaped(encoding: str, umlaut: str) -> None:
    raw = io.BytesIO()
    shown = SafeConsole(file=io.TextIOWrapper(raw, encoding=encoding, newline=""), width=200)
    table = Table("a")
    table.add_row("c\x1b[2J")
    shown.print("\u00fc \u202e \udce9 \x1b[31m", markup=False)
    shown.print(table)
    shown.print("Written to x[/b]")
    shown.file.flush()
    text = raw.getvalue().decode(encoding)
    assert f"{umlaut} \\u202e \\xe9 \\x1b[31m" in text
    assert "c\\x1b[2J" in text
    assert "\x1b" not in text
    assert "Written to x[/b]" in text
