"""Every output format, read back by independent code."""

import csv
import itertools
import json
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import av
import cv2
import numpy as np
import pandas
import pyarrow.parquet
import pytest
import webvtt
from pympi import Eaf, TextGrid

from ifdd.__main__ import main
from ifdd.data.labels import LABEL_SETS
from ifdd.errors import InputError
from ifdd.faces.boxes import FaceBox
from ifdd.faces.tracking import TrackPoint
from ifdd.inference import UNCERTAIN, Recognition, RecognizedTrack, Recognizer, Segment, TimelineEntry, WindowOptions
from ifdd.inference.outputs.pictures.painter import Painter, load_font, wrapped
from ifdd.inference.outputs.pictures.plot import plot_timeline
from ifdd.inference.outputs.pictures.render import draw_frames
from ifdd.inference.outputs.style import UNCERTAIN_COLOUR, assign_rows, class_colours
from ifdd.inference.outputs.write import FORMATS, file_name, parse_formats
from ifdd.inference.recognizer import UNALIGNED_NOTICE
from ifdd.synth.config import PRESETS
from ifdd.synth.videos.story import StoryConfig, render_story
from ifdd.video.frames import iter_frames, probe
from ifdd.video.sources import SourceOptions
from tests.helpers.faces import REAL, DiscDetector, disc_frames, needs_real
from tests.helpers.results import make_model, make_track, make_video
from tests.helpers.videos import moving_frames, write_frame_folder, write_video

CLASSES = ("glücklich & froh", "悲しい", 'so < "b"', "neutral")
NOTICE = "This model was trained on synthetic, drawn faces."
FPS = Fraction(30000, 1001)


def recognition(path: Path, times: list[float], end: float, faces: bool = True, notice: bool = False) -> Recognition:
    """Return results with frames at the given times: one person throughout, one in the second half."""
    model = replace(make_model(CLASSES, NOTICE if notice else ""), description={"synthetic": notice})
    video = make_video(str(path), end, len(times))
    if not faces:
        return Recognition(video, model, ())
    half = len(times) // 2

    def track(id: int, first: int) -> RecognizedTrack:
        points = tuple(
            TrackPoint(i, times[i], FaceBox(4.0 + 20 * id, 8.0, 16.0, 20.0, 0.0 if i == half else 0.9))
            for i in range(first, len(times))
        )
        own = [entry for entry in timeline if entry.track == id]
        return make_track(id, times[first], end, points, own, [one for one in segments if one.track == id])

    timeline = (
        TimelineEntry(1, times[0], times[half], (0.7, 0.1, 0.1, 0.1)),
        TimelineEntry(1, times[half], end, (0.1, 0.6, 0.2, 0.1)),
        TimelineEntry(2, times[half], end, (0.25, 0.25, 0.3, 0.2)),
    )
    middle = half + (len(times) - half) // 2
    segments = (
        Segment(1, times[0], times[half], CLASSES[0], 0.7),
        Segment(1, times[half], end, CLASSES[1], 0.6),
        Segment(2, times[half], times[middle], UNCERTAIN, 0.3),
        Segment(2, times[middle], end, CLASSES[2], 0.3),
    )
    return Recognition(video, model, (track(1, 0), track(2, half)), (times[half],))


@pytest.fixture
def result(tmp_path: Path) -> Recognition:
    return recognition(tmp_path / "Müller & Söhne.mp4", [float(i / FPS) for i in range(60)], float(60 / FPS))


def frame_at(seconds: float) -> float:
    """Return a time in frames, which is whole for the time of a frame."""
    return seconds * float(FPS)


def names(result: Recognition) -> list[str]:
    return [segment.label for segment in result.segments]


def edges(result: Recognition) -> list[tuple[int, int]]:
    """Return the first frame and the frame after the last, for each segment."""
    return [(round(frame_at(s.start_seconds)), round(frame_at(s.end_seconds))) for s in result.segments]


