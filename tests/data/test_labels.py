import pytest

from ifdd.data.labels import LABEL_SETS, SPELLINGS, canonical_label, class_indices, class_names
from ifdd.errors import InputError


@pytest.mark.parametrize(
    ("spelling", "canonical"),
    [
        ("Happiness", "happy"),
        ("happy", "happy"),
        ("Angry", "angry"),
        ("anger", "angry"),
        (" SADNESS ", "sad"),
    ],
)
def test_spellings_become_one_name(spelling: str, canonical: str) -> None:
    assert canonical_label(spelling) == canonical


def test_label_sets_have_the_official_sizes_and_known_names() -> None:
    assert {name: len(labels) for name, labels in LABEL_SETS.items()} == {"dfew": 7, "ferv39k": 7, "mafw": 11}
    seven = set(LABEL_SETS["dfew"])
    assert {canonical_label(name) for name in LABEL_SETS["ferv39k"]} == seven
    assert {canonical_label(name) for name in LABEL_SETS["mafw"]} == set(SPELLINGS) > seven


def test_no_spelling_belongs_to_two_emotions() -> None:
    spellings = [spelling for name, others in SPELLINGS.items() for spelling in (name, *others)]
    assert len(spellings) == len(set(spellings))


def test_indices_follow_the_order_of_the_label_set_not_of_the_data() -> None:
    labels = ["fear", "Anger", "happiness"]
    assert class_indices(labels, "dfew") == [6, 3, 0]
    assert class_indices(labels, "ferv39k") == [2, 0, 3]
    assert class_indices(labels, ["happy", "angry", "fear"]) == [2, 1, 0]


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"'bored'.*happy, sad"):
        canonical_label("bored")
    with pytest.raises(InputError, match=r"'DFEW2'.*dfew, ferv39k, mafw"):
        class_names("DFEW2")
    with pytest.raises(InputError, match="contempt"):
        class_indices(["happy", "contempt"], "dfew")


@pytest.mark.parametrize(("classes", "message"), [([], "empty"), (["anger", "angry"], "angry more than once")])
def test_bad_class_lists_are_refused(classes: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        class_names(classes)
