import torch
from helpers.models import gray

from hf_hardneg.model.dual_encoder import TextFormat
from hf_hardneg.training.collator import HardNegCollator


ROWS = [
    {"image": gray(), "image_id": 4, "caption": "a red cup", "negatives": ["a blue cup", "a red vase"]},
    {"image": gray().convert("CMYK"), "image_id": 5, "caption": "a sun", "negatives": []},
    {"image": gray(), "image_id": 6, "caption": "a small cup", "negatives": ["a large cup"]},
]
for row, concepts in zip(ROWS, (["color", "object"], [], ["size"]), strict=True):
    row["negative_concepts"] = concepts


def test_batch_holds_captions_first_then_the_negatives_that_exist(processor):
    batch = HardNegCollator(processor, num_negatives=2, text_format=TextFormat(32))(ROWS)
    assert batch["pixel_values"].shape == (3, 3, 48, 48)
    texts = processor.tokenizer.batch_decode(batch["input_ids"], skip_special_tokens=True)
    assert texts == ["a red cup", "a sun", "a small cup", "a blue cup", "a red vase", "a large cup"]
    assert batch["negative_concepts"].tolist() == [[1, 0], [-100, -100], [2, -100]]
    assert batch["image_id"].tolist() == [4, 5, 6]


def test_padding_is_to_the_longest_and_changes_no_embedding(processor, model):
    batch = HardNegCollator(processor, num_negatives=2, text_format=TextFormat(32))(ROWS)
    assert batch["input_ids"].shape[1] == 5  # start, three words, end
    with torch.no_grad():
        together = model.get_text_features(input_ids=batch["input_ids"]).pooler_output
        for row, text in zip(together, ["a red cup", "a sun", "a small cup"], strict=False):
            alone = model.get_text_features(**processor.tokenizer(text, return_tensors="pt")).pooler_output
            torch.testing.assert_close(row, alone[0], atol=1e-5, rtol=1e-5)


def test_k_cuts_and_zero_gives_a_plain_clip_batch(processor):
    assert HardNegCollator(processor, 1)(ROWS)["input_ids"].shape[0] == 5
    plain = HardNegCollator(processor, 0)(
        [{key: row[key] for key in ("image", "image_id", "caption")} for row in ROWS]
    )
    assert plain["input_ids"].shape[0] == 3 and plain["negative_concepts"].shape == (3, 0)