@pytest.mark.parametrize("form", ["vtt", "srt"])
def test_captions(result: Recognition, tmp_path: Path, form: str) -> None:
    path = tmp_path / f"a.{form}"
    result.write(path)
    cues = (webvtt.read(str(path)) if form == "vtt" else webvtt.from_srt(str(path))).captions
    expected = sorted(zip(result.segments, edges(result), strict=True), key=lambda pair: pair[0].start_seconds)
    for cue, (segment, _) in zip(cues, expected, strict=True):
        text = cue.text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        share = "" if segment.label == UNCERTAIN else f" {segment.probability:.0%}"
        assert text == f"#{segment.track} {segment.label}{share}"
    starts = [line.split(" --> ") for line in path.read_text("utf-8").splitlines() if "-->" in line]
    read = [tuple(round(frame_at(seconds_of(clock)), 1) for clock in pair) for pair in starts]
    assert read == [frames for _, frames in expected]


def test_captions_and_plot_name_the_flaw_of_uncertain_segments(result: Recognition, tmp_path: Path) -> None:
    first, second = result.tracks
    unreadable = second.segments[0]._replace(quality=0.1, flaw="badly lit")
    poor = replace(result, tracks=(first, replace(second, segments=(unreadable, *second.segments[1:]))))
    poor.write(tmp_path / "a.vtt")
    assert "#2 uncertain (badly lit)" in (tmp_path / "a.vtt").read_text("utf-8")
    words = [text.get_text() for area in poor.plot().axes for text in area.texts]
    assert "uncertain: badly lit" in words


def test_poor_quality_fades_the_plot_and_greys_the_video(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4", moving_frames(50))
    clear = recognition(source, [i / 25 for i in range(50)], 2.0)
    faint = [
        replace(track, windows=replace(track.windows, quality=np.full(len(track.windows), 0.1)))
        for track in clear.tracks
    ]
    poor = replace(clear, tracks=tuple(faint))
    for suffix, area in (("png", (slice(40, -150), slice(100, -50))), ("mp4", (slice(480, None), slice(None)))):
        spread = []
        for result in (clear, poor):
            result.write(tmp_path / f"out.{suffix}")
            path = str(tmp_path / f"out.{suffix}")
            image = cv2.imread(path) if suffix == "png" else next(iter_frames(Path(path))).image
            assert image is not None
            colourful = np.ptp(image[area].astype(int), axis=2)
            spread.append(float(colourful.mean()))
        assert spread[1] < 0.6 * spread[0]
    assert "faint: hard to read" in [text.get_text() for text in poor.plot().legends[0].get_texts()]


def seconds_of(clock: str) -> float:
    hours, minutes, seconds = clock.replace(",", ".").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def test_times_of_captions_beyond_an_hour(tmp_path: Path) -> None:
    times = [3599.9996, 3600.5, 3725.25]
    recognition(tmp_path / "long.mp4", times, 3726.0).write(tmp_path / "a.srt")
    assert "01:00:00,000 --> 01:00:00,500\n" in (tmp_path / "a.srt").read_text("utf-8")
    assert "01:00:00,500 --> 01:02:05,250\n" in (tmp_path / "a.srt").read_text("utf-8")


def test_eaf(result: Recognition, tmp_path: Path) -> None:
    Path(result.video.path).touch()
    result.write(tmp_path / "a.eaf")
    eaf = Eaf(str(tmp_path / "a.eaf"))
    assert list(eaf.get_tier_names()) == ["track 1", "track 2"]
    read = [row for tier in ("track 1", "track 2") for row in sorted(eaf.get_annotation_data_for_tier(tier))]
    assert [row[2] for row in read] == names(result)
    assert [tuple(round(frame_at(time / 1000), 1) for time in row[:2]) for row in read] == edges(result)
    assert eaf.get_linked_files()[0]["MEDIA_URL"].startswith("file:///")


def test_textgrid(result: Recognition, tmp_path: Path) -> None:
    result.write(tmp_path / "a.TextGrid")
    grid = TextGrid(str(tmp_path / "a.TextGrid"), codec="utf-8")
    assert [name for _, name in grid.get_tier_name_num()] == ["track 1", "track 2"]
    tiers = [list(grid.get_tier(number).get_all_intervals()) for number in (1, 2)]
    for tier in tiers:  # Praat allows no gaps
        assert tier[0][0] == 0
        assert all(left[1] == right[0] for left, right in itertools.pairwise(tier))
        assert tier[-1][1] == pytest.approx(result.video.duration_seconds, abs=1e-6)
    read = [interval for tier in tiers for interval in tier if interval[2]]
    assert [interval[2].replace('""', '"') for interval in read] == names(result)
    assert [tuple(round(frame_at(time), 3) for time in interval[:2]) for interval in read] == edges(result)
    assert tiers[1][0][2] == ""


def test_tables(result: Recognition, tmp_path: Path) -> None:
    for form in ("csv", "parquet"):
        result.write(tmp_path / f"a.{form}")
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text("utf-8").splitlines()))
    frames = [(0, 29), (30, 59), (30, 59)]
    assert [(int(row["start_frame"]), int(row["end_frame"])) for row in rows] == frames
    for row, entry in zip(rows, result.timeline, strict=True):
        assert round(frame_at(float(row["start_seconds"])), 2) == int(row["start_frame"])
        assert round(frame_at(float(row["end_seconds"])), 2) == int(row["end_frame"]) + 1
        assert [float(row[name]) for name in CLASSES] == list(entry.probabilities)
    table = result.to_dataframe()
    pandas.testing.assert_frame_equal(table, pandas.read_csv(tmp_path / "a.csv", keep_default_na=False))
    pandas.testing.assert_frame_equal(
        table, pandas.DataFrame(pyarrow.parquet.read_table(tmp_path / "a.parquet").to_pydict())
    )


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "mp4"])
def test_every_format_works_without_faces(tmp_path: Path, form: str) -> None:
    result = recognition(tmp_path / "sea.mp4", [0.0, 0.5], 1.0, faces=False)
    path = tmp_path / file_name("a", form)
    result.write(path)
    match form:
        case "json":
            assert json.loads(path.read_text("utf-8"))["tracks"] == []
        case "csv":
            assert pandas.read_csv(path).empty
            assert list(pandas.read_csv(path).columns) == list(result.to_dataframe().columns)
        case "parquet":
            schema = pyarrow.parquet.read_table(path).schema
            assert [str(kind) for kind in schema.types] == [
                "int64",
                *["double"] * 2,
                *["int64"] * 2,
                *["double"] * 5,
                "string",
            ]
        case "frames":
            assert pandas.read_csv(path).empty
        case "bids":
            assert path.read_text("utf-8").count("\n") == 1
            assert json.loads((tmp_path / "a_events.json").read_text("utf-8"))["onset"]["Units"] == "s"
        case "vtt":
            assert webvtt.read(str(path)).captions == []
        case "srt":
            assert path.read_text("utf-8") == ""
        case "eaf":
            assert list(Eaf(str(path)).get_tier_names()) == []
        case "textgrid":
            assert TextGrid(str(path), codec="utf-8").tier_num == 1
        case "png":
            assert cv2.imread(str(path)) is not None
        case "svg":
            assert ElementTree.parse(path).getroot().tag.endswith("svg")


