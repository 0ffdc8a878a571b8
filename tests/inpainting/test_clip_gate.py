import numpy as np
import pytest
import torch
from helpers.inpainting_folder import PHOTOS, accepted_pairs, make_folder
from helpers.inpainting_models import save_sam
from helpers.models import processor_for, small_siglip2
from PIL import Image

from hf_hardneg.cli import main
from hf_hardneg.inpainting.check.clip_gate import PREFERS_OLD, WRONG_WAY, ClipGate, judge_scores
from hf_hardneg.inpainting.check.gates import GATES, Candidate, find_reason
from hf_hardneg.inpainting.journal import load_image, read_journal
from hf_hardneg.inpainting.propose.proposals import Proposal
from hf_hardneg.inpainting.run_parts import load_run_parts
from hf_hardneg.model.encoding import encode_images, encode_texts


def candidate(photo_seed=0, edit_seed=1):
    values = {name: "" for name in Proposal._fields}
    proposal = Proposal(**values | {"caption": "A red bus.", "new_caption": "A blue bus."})
    photo, edited = (
        np.random.default_rng(seed).integers(0, 255, (60, 80, 3), dtype=np.uint8) for seed in (photo_seed, edit_seed)
    )
    return Candidate(photo, edited, np.full((60, 80), 255, np.uint8), proposal)


@pytest.mark.parametrize(
    ("scores", "reason", "strict"),
    [
        ([[0.3, 0.2], [0.2, 0.3]], None, None),
        ([[0.3, 0.2], [0.3, 0.25]], None, PREFERS_OLD),
        ([[0.3, 0.2], [0.4, 0.25]], WRONG_WAY, WRONG_WAY),  # both gain, the old caption more
        ([[0.3, 0.2], [0.3, 0.2]], WRONG_WAY, WRONG_WAY),
        ([[0.2, 0.3], [0.2, 0.25]], WRONG_WAY, WRONG_WAY),
        ([[0.3, 0.2], [0.3, float("nan")]], WRONG_WAY, WRONG_WAY),
    ],
)
def test_the_new_caption_must_gain_more(scores, reason, strict):
    assert judge_scores(scores) == reason
    assert judge_scores(scores, prefers_new=True) == strict


def test_the_scores_are_those_of_the_evaluation(start, model, processor):
    gate, one = ClipGate(start), candidate()
    images = encode_images(model, processor, [Image.fromarray(one.photo), Image.fromarray(one.edited)])
    texts = encode_texts(model, processor, ["A red bus.", "A blue bus."])
    torch.testing.assert_close(torch.tensor(gate.score(one)), images @ texts.T)
    assert gate(one) == judge_scores((images @ texts.T).tolist())


def test_an_edit_and_its_undoing_are_judged_the_opposite_way(start):
    gate, one = ClipGate(start), candidate()
    undone = one._replace(photo=one.edited, edited=one.photo)
    assert {gate(one), gate(undone)} == {None, WRONG_WAY}
    assert gate(one._replace(edited=one.photo)) == WRONG_WAY


def test_a_photo_and_its_captions_are_read_once(start, monkeypatch):
    gate, one = ClipGate(start), candidate()
    seen = []
    encode = gate._encode_image
    monkeypatch.setattr(gate, "_encode_image", lambda pixels: seen.append(pixels) or encode(pixels))
    first = gate.score(one)
    assert gate.score(one) == first and len(seen) == 3 and gate._embed_text.cache_info().misses == 2
    gate.score(candidate(2))
    assert len(seen) == 5


def test_any_dual_encoder_will_do(processor, tmp_path):
    small_siglip2(processor.tokenizer).save_pretrained(tmp_path)
    processor_for(small_siglip2, processor).save_pretrained(tmp_path)
    assert ClipGate(str(tmp_path)).score(candidate())[0][0] != 0


def test_the_command_asks_the_gate_last_and_says_so(start, tmp_path):
    coco = make_folder(tmp_path / "coco", PHOTOS[:2])
    out = tmp_path / "out"
    main(["inpaint", "build", "--coco", str(coco), "--out", str(out), "--clip", start, "--clip_prefers_new"])
    lines = list(read_journal(out))
    made_with = {"editor": "classical", "clip": start, "clip_prefers_new": True}
    assert lines[0]["made_with"] == made_with
    reasons = [line["reason"] for line in lines if line["kind"] == "decision"]
    assert {WRONG_WAY, PREFERS_OLD} & set(reasons)
    gates = load_run_parts(made_with).gates
    assert gates[:-1] == GATES and load_run_parts({"editor": "classical"}).gates == GATES
    for item, made in accepted_pairs(out):
        images = [load_image(out, digest) for digest in (item.photo, made.image, made.mask)]
        assert find_reason(Candidate(*images, item.proposal), gates) is None


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--clip", "nobody/nothing"], "nobody/nothing is neither a folder here nor in the cache"),
        (["--clip", "SAM"], "cannot be loaded as a dual encoder of images and texts .*openai/clip"),
        (["--clip_prefers_new"], "--clip_prefers_new needs --clip ID"),
    ],
)
def test_a_wrong_model_or_flag_is_one_sentence(tmp_path, flags, message):
    coco = make_folder(tmp_path / "coco")
    flags = [save_sam(tmp_path / "sam") if flag == "SAM" else flag for flag in flags]
    with pytest.raises(SystemExit, match=f"error: .*{message}") as stopped:
        main(["inpaint", "build", "--coco", str(coco), "--out", str(tmp_path / "out"), *flags])
    assert "\n" not in str(stopped.value)
