"""CREMA-D as a clone of its repository: 7,442 videos of 91 actors, what each meant, and what a crowd saw.

Videos: ``VideoFlash/1001_DFA_ANG_XX.flv``: actor, sentence, emotion, level. ``VideoDemographics.csv``: age, sex, race
and ethnicity of the actors. ``processedResults/tabulatedVotes.csv``: three rows a clip, whose number begins with 1 for
votes on the voice alone, 2 for the face alone, 3 for both; it also serves as the list of clips.

A clip has two labels. *intended* is the emotion that the actor was asked for. *votes* is what the crowd saw in the face
alone: the emotion with most votes; of a tie, the intended one if it is among the tied ones, otherwise the clip is left
out. The votes are the soft labels of the manifest in both cases. CREMA-D has no folds; ``actors`` has the rule for
them.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ifdd.data.datasets.actors import PAIRS, ActedClip, add_clips, is_lfs_pointer
from ifdd.data.datasets.listing import (
    Folder,
    Listing,
    Options,
    Severity,
    choose_variant,
    clips_in,
    read_columns,
    report_skipped,
    walk,
)
from ifdd.data.labels import LABEL_SETS
from ifdd.errors import InputError
from ifdd.folders import some

CLASSES = LABEL_SETS["cremad"]

FRAMES = "VideoFlash"
"""The only kind of frames, and the name of its folder."""

LABELS = ("intended", "votes")
"""What a clip's label may be: the actor's emotion, or the crowd's majority on the face alone."""

