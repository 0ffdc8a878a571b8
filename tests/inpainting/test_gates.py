import numpy as np
import pytest
from helpers.inpainting_folder import disk

from hf_hardneg.inpainting.check import gates
from hf_hardneg.inpainting.check.gates import Candidate, find_reason
from hf_hardneg.inpainting.edit.paste import changed_mask, feather, paste_back
from hf_hardneg.inpainting.propose.proposals import Proposal


RED_BUS = Proposal(
    "1/1/color/blue", 1, 1, 1, "color", "bus", "bus", "A red bus.", "A blue bus.", 2, 5, "red", "blue", "red", "blue"
)


def candidate(mask=None, edited=None, proposal=RED_BUS, side=240):
    photo = np.random.default_rng(0).integers(0, 200, (side, 300, 3), dtype=np.uint8)
    mask = disk(300, side, (60, 60, 140, 140)) if mask is None else mask
    weights = feather(mask)
    edited = photo + np.uint8(50) if edited is None else edited
    return Candidate(
        photo, paste_back(photo, edited, weights), np.where(weights > 0, 255, 0).astype(np.uint8), proposal
    )


def test_paste_back_leaves_every_byte_outside_the_feathered_mask():
    mask = disk()
    photo = np.random.default_rng(0).integers(0, 256, (100, 120, 3), dtype=np.uint8)
    weights = feather(mask)
    result = paste_back(photo, 255 - photo, weights)
    assert (result[weights == 0] == photo[weights == 0]).all()
    assert (result[weights == 255] == 255 - photo[weights == 255]).all()
    edge = (weights > 0) & (weights < 255)
    assert edge.any() and (weights[mask] > 0).all() and (weights > 0).sum() < 1.5 * mask.sum()
    with pytest.raises(ValueError, match="must be of one size"):
        paste_back(photo, photo[:50], weights)


def test_the_mask_is_where_the_photos_differ_with_small_gaps_closed():
    photo = np.zeros((20, 30, 3), np.uint8)
    edited = photo.copy()
    edited[5:12, 8:20, 1] = 9
    edited[8, 12] = 0
    mask = changed_mask(photo, edited)
    assert set(np.unique(mask)) == {0, 255} and (mask[5:12, 8:20] == 255).all() and (mask > 0).sum() == 7 * 12
    assert not changed_mask(photo, photo).any()


def test_a_good_candidate_passes():
    assert find_reason(candidate()) is None


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (candidate(side=150), gates.TOO_SMALL_PHOTO),
        (candidate()._replace(mask=np.zeros((240, 299), np.uint8)), gates.OTHER_SIZE),
        (candidate()._replace(edited=np.zeros((120, 300, 3), np.uint8)), gates.OTHER_SIZE),
        (candidate(disk(300, 240, (60, 60, 64, 64))), gates.SMALL_MASK),
        (candidate(np.ones((240, 300), bool)), gates.LARGE_MASK),
        (candidate()._replace(edited=candidate().photo), gates.UNCHANGED),
        (candidate()._replace(edited=candidate().photo + np.uint8(50)), gates.CHANGED_OUTSIDE),
        (candidate(proposal=RED_BUS._replace(new_caption="A blue car.")), gates.NOT_ONE_SPAN),
        (candidate(proposal=RED_BUS._replace(new_caption="A red bus.", new_text="red")), gates.NOT_ONE_SPAN),
        (candidate(proposal=RED_BUS._replace(old_text="bus")), gates.NOT_ONE_SPAN),
    ],
)
def test_bad_candidates_say_why(made, reason):
    assert find_reason(made) == reason