@pytest.mark.parametrize("form", ["json", "csv", "frames", "bids", "parquet", "vtt", "srt", "eaf", "textgrid", "svg"])
def test_every_format_reports_synthetic_training(tmp_path: Path, form: str) -> None:
    path = tmp_path / file_name("a", form)
    result = recognition(tmp_path / "a.mp4", [0.0, 0.25, 0.5, 0.75], 1.0, notice=True)
    if form == "svg":  # its letters are outlines
        assert NOTICE in [text.get_text() for text in plot_timeline(result).texts]
        return
    result.write(path)
    if form == "bids":  # which has no place for it in the table
        path = tmp_path / "a_events.json"
        assert json.loads(path.read_text("utf-8"))["GeneratedBy"][0]["Notice"] == NOTICE
    assert b"synthetic" in path.read_bytes()
    if form == "frames":
        assert set(pandas.read_csv(path)["notice"]) == {"trained on synthetic faces"}
    if form == "parquet":
        assert pyarrow.parquet.read_table(path).schema.metadata[b"notice"].decode() == NOTICE


@pytest.mark.parametrize("form", ["csv", "frames", "parquet"])
def test_tables_give_the_notice_of_a_model_that_was_trained_on_real_faces(tmp_path: Path, form: str) -> None:
    result = recognition(tmp_path / "a.mp4", [0.0, 0.25, 0.5, 0.75], 1.0)
    path = tmp_path / file_name("a", form)
    replace(result, model=replace(result.model, notice=UNALIGNED_NOTICE)).write(path)
    table = pandas.read_parquet(path) if form == "parquet" else pandas.read_csv(path)
    assert set(table["notice"]) == {UNALIGNED_NOTICE}


