"""The wrong-image control of an evaluation during training, against a loop over rows and closed forms."""

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import GradientState

from hf_hardneg.model.embeddings import NO_PAIR, Embeddings, join_embeddings
from hf_hardneg.training.collator import HardNegCollator
from hf_hardneg.training.gather import NO_ROW
from hf_hardneg.training.looking_accuracy import control_accuracy, count_choices, wrong_rows
from hf_hardneg.training.pair_scores import pair_scores


@pytest.fixture(autouse=True)
def no_loader_before():
    """Accelerate keeps the state of the last loader of the process, and so of an earlier test, in a singleton."""
    GradientState._reset_state()


CONTROLS = ("eval_accuracy_wrong_image", "eval_accuracy_by_looking")


def count(batch):
    return count_choices(batch, pair_scores(batch), Accelerator(cpu=True))


@pytest.fixture
def shared_photos(training_rows):
    """19 rows of 10 photos: a photo and its id stand in two rows that follow each other, but for the last."""
    rows = training_rows.select([i // 2 * 2 for i in range(19)])
    texts = training_rows.select(range(19))
    for name in ("caption", "negatives", "negative_concepts"):
        rows = rows.remove_columns(name).add_column(name, texts[name])
    return rows


def slow_choices(model, collator, rows, batch_size):
    """The choices of each batch: (right beside the own image, right beside the wrong one) of each negative."""
    found = []
    for start in range(0, len(rows), batch_size):
        batch = list(rows.select(range(start, min(start + batch_size, len(rows)))))
        wrong = wrong_rows(torch.tensor([row["image_id"] for row in batch])).tolist()
        for row, other in zip(batch, wrong, strict=True):
            if other < 0:
                continue
            assert batch[other]["image_id"] != row["image_id"]
            with torch.no_grad():
                own = model(**{k: v for k, v in collator([row]).items() if k in ("pixel_values", "input_ids")})
                pixels = collator([batch[other]])["pixel_values"]
                image = model.get_image_features(pixel_values=pixels).pooler_output[0]
            beside = [own.text_embeds @ one for one in (own.image_embeds[0], image)]
            found += zip(*[(one[1:] < one[0]).tolist() for one in beside], strict=True)
    return np.array(found)


@pytest.mark.parametrize("batch_size", [7, 6, 2])
def test_the_control_equals_a_loop_over_rows(model, make_trainer, processor, shared_photos, batch_size):
    """19 rows in batches of 6 leave one row alone; in batches of 2, each batch shows one photo."""
    trainer = make_trainer(model, shared_photos, per_device_eval_batch_size=batch_size, text_layout="padded")
    metrics = trainer.evaluate()
    collator = HardNegCollator(processor, 2, text_format=trainer.data_collator.text_format)
    expected = slow_choices(model.eval(), collator, shared_photos, batch_size)
    if batch_size == 2:
        assert not len(expected) and "eval_accuracy" in metrics and not metrics.keys() & set(CONTROLS)
        return
    right, wrong = 100 * expected.mean(axis=0)
    assert right != wrong
    assert [metrics[name] for name in CONTROLS] == pytest.approx([wrong, right - wrong])
    if batch_size == 7:  # No row is left out.
        assert metrics["eval_accuracy"] == pytest.approx(right)
    assert {name: trainer.evaluate()[name] for name in CONTROLS} == {name: metrics[name] for name in CONTROLS}


def test_a_model_that_ignores_its_image_scores_the_same_with_both(model, make_trainer):
    trainer = make_trainer(model, per_device_eval_batch_size=7)
    with torch.no_grad():
        model.vision_model.embeddings.patch_embedding.weight.zero_()
    metrics = trainer.evaluate()
    assert 0 < metrics["eval_accuracy"] < 100
    assert [metrics[name] for name in CONTROLS] == [metrics["eval_accuracy"], 0]


def test_a_model_that_only_looks_falls_to_chance_with_the_wrong_image():
    generator = torch.Generator().manual_seed(0)
    image = torch.eye(400)
    negatives = torch.nn.functional.normalize(torch.randn(400, 3, 400, generator=generator), dim=-1)
    batch = Embeddings(image, image.clone(), negatives, torch.ones(400, 3, dtype=torch.bool), torch.arange(400))
    scores = control_accuracy(count(batch))
    assert scores["accuracy_wrong_image"] == pytest.approx(50, abs=5)  # 3.5 standard deviations
    assert scores["accuracy_wrong_image"] + scores["accuracy_by_looking"] == 100


def test_fillers_and_missing_negatives_are_not_counted_and_the_order_of_rows_does_not_matter():
    generator = torch.Generator().manual_seed(0)
    image, caption, *negatives = torch.randn(5, 40, 8, generator=generator)
    mask = torch.rand(40, 3, generator=generator) < 0.5
    photos = torch.arange(40) // 3
    image = image[photos]
    no_pair = torch.full((40,), NO_PAIR)
    batch = Embeddings(image, caption, torch.stack(negatives, 1), mask, photos, no_pair)
    counts = count(batch)
    assert counts[0] == mask.sum() and 0 < counts[2] < counts[0]
    order = torch.randperm(40, generator=generator)
    assert torch.equal(count(Embeddings(*(part[order] for part in batch))), counts)
    no_rows = torch.full((4,), NO_ROW)
    fillers = Embeddings(image[:4], caption[:4], batch.negatives[:4], mask[:4] & False, no_rows, no_pair[:4])
    filled = join_embeddings([batch, fillers])
    assert torch.equal(count(filled), counts)
    assert not count(fillers).any() and not control_accuracy(count(fillers))


def test_equal_texts_tie_beside_the_wrong_image_too():
    generator = torch.Generator().manual_seed(0)
    image, caption = torch.randn(2, 40, 77, generator=generator)
    batch = Embeddings(image, caption, caption[:, None], torch.ones(40, 1, dtype=torch.bool), torch.arange(40))
    assert count(batch).tolist() == [40, 0, 0]


def test_predictions_and_the_input_of_ones_own_metrics_stay_the_scores_of_the_right_images(
    model, make_trainer, training_rows
):
    trainer = make_trainer(model, per_device_eval_batch_size=7)
    rows = training_rows.select(range(19))
    found = trainer.predict(rows)
    assert found.predictions.shape == (19, 3) and found.label_ids.shape == (19, 2)
    assert {"test_accuracy", "test_accuracy_wrong_image", "test_accuracy_by_looking"} <= found.metrics.keys()
    trainer.compute_metrics = lambda given: {"seen": float(np.abs(given.predictions - found.predictions).max())}
    assert trainer.evaluate(rows)["eval_seen"] == pytest.approx(0, abs=1e-6)
