import pytest

from ifdd.data.labels import (
    LABEL_SETS,
    SPELLINGS,
    canonical_label,
    class_indices,
    class_names,
    clean_label,
    natural_order,
    parse_votes,
    soft_label,
)
from ifdd.errors import InputError


@pytest.mark.parametrize(
    ("spelling", "canonical"),
    [
        ("Happiness", "happy"),
        ("happy", "happy"),
        ("Angry", "angry"),
        ("anger", "angry"),
        (" SADNESS ", "sad"),
        ("anger_disgust", "angry_disgust"),
        ("Helpless_fearful_sadness", "fear_sad_helplessness"),
    ],
)
def test_spellings_have_one_canonical_name(spelling: str, canonical: str) -> None:
    assert canonical_label(spelling) == canonical


def test_label_sets_have_the_official_sizes_and_known_names() -> None:
    assert {name: len(labels) for name, labels in LABEL_SETS.items()} == {
        "dfew": 7,
        "ferv39k": 7,
        "mafw": 11,
        "cremad": 6,
        "ravdess": 8,
        "mafw_compound": 43,
    }
    seven = set(LABEL_SETS["dfew"])
    assert {canonical_label(name) for name in LABEL_SETS["ferv39k"]} == seven
    assert {canonical_label(name) for name in LABEL_SETS["mafw"]} == set(SPELLINGS) - {"calm"} > seven
    assert {canonical_label(name) for name in LABEL_SETS["ravdess"]} == seven | {"calm"}
    assert {canonical_label(name) for name in LABEL_SETS["cremad"]} == seven - {"surprise"}


def test_compounds_are_distinct_sets_of_mafws_emotions_in_its_order() -> None:
    single, compound = LABEL_SETS["mafw"], LABEL_SETS["mafw_compound"]
    assert compound[:11] == single
    assert len({frozenset(name.split("_")) for name in compound}) == 43
    for name in compound:
        places = [single.index(part) for part in name.split("_")]
        assert places == sorted(set(places))
    assert class_indices(["disgust_anger", "anger"], "mafw_compound") == [11, 0]


def test_a_compound_names_each_emotion_once() -> None:
    with pytest.raises(InputError, match="names an emotion twice"):
        canonical_label("anger_angry")
    with pytest.raises(InputError, match="unknown emotion 'anger_bored'"):
        canonical_label("anger_bored")


def test_votes_become_shares_in_the_order_of_the_classes() -> None:
    assert parse_votes("happy:7 Sadness:2 neutral:1") == {"happy": 7, "Sadness": 2, "neutral": 1}
    assert parse_votes("very engaged:3  not engaged:1") == {"very engaged": 3, "not engaged": 1}
    assert parse_votes(" ") == {}
    assert soft_label("happy:7 sad:2 neutral:1", "dfew") == [0.7, 0.2, 0.1, 0, 0, 0, 0]
    assert soft_label("happy:1 sad:3", ["sad", "joy"], synonyms=True) == [0.75, 0.25]
    assert soft_label("happy:1 joy:1 sad:2", "dfew", synonyms=True)[:2] == [0.5, 0.5]
    with pytest.raises(InputError, match="happy and joy would both be the class happy"):
        soft_label("happy:1 joy:1 sad:2", "dfew")


@pytest.mark.parametrize(
    ("votes", "message"),
    [
        ("happy:7 happy:1", "name happy twice"),
        ("happy", "write them as"),
        ("happy:-1", "write them as"),
        ("happy:0", "write them as"),
        (":2", "write them as"),
    ],
)
def test_bad_votes_are_refused(votes: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_votes(votes)


def test_a_soft_label_needs_votes_for_its_classes() -> None:
    with pytest.raises(InputError, match="no votes"):
        soft_label("", "dfew")
    with pytest.raises(InputError, match="no class for the labels contempt"):
        soft_label("contempt:3", "dfew")


def test_no_spelling_belongs_to_two_emotions() -> None:
    spellings = [spelling for name, others in SPELLINGS.items() for spelling in (name, *others)]
    assert len(spellings) == len(set(spellings))


def test_indices_follow_the_order_of_the_label_set_not_of_the_data() -> None:
    labels = ["fear", "Anger", "happiness"]
    assert class_indices(labels, "dfew") == [6, 3, 0]
    assert class_indices(labels, "ferv39k") == [2, 0, 3]
    assert class_indices(labels, ["happy", "angry", "fear"], synonyms=True) == [2, 1, 0]


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"'bored'.*happy, sad"):
        canonical_label("bored")
    with pytest.raises(InputError, match=r"'DFEW2'.*dfew, ferv39k, mafw"):
        class_names("DFEW2")
    with pytest.raises(InputError, match="contempt"):
        class_indices(["happy", "contempt"], "dfew")


@pytest.mark.parametrize(
    ("classes", "message"), [([], "empty"), (["low", " low "], "low more than once"), (["a", ""], "is empty")]
)
def test_bad_class_lists_are_refused(classes: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        class_names(classes)


def test_names_of_your_own_are_matched_as_written() -> None:
    levels = ["0", "1", "2", "3", "sehr müde", "A/1"]
    assert class_indices(levels, levels) == [0, 1, 2, 3, 4, 5]
    assert class_indices(["happiness", "joy"], ["joy", "happiness"]) == [1, 0], "two classes, although one emotion"
    assert class_indices(["LOW"], ["low", "high"]) == [0]
    assert class_indices(["a", "A"], ["A", "a"]) == [1, 0]
    with pytest.raises(InputError, match="labels are happy, 7, the classes are happiness, joy: name all labels"):
        class_indices(["7", "happy"], ["happiness", "joy"])
    with pytest.raises(InputError, match=r"no class for the labels joy; .*: switch on synonyms"):
        class_indices(["joy"], ["happy", "low"])


def test_synonyms_are_merged_only_where_asked_for() -> None:
    with pytest.raises(InputError, match="labels happy and joy would both be the class happy"):
        class_indices(["happy", "joy"], "dfew")
    assert class_indices(["happy", "joy"], "dfew", synonyms=True) == [0, 0]


@pytest.mark.parametrize("name", ["", "  ", "a\x07b", "Uncertain"])
def test_names_that_no_output_could_show_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="class"):
        clean_label(name)


def test_names_have_a_natural_order() -> None:
    assert natural_order(["level 10", "level 2", "joy", "happy", "b"]) == ["happy", "joy", "b", "level 2", "level 10"]