EMOTIONS = {"ANG": "angry", "DIS": "disgust", "FEA": "fear", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
"""Code in a clip's name -> canonical label."""

VOTE_COLUMNS = {"A": "angry", "D": "disgust", "F": "fear", "H": "happy", "N": "neutral", "S": "sad"}
"""Column of the votes -> canonical label."""

FACE_ROWS = "2"
"""First digit of the rows with votes on the face alone."""

CLIP_NAME = re.compile(rf"(1[0-9]{{3}})_([A-Z]{{3}})_({'|'.join(EMOTIONS)})_(LO|MD|HI|XX)")

ACTORS = frozenset(str(number) for number in range(1001, 1092))

DEMOGRAPHICS = "VideoDemographics.csv"
VOTES = "tabulatedVotes.csv"


class Ballot(NamedTuple):
    """The crowd's votes on one face."""

    counts: dict[str, int]
    """Canonical label -> number of votes, at least 1."""
    where: str

    @property
    def winners(self) -> list[str]:
        """The labels with most votes: several in a tie."""
        most = max(self.counts.values())
        return [label for label, count in self.counts.items() if count == most]


def read_cremad(root: Path, options: Options) -> Listing:
    """Read actors, votes and which videos are on disk.

    Raises:
        InputError: there are no videos or no demographics; Git LFS has not fetched the files; the kind of labels or of
            frames is unknown; or the labels are the votes and there are none.
    """
    if options.labels not in LABELS:
        raise InputError(f"unknown labels {options.labels!r}; choose one of {', '.join(LABELS)}")
    tree = walk(root)
    variant, frames = choose_variant(tree, {FRAMES: (FRAMES,)}, options.frames, root)
    _refuse_pointers(root, [path for _, path in clips_in(frames)])
    listing = Listing("cremad", "cremad", CLASSES, variant, PAIRS)
    report_skipped(listing, tree)
    listing.put_on_disk(_named_clips(listing, frames))
    actors = _read_actors(listing, tree, root)
    if not (root / "synth.json").exists():  # a tree of SynthDFER has other actors
        _check_actors(listing, set(actors))
    ballots = _read_votes(listing, tree, root, needed=options.labels == "votes")
    clips = list(_clips(listing, frames, actors, ballots, options.labels))
    add_clips(listing, clips, {actor: facts["sex"] for actor, facts in actors.items()})
    if ballots:
        _report_agreement(listing, [clip.clip_id for clip in clips], ballots)
    return listing


def crowd_label(ballot: Ballot, intended: str) -> str:
    """Return the label with most votes; of a tie, the intended one if it is among the tied ones, otherwise ""."""
    winners = ballot.winners
    return winners[0] if len(winners) == 1 else intended if intended in winners else ""


def _refuse_pointers(root: Path, paths: list[Path]) -> None:
    pointers = [path for path in paths if is_lfs_pointer(path)]
    if pointers:
        raise InputError(
            f"{len(pointers)} of {len(paths)} files of {root} are Git LFS pointers of about 130 bytes, such as "
            f"{pointers[0].name}; run 'git lfs pull' in {root} to fetch their content"
        )


def _named_clips(listing: Listing, frames: Folder) -> Iterator[tuple[str, Path]]:
    for name, path in clips_in(frames):
        if CLIP_NAME.fullmatch(name):
            yield name, path
        else:
            message = f"{path.parent.name}/{path.name} is not named like 1001_DFA_ANG_XX.flv; it is not used"
            listing.report("unlisted", "note", message)


def _find_file(tree: list[Folder], wanted: str) -> tuple[Folder, str] | None:
    """Return the shallowest file of a name, in any case."""
    found = ((folder, name) for folder in tree for name in folder.files if name.lower() == wanted.lower())
    return next(found, None)


def _rows(listing: Listing, folder: Folder, name: str, wanted: set[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield place and column -> text of every line of a table.

    Raises:
        InputError: the file is a pointer, or a column is missing.
    """
    _refuse_pointers(folder.path, [folder.path / name])
    table = read_columns(listing, folder, name, sorted(wanted))
    where, header = f"{folder.relative}/{name}".lstrip("/"), table.header
    if not wanted <= set(header):
        raise InputError(
            f"{folder.path / name}: the first line must name {', '.join(sorted(wanted))}; it was {table.form}; copy it "
            "again"
        )
    for number, cells in table.rows:
        if len(cells) == len(header):
            yield f"{where}, line {number}", dict(zip(header, cells, strict=True))
        else:
            listing.drop_line(f"{where}, line {number}", f"{len(cells)} columns, not {len(header)}; correct the line")


def _read_actors(listing: Listing, tree: list[Folder], root: Path) -> dict[str, dict[str, str]]:
    """Return actor's id -> age, sex, race and ethnicity."""
    found = _find_file(tree, DEMOGRAPHICS)
    if found is None:
        raise InputError(f"{root} contains no {DEMOGRAPHICS}, from which the folds are made; copy it from the dataset")
    actors: dict[str, dict[str, str]] = {}
    for where, row in _rows(listing, *found, {"ActorID", "Age", "Sex", "Race", "Ethnicity"}):
        sex = row["Sex"].strip().lower()
        if sex not in ("female", "male") or not row["ActorID"].isdigit():
            listing.drop_line(where, f"actor {row['ActorID']!r} has the sex {row['Sex']!r}; correct the line")
            continue
        actors[row["ActorID"]] = {
            "age": row["Age"],
            "sex": sex,
            "race": row["Race"],
            "ethnicity": row["Ethnicity"],
        }
    return actors


def _check_actors(listing: Listing, actors: set[str]) -> None:
    """Refuse other actors than those of the dataset: the folds are dealt from all of them, and would be others."""
    for words, names in (("lacks", ACTORS - actors), ("also has", actors - ACTORS)):
        if names:
            message = (
                f"{DEMOGRAPHICS} {words} actors: {some(names)}; the folds are made from its {len(ACTORS)} actors and "
                "would be others, so copy it from the dataset again"
            )
            listing.report("partition", "refused", message)


def _read_votes(listing: Listing, tree: list[Folder], root: Path, *, needed: bool) -> dict[str, Ballot]:
    """Return clip id -> votes on its face; empty without the file, which is an error if the votes are the labels."""
    found = _find_file(tree, VOTES)
    if found is None:
        if needed:
            raise InputError(f"{root} contains no processedResults/{VOTES}; copy it, or choose --labels intended")
        message = f"no processedResults/{VOTES}, which lists the clips and has the votes; copy it from the dataset"
        listing.report("lists", "wrong", message)
        return {}
    ballots: dict[str, Ballot] = {}
    for where, row in _rows(listing, *found, {"", "fileName", *VOTE_COLUMNS}):
        if not row[""].startswith(FACE_ROWS):
            continue
        cells = {label: row[column].strip() for column, label in VOTE_COLUMNS.items()}
        if not (
            CLIP_NAME.fullmatch(row["fileName"]) and all(re.fullmatch("[0-9]{1,9}", cell) for cell in cells.values())
        ):
            listing.drop_line(where, f"{row['fileName']!r} and its votes are not as in the dataset; correct the line")
            continue
        counts = {label: int(cell) for label, cell in cells.items() if int(cell)}
        ballots[row["fileName"]] = Ballot(counts, where)
    return ballots


def _clips(
    listing: Listing,
    frames: Folder,
    actors: Mapping[str, Mapping[str, str]],
    ballots: Mapping[str, Ballot],
    labels: str,
) -> Iterator[ActedClip]:
    """Yield every clip on disk or in the votes, by id; those of unknown actors are reported only."""
    for clip_id in sorted(listing.on_disk.keys() | ballots.keys()):
        match = CLIP_NAME.fullmatch(clip_id)
        assert match is not None  # checked before
        actor, sentence, code, level = match.groups()
        ballot, source = ballots.get(clip_id), listing.on_disk.get(clip_id, frames.path / f"{clip_id}.flv")
        if actor not in actors:
            message = f"clip {clip_id}: actor {actor} is not in {DEMOGRAPHICS}; add the actor, or remove the clip"
            listing.report("ids", "wrong", message, clip_id)
            continue
        counts = ballot.counts if ballot else {}
        label, problem = EMOTIONS[code], ""
        if not counts and ballots:
            severity: Severity = "wrong" if labels == "votes" else "note"
            listing.report("votes", severity, f"clip {clip_id} has no votes on its face in {VOTES}", clip_id)
            problem = "no votes" if labels == "votes" else ""
        elif ballot and labels == "votes":
            label = crowd_label(ballot, EMOTIONS[code])
            problem = "" if label else f"tied votes: {_text(counts)}, intended {EMOTIONS[code]}"
        facts = {**actors[actor], "sentence": sentence, "level": level}
        where = ballot.where if ballot else f"{FRAMES}/{source.name}"
        yield ActedClip(clip_id, actor, label, where, source, tuple(facts.items()), _text(counts), problem)


def _text(counts: Mapping[str, int]) -> str:
    """Return votes in the form of the manifest."""
    return " ".join(f"{label}:{count}" for label, count in counts.items())


def _report_agreement(listing: Listing, clip_ids: list[str], ballots: Mapping[str, Ballot]) -> None:
    """Note in how many clips the crowd saw something else than the actor meant."""
    outcomes: Counter[str] = Counter()
    others: Counter[str] = Counter()
    voted = [clip_id for clip_id in clip_ids if clip_id in ballots and ballots[clip_id].counts]
    for clip_id in voted:
        intended, winners = EMOTIONS[clip_id.split("_")[2]], ballots[clip_id].winners
        if len(winners) == 1:
            outcomes["same" if winners == [intended] else "other"] += 1
            others[intended] += winners != [intended]
        else:
            outcomes["tie" if intended in winners else "other tie"] += 1
    by_class = ", ".join(f"{label} {others[label]}" for label in EMOTIONS.values())
    listing.report(
        "votes",
        "note",
        f"of {len(voted)} clips, the crowd saw in the face alone what the actor meant in {outcomes['same']} and "
        f"another emotion in {outcomes['other']} ({by_class}); {outcomes['tie'] + outcomes['other tie']} are ties, "
        f"{outcomes['other tie']} of them without the intended emotion",
    )