@pytest.mark.filterwarnings("ignore:Glyph")  # a font without Chinese signs
def test_a_plot_shows_the_whole_notice_and_a_shortened_name(tmp_path: Path) -> None:
    result = recognition(tmp_path / f"{'very long ' * 20}end.mp4", [0.0, 0.25, 0.5, 0.75], 1.0)
    long = " ".join(f"word{number}" for number in range(60))
    figure = plot_timeline(replace(result, model=replace(result.model, notice=long)))
    figure.savefig(tmp_path / "a.png")
    words = [text for text in figure.texts if text.get_text()]
    assert any(text.get_text().split() == long.split() for text in words)
    assert any(re.fullmatch(r"very long .*\.\.\..* end\.mp4", text.get_text()) for text in words)
    for text in words:
        box = text.get_window_extent()
        assert min(box.x0, box.y0, figure.bbox.x1 - box.x1) >= 0, text.get_text()
    legend = figure.legends[0].get_window_extent()
    assert all(not legend.overlaps(text.get_window_extent()) for text in words)


@pytest.mark.parametrize("words", [0, 1, 30, 90])
def test_an_annotated_video_shows_the_whole_notice(tmp_path: Path, words: int) -> None:
    font, notice = load_font(13, False), " ".join(f"word{number}" for number in range(words))
    lines = wrapped(notice, font, 600)
    assert " ".join(lines) == notice
    assert all(font.getlength(line) <= 600 for line in lines)
    result = recognition(tmp_path / "a.mp4", [0.0, 0.25, 0.5, 0.75], 1.0)
    painter = Painter(replace(result, model=replace(result.model, notice=notice)), 640, 360)
    frame = painter.draw(np.zeros((360, 640, 3), np.uint8), 0, 0.0)
    orange = np.flatnonzero((np.abs(frame.astype(int) - (255, 176, 112)).max(2) < 40).any(1))
    assert len(orange) == 0 if not words else orange.max() < len(frame) - 2


@pytest.mark.parametrize("form", ["png", "svg"])
def test_plot(result: Recognition, tmp_path: Path, form: str) -> None:
    result.write(tmp_path / f"a.{form}")
    figure = result.plot()
    assert len(figure.axes) == 2
    words = [text.get_text() for area in figure.axes for text in area.texts]
    assert {"#1", "#2", CLASSES[0], UNCERTAIN} <= set(words)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == [*CLASSES, UNCERTAIN, "shot boundary"]


