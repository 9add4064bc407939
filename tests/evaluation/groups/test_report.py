from dataclasses import replace

from rich.console import Console

from ifdd.evaluation.groups.report import group_table, groups_markdown
from ifdd.records import Estimate, GapRecord, GroupRecord, GroupsRecord


def group(name: str, clips: int, war: Estimate, counted: bool = True) -> GroupRecord:
    return GroupRecord(
        group=name,
        clips=clips,
        subjects=7,
        counted=counted,
        war=war,
        uar=Estimate(0.5, 0.4, 0.6),
        recalls={"happy": Estimate(0.25, None, None), "sad": None, "fear": None},
        support={"happy": clips, "sad": 3 if name == "all" else 0, "fear": 0},
        confidence=0.75,
        overconfidence=Estimate(-0.05, -0.1, 0.025),
        ece=Estimate(0.0625, 0.05, 0.075),
    )


RESULT = GroupsRecord(
    column="age",
    band=10.0,
    groups=(
        group("20 to 29", 40, Estimate(0.8, 0.7, 0.9)),
        group("30 to 39", 31, Estimate(0.7, 0.6, 0.8)),
        group("", 2, Estimate(1.0, None, None), counted=False),
    ),
    overall=group("all", 73, Estimate(0.76, 0.7, 0.82), counted=False),
    gaps=(GapRecord("war", "20 to 29", "30 to 39", Estimate(0.1, -0.05, 0.25)),),
    minimum_clips=30,
    minimum_subjects=5,
    bins=15,
    level=0.95,
    resampled="subjects",
    resamples=2000,
    seed=0,
)


def test_markdown_by_hand() -> None:
    text = "\n".join(groups_markdown(RESULT, level=3))
    for line in (
        "### By age",
        "Numbers are cut into bands of 10. In brackets: 95 % intervals from 2000 resamples of subjects; those of gaps "
        "hold for all pairs of groups at once. Groups marked * have fewer than 30 clips or 5 subjects or no value, and "
        "do not count toward the gaps.",
        "| age | clips | subjects | WAR % | UAR % | confidence % | confidence minus accuracy % | ECE % |",
        # files of earlier versions have an interval of the calibration error, which is wrong
        "| 20 to 29 | 40 | 7 | 80.00 (70.0 to 90.0) | 50.00 (40.0 to 60.0) | 75.00 | -5.00 (-10.0 to 2.5) | 6.25 |",
        "| not stated * | 2 | 7 | 100.00 | 50.00 (40.0 to 60.0) | 75.00 | -5.00 (-10.0 to 2.5) | 6.25 |",
        "| age | happy | sad |",
        "| all | 25.00 | - |",
        "| WAR | 20 to 29 | 30 to 39 | 10.00 (-5.0 to 25.0) |",
    ):
        assert line in text.splitlines()


def test_the_record_is_read_back() -> None:
    assert GroupsRecord.read(RESULT.plain(), "evaluation.json") == RESULT


def test_the_table_of_a_terminal_fits_and_names_the_gap() -> None:
    console = Console(width=80, record=True, file=None)
    with console.capture() as capture:
        console.print(group_table(RESULT))
    text = " ".join(capture.get().split())
    assert "…" not in text
    assert "Largest gap in WAR: 10.00 (-5.0 to 25.0), 20 to 29 and 30 to 39." in text
    assert "all 73 76.0 (70 to 82) 50.0 (40 to 60) -5.0 (-10 to 2)" in text
    assert "not stated * 2 100.0 50.0 (40 to 60)" in text


def test_names_in_brackets_are_shown_in_the_terminal() -> None:
    known, *others = RESULT.groups
    gap = replace(RESULT.gaps[0], highest="[unknown]")
    groups = (replace(known, group="[unknown]"), *others)
    console = Console(width=80, record=True, file=None)
    with console.capture() as capture:
        console.print(group_table(replace(RESULT, column="[age]", groups=groups, gaps=(gap,))))
    text = " ".join(capture.get().split())
    assert "By [age]" in text
    assert "[age] clips WAR %" in text
    assert "[unknown] 40 80.0" in text
    assert "10.00 (-5.0 to 25.0), [unknown] and 30 to 39." in text
