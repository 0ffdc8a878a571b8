from pathlib import Path

import pytest

from hf_hardneg.data.coco_photos import CocoPhoto, Instance
from hf_hardneg.inpainting.propose.categories import can_stand_for
from hf_hardneg.inpainting.propose.proposals import (
    NAMED_TWICE,
    NO_CLEAR_INSTANCE,
    NO_CONCEPT,
    NO_THING,
    PLURAL,
    UNKNOWN_CATEGORY,
    ProposeSwaps,
)
from hf_hardneg.lexicon.index import load_index


FOLDER = {"person", "bus", "car", "cup", "vase", "clock", "cat", "dog", "umbrella", "gizmo", "carrot"}


def propose(captions, *things, seed=0):
    """Proposals for captions of a photo with (category, area) things."""
    instances = tuple(
        Instance(i, category, [[0, 0, 9, 0, 9, 9]], (0, 0, 9, 9), area, False)
        for i, (category, area) in enumerate(things, 1)
    )
    texts = tuple(enumerate([captions] if isinstance(captions, str) else captions, 1))
    photo = CocoPhoto(7, Path("photo.jpg"), (320, 240), texts, instances)
    return ProposeSwaps(load_index(), FOLDER, seed)(photo)


def swaps(captions, *things, concept="color"):
    return {one.new for one in propose(captions, *things)[0] if one.concept == concept}


def test_one_span_changes_and_the_article_belongs_to_it():
    proposals, _ = propose("A red bus on a road.", ("bus", 100))
    orange = next(one for one in propose("A blue bus on a road.", ("bus", 100))[0] if one.new == "orange")
    assert (orange.new_caption, orange.old_text, orange.new_text) == (
        "An orange bus on a road.",
        "A blue",
        "An orange",
    )
    assert len(proposals) > 5 and len({one.key for one in proposals}) == len(proposals)
    for one in proposals:
        assert one.new_caption == one.caption[: one.start] + one.new_text + one.caption[one.end :]
        assert one.caption[one.start : one.end] == one.old_text and one.instance_id == 1


def test_a_color_is_never_invented_and_must_be_the_things_own():
    assert swaps("A bus on a road.", ("bus", 100)) == set()
    assert swaps("A bus and a red hat.", ("bus", 100)) == set()
    assert swaps("A dark red bus.", ("bus", 100)) == swaps("A red, green and blue bus.", ("bus", 100)) == set()
    assert swaps("A large red bus.", ("bus", 100)) >= {"blue", "green"}


def test_one_of_two_colors_changes_alone():
    proposals = propose("A red and blue bus.", ("bus", 100))[0]
    assert {one.old for one in proposals} == {"red", "blue"} and all(one.is_part for one in proposals)
    assert "A red and yellow bus." in {one.new_caption for one in proposals}
    assert not {"red", "blue", "pink", "teal"} & {one.new for one in proposals}  # said, or like what is said


def test_a_plural_means_all_of_them_and_only_their_color_changes():
    proposals = propose("Two large red buses.", ("bus", 100), ("cup", 20), ("bus", 90))[0]
    assert {one.concept for one in proposals} == {"color"} and {one.instance_id for one in proposals} == {1}
    assert {one.also for one in proposals} == {(3,)} and {one.old for one in proposals} == {"red"}
    assert propose("Two red buses.", ("bus", 100))[0] == []  # the other one has no mask


def test_colors_are_plausible_and_false():
    assert swaps("A black cat.", ("cat", 100)) == {"white", "brown", "orange"}
    found = swaps(["A red bus.", "A bus before a blue house."], ("bus", 100))
    assert "green" in found and not found & {"red", "blue", "pink", "orange"}


def test_objects_become_what_fits_the_place_and_is_not_there():
    found = swaps(["A cup on a table.", "A clock is there, too."], ("cup", 100), concept="object")
    assert found == {"vase"}
    assert "vase" not in swaps("A cup on a table.", ("cup", 100), ("vase", 20), concept="object")
    assert can_stand_for("cup", "vase", True) and not can_stand_for("cup", "bus", False)
    assert not can_stand_for("cup", "carrot", True) and not can_stand_for("cup", "wine glass", True)  # see both lists
    assert can_stand_for("chair", "motorcycle", False) and not can_stand_for("chair", "motorcycle", True)


def test_a_described_object_stays():
    assert swaps("A wooden cup on a table.", ("cup", 100), concept="object") == set()
    assert swaps("A cup of coffee.", ("cup", 100), concept="object") == set()


def test_sizes_swap_for_opposites_only():
    assert swaps("A large umbrella.", ("umbrella", 100), concept="size") == {
        "small", "little", "tiny", "miniature", "mini",
    }  # fmt: skip
    assert "huge" in swaps("A small umbrella.", ("umbrella", 100), concept="size")
    assert swaps("A little girl.", ("person", 100), concept="size") == set()


def test_clothes_are_looked_for_on_the_only_person():
    [one, *_] = propose("A man in a blue shirt.", ("person", 100))[0]
    assert (one.garment, one.category, one.concept) == ("shirt", "person", "color") and "/shirt/" in one.key
    assert propose("A man in a blue shirt.", ("person", 100), ("person", 90))[0] == []
    assert propose("A blue shirt and a red shirt.", ("person", 100))[0] == []


@pytest.mark.parametrize(
    ("caption", "things", "reason"),
    [
        ("Nothing is said here.", [("bus", 100)], NO_THING),
        ("A red bus and a blue bus.", [("bus", 100)], NAMED_TWICE),
        ("A red bus.", [("bus", 100), ("bus", 90)], NO_CLEAR_INSTANCE),
        ("Two red buses.", [("bus", 100)], PLURAL),
        ("Shiny new bus.", [("bus", 100)], NO_CONCEPT),
        ("A red gizmo.", [("gizmo", 100)], UNKNOWN_CATEGORY),
    ],
)
def test_captions_without_a_proposal_say_why(caption, things, reason):
    proposals, skipped = propose(caption, *things)
    assert proposals == [] and skipped[reason] == 1


def test_the_clearly_largest_instance_is_meant():
    proposals, _ = propose("A red bus.", ("bus", 10), ("bus", 100))
    assert {one.instance_id for one in proposals} == {2}


def test_the_order_follows_from_the_seed():
    captions = ["A red bus on a road.", "The red bus is parked."]
    assert propose(captions, ("bus", 100)) == propose(captions, ("bus", 100))
    other = propose(captions, ("bus", 100), seed=1)[0]
    assert [one.key for one in other] != [one.key for one in propose(captions, ("bus", 100))[0]]