def test_annotated_video_keeps_times_and_sound(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.08, 0.2, 0.24, 0.5, 0.54, 0.98]  # uneven rate
    source = add_sound(write_video(tmp_path / "a.mp4", moving_frames(len(times)), times=times), tmp_path / "b.mkv")
    result = recognition(source, times, probe(source).duration_seconds, notice=True)
    result.write(tmp_path / "out.mp4")
    before, after = list(iter_frames(source)), list(iter_frames(tmp_path / "out.mp4"))
    assert [frame.seconds for frame in after] == pytest.approx([frame.seconds for frame in before], abs=2e-5)
    levels = [
        [frame.image[side * 5 // 8 : side * 7 // 8, side // 6 : side * 3 // 8, 0].mean() for frame in frames]
        for frames, side in ((before, 48), (after, 480))
    ]
    assert levels[1] == pytest.approx(levels[0], abs=3)
    assert np.argsort(levels[1]).tolist() == list(range(len(times)))
    assert sound(source) == sound(tmp_path / "out.mp4") != []
    box = after[0].image[200, 238:246].astype(int)  # the left side of the first person's box, ten times enlarged
    assert np.abs(box - class_colours(CLASSES)[CLASSES[0]]).sum(1).min() < 60


def test_formats_for_players_use_player_time(checkpoint: Path, tmp_path: Path) -> None:
    times = [0.52 + i / 25 for i in range(30)]
    pictures = write_video(tmp_path / "a.mp4", disc_frames(30, greys=[50] * 30), times=times)
    source = add_sound(pictures, tmp_path / "b.mkv")
    windows = WindowOptions(minimum_quality=0.0, minimum_segment_seconds=2.0)  # one segment
    result = Recognizer.from_checkpoint(checkpoint, DiscDetector(), windows=windows).recognize(source)
    (segment,) = result.segments
    assert segment.start_seconds == 0
    assert segment.end_seconds == pytest.approx(1.2)
    assert result.to_dict()["video"]["start_seconds"] == probe(source).start_seconds == pytest.approx(0.52)
    for form in ("vtt", "eaf", "textgrid", "csv"):
        result.write(tmp_path / f"a.{form}")
    (cue,) = webvtt.read(str(tmp_path / "a.vtt")).captions
    assert (cue.start, cue.end) == ("00:00:00.520", "00:00:01.720")
    (annotation,) = Eaf(str(tmp_path / "a.eaf")).get_annotation_data_for_tier("track 1")
    assert annotation[:2] == (520, 1720)
    tier = TextGrid(str(tmp_path / "a.textgrid"), codec="utf-8").get_tier(1)
    assert [interval[:2] for interval in tier.get_all_intervals()] == [(0, 0.52), (0.52, 1.72)]
    assert pandas.read_csv(tmp_path / "a.csv")["start_seconds"].iloc[0] == 0


@needs_real
def test_captions_of_a_real_video_whose_sound_begins_before_the_picture(checkpoint: Path) -> None:
    source = SourceOptions(maximum_seconds=0.6)
    video = REAL / "videos" / "shot_cuts_and_crowd.mp4"
    result = Recognizer.from_checkpoint(checkpoint, DiscDetector()).recognize(video, source=source)
    assert result.video.start_seconds == pytest.approx(0.844, abs=1e-3)


def test_the_clock_of_the_annotated_video_is_that_of_players(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4", moving_frames(13))
    punctual = recognition(source, [i / 25 for i in range(13)], 0.52, faces=False)
    late = replace(punctual, video=replace(punctual.video, duration_seconds=0.32, start_seconds=0.2))
    clocks = [[frame.image[-18:, -150:] for frame in draw_frames(result, source)] for result in (late, punctual)]
    assert np.array_equal(clocks[0][0], clocks[1][5])  # 0:00.2 / 0:00.5
    assert not np.array_equal(clocks[0][0], clocks[1][0])


@pytest.mark.parametrize("left", [2, 138])
def test_labels_at_the_border_are_complete(tmp_path: Path, left: int) -> None:
    source = write_frame_folder(tmp_path / "f", np.full((2, 120, 160, 3), 90, np.uint8))
    points = [TrackPoint(i, i / 25, FaceBox(left, 40, 20, 20, 1.0)) for i in range(2)]
    segments = [Segment(1, 0.0, 0.08, CLASSES[0], 0.9, quality=1.0)]
    entries = [TimelineEntry(1, 0.0, 0.08, (0.9, *(0.1 / 3,) * 3), 1.0, "")]
    track = make_track(1, 0.0, 0.08, points, entries, segments)
    result = Recognition(make_video(str(source), 0.08, 2), make_model(CLASSES), (track,))
    picture = next(draw_frames(result, source)).image[:480]
    assert (picture[:, [0, -1]] == 90).all()
    assert (picture[:160] != 90).any()


@pytest.mark.parametrize("kind", ["gif", "folder"])
def test_annotated_video_of_other_sources(tmp_path: Path, kind: str) -> None:
    frames = moving_frames(6, 47, 61) if kind == "folder" else moving_frames(6)
    source = write_frame_folder(tmp_path / "f", frames) if kind == "folder" else write_video(tmp_path / "a.gif", frames)
    info = probe(source)
    recognition(source, [i / 25 for i in range(6)], info.duration_seconds, faces=False).write(tmp_path / "out.mp4")
    written = probe(tmp_path / "out.mp4")
    assert written.frames == 6
    assert written.width == 640
    assert written.height > 480


def test_annotated_video_without_the_video(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.mp4 is not a file"):
        recognition(tmp_path / "gone.mp4", [0.0, 0.5], 1.0).write(tmp_path / "out.mp4")
    assert list(tmp_path.iterdir()) == []


def test_sound_that_an_mp4_cannot_hold_is_converted_to_aac(tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", moving_frames(25))
    source = add_sound(video, tmp_path / "b.mkv", "pcm_s16le")
    recognition(source, [i / 25 for i in range(25)], 1.0, faces=False).write(tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
        heard = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    assert len(heard) / 44100 == pytest.approx(1, abs=0.1)
    loudest = np.abs(np.fft.rfft(heard)).argmax() * 44100 / len(heard)
    assert loudest == pytest.approx(440, abs=3)


def add_sound(video: Path, target: Path, codec: str = "aac") -> Path:
    """Copy the frames and add a tone of one second."""
    with av.open(str(video)) as source, av.open(str(target), "w") as output:
        picture = output.add_stream_from_template(source.streams.video[0])
        tone = output.add_stream(codec, rate=44100)
        assert isinstance(tone, av.AudioStream)
        tone.layout = "mono"
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = picture
                output.mux(packet)
        wave = np.sin(np.arange(44032) * 440 * 2 * np.pi / 44100, dtype=np.float32)
        for start in range(0, len(wave), 1024):
            frame = av.AudioFrame.from_ndarray(wave[None, start : start + 1024], format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 44100, start, Fraction(1, 44100)
            output.mux(tone.encode(frame))
        output.mux(tone.encode(None))
    return target


def sound(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def test_annotated_video_never_replaces_its_source(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4", moving_frames(3))
    before = source.read_bytes()
    with pytest.raises(InputError, match="would replace the video itself"):
        recognition(source, [0.0, 0.04, 0.08], 0.12).write(source)
    assert source.read_bytes() == before


def test_the_command_writes_every_format(checkpoint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    _, shots = render_story(["happy"], PRESETS["easy"], 0, StoryConfig(seconds=1.5, fps=8.0, width=320, height=240))
    video = write_video(tmp_path / "a.mp4", np.stack([picture for picture, _ in shots]), fps=8.0)
    words = ["recognize", str(video), "--checkpoint", str(checkpoint), "--device", "cpu", "--out"]
    main([*words, str(tmp_path / "out"), "--formats", ",".join(FORMATS)])
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {file_name("a", form) for form in FORMATS}
    assert str(tmp_path / "out" / "a.eaf") in capfd.readouterr().out
    for bad in ("json,doc", ""):
        with pytest.raises(SystemExit):
            main([*words, str(tmp_path / "other"), "--formats", bad])
        assert "use some of json" in capfd.readouterr().err


def test_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ifdd.inference.outputs.write.find_spec", lambda name: None if name == "matplotlib" else name)
    assert parse_formats("json, CSV,.vtt,json") == ["json", "csv", "vtt"]
    with pytest.raises(InputError, match=r"png needs matplotlib.*ifdd\[plot\]"):
        parse_formats("json,png")


def test_unknown_ending_is_named(result: Recognition, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'\.doc'; use one of json, csv"):
        result.write(tmp_path / "a.doc")


def test_tracks_in_one_row_do_not_overlap() -> None:
    spans = [(0.0, 2.0), (0.0, 1.0), (1.0, 3.0), (2.0, 4.0), (2.5, 3.5)]
    tracks = [make_track(id, start, end) for id, (start, end) in enumerate(spans, 1)]
    assert assign_rows(tracks) == {1: 0, 2: 1, 3: 1, 4: 0, 5: 2}


# Machado, Oliveira and Fernandes 2009, severity 1: vision without one kind of cone, in linear RGB
BLIND: dict[str, list[list[float]]] = {
    "none": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


@pytest.mark.parametrize("kind", BLIND)
@pytest.mark.parametrize(("dataset", "least"), [("dfew", 15.0), ("mafw", 10.0), ("ravdess", 10.0)])
def test_colours_differ_for_the_colour_blind(dataset: str, least: float, kind: str) -> None:
    colours = [*class_colours(LABEL_SETS[dataset]).values(), UNCERTAIN_COLOUR][: len(LABEL_SETS[dataset])]
    srgb = np.array(colours) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(BLIND[kind]), 0, 1)
    back = np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)
    lab = cv2.cvtColor(back[None].astype(np.float32), cv2.COLOR_RGB2LAB)[0]
    apart = {(a, b): float(np.linalg.norm(lab[a] - lab[b])) for a, b in itertools.combinations(range(len(colours)), 2)}
    assert min(apart.values()) > least, min(apart, key=lambda pair: apart[pair])
