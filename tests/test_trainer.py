import math

import pytest
import torch
from transformers import CLIPModel, CLIPProcessor, TrainerCallback

from hf_hardneg.collator import HardNegCollator
from hf_hardneg.dual_encoder import TextFormat
from hf_hardneg.evaluation.pairs import score_pairs, summarize_pairs
from hf_hardneg.training_args import HardNegCLIPTrainingArguments


def test_one_step_changes_every_trainable_parameter_and_only_those(model, make_trainer):
    model.vision_model.requires_grad_(False)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    make_trainer(model, max_steps=1).train()
    changed = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    trainable = {name for name in before if not name.startswith("vision_model")}
    # A key bias shifts all attention scores alike, so that its gradient is zero but for rounding.
    assert {n for n in trainable - changed if not n.endswith("k_proj.bias")} == set()
    assert changed <= trainable


@pytest.mark.parametrize("k", [0, 1, 2])
def test_evaluate_gives_a_loss_and_the_scores_of_negatives_and_pairs(model, make_trainer, pairs, processor, k):
    metrics = make_trainer(model, pairs=pairs, num_negatives=k, per_device_eval_batch_size=5).evaluate()
    assert math.isfinite(metrics["eval_loss"])
    assert ("eval_accuracy" in metrics) == (k > 0)
    expected = summarize_pairs(score_pairs(model, processor, pairs))
    for concept, scores in expected.items():
        assert {name: metrics[f"eval_{name}_{concept}"] for name in scores} == scores


def test_eval_accuracy_counts_each_negative_once(model, make_trainer, training_rows, processor):
    metrics = make_trainer(model, per_device_eval_batch_size=7).evaluate()
    right = []
    model.eval()
    for row in training_rows.select(range(19)):
        batch = HardNegCollator(processor, 2, text_format=TextFormat(32))([row])
        with torch.no_grad():
            output = model(pixel_values=batch["pixel_values"], input_ids=batch["input_ids"])
        scores = output.text_embeds @ output.image_embeds[0]
        right += (scores[1:] < scores[0]).tolist()
    assert metrics["eval_accuracy"] == pytest.approx(100 * sum(right) / len(right))


def test_the_best_checkpoint_can_be_chosen_by_a_pair_score(model, make_trainer, pairs):
    trainer = make_trainer(
        model,
        pairs=pairs,
        eval_strategy="steps",
        eval_steps=1,
        save_strategy="steps",
        save_steps=1,
        load_best_model_at_end=True,
        metric_for_best_model="eval_image_to_text_macro",
    )
    trainer.train()
    history = [log["eval_image_to_text_macro"] for log in trainer.state.log_history if "eval_loss" in log]
    assert len(history) == 3 and trainer.state.best_metric == max(history)


def test_the_temperature_stays_at_100_and_does_not_decay(model, make_trainer):
    with torch.no_grad():
        model.logit_scale.fill_(8.0)
    trainer = make_trainer(model, weight_decay=0.1)
    assert "logit_scale" not in trainer.get_decay_parameter_names(model)
    trainer.train()
    assert model.logit_scale.exp().item() <= 100.001


def test_accumulation_says_what_it_does_not_do(model, make_trainer, caplog):
    make_trainer(model, gradient_accumulation_steps=2)
    assert "does not let an image see more captions" in caplog.text


def test_save_and_reload_give_the_same_scores(model, make_trainer, pairs, processor, tmp_path):
    trainer = make_trainer(model)
    trainer.train()
    trainer.save_model(str(tmp_path / "saved"))
    again = CLIPModel.from_pretrained(tmp_path / "saved")
    same = CLIPProcessor.from_pretrained(tmp_path / "saved")
    first, second = score_pairs(model, processor, pairs), score_pairs(again, same, pairs)
    assert all((first[c][n] == second[c][n]).all() for c in first for n in first[c])


def test_a_resumed_run_ends_with_the_same_weights(processor, make_trainer, tmp_path):
    from hf_hardneg.start import build_model

    models = [build_model(processor.tokenizer, num_hidden_layers=1) for _ in range(3)]
    whole = make_trainer(models[0], max_steps=6)
    whole.train()
    arguments = {"save_strategy": "steps", "save_steps": 3, "max_steps": 6}
    stopped = make_trainer(models[1], **arguments)

    class Stop(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            control.should_training_stop = state.global_step >= 3

    stopped.add_callback(Stop())
    stopped.train()
    make_trainer(models[2], **arguments).train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-3"))
    for (name, first), second in zip(models[0].named_parameters(), models[2].parameters(), strict=True):
        torch.testing.assert_close(first, second, atol=0, rtol=0, msg=name)


def test_the_loss_terms_follow_the_arguments(model, make_trainer, processor, training_rows):
    batch = HardNegCollator(processor, 2, text_format=TextFormat(32))(list(training_rows.select(range(6))))

    def loss(**arguments):
        return make_trainer(model, **arguments).compute_loss(model, batch).item()

    both, in_batch = loss(own_negatives_weight=2.0), loss(own_negatives_weight=0.0)
    one, two = (loss(batch_negatives=False, own_negatives_weight=weight) for weight in (1.0, 2.0))
    own, plain = two - one, 2 * one - two
    assert plain < in_batch
    assert both == pytest.approx(in_batch + 2 * own, rel=1e-4)


@pytest.mark.parametrize(
    "arguments",
    [
        {"num_negatives": -1},
        {"own_negatives_weight": -1.0},
        {"batch_negatives": False, "own_negatives_weight": 0.0},
        {"remove_unused_columns": True},
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(tmp_path, arguments):
    with pytest.raises(ValueError, match="must|No loss"):
        HardNegCLIPTrainingArguments(output_dir=str(tmp_path), use_cpu=True, **arguments)
