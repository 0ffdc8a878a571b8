import math

import pytest
import torch
from datasets import Value
from helpers.benchmark_fixtures import make_benchmark
from helpers.models import processor_for, small_metaclip, small_siglip, small_siglip2
from transformers import AutoModel, CLIPModel, CLIPProcessor, TrainerCallback

from hf_hardneg.evaluation.benchmarks import load_benchmark
from hf_hardneg.evaluation.pairs import score_pairs
from hf_hardneg.evaluation.results import mean_scores
from hf_hardneg.model.adapters import add_lora
from hf_hardneg.model.dual_encoder import TextFormat
from hf_hardneg.model.embeddings import Embeddings
from hf_hardneg.model.encoding import Encoder
from hf_hardneg.scenes.world import scene_rows
from hf_hardneg.training.arguments import HardNegCLIPTrainingArguments
from hf_hardneg.training.collator import HardNegCollator
from hf_hardneg.training.make_start_model import build_model
from hf_hardneg.training.pair_scores import pair_scores
from hf_hardneg.training.trainer import HardNegCLIPTrainer


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
    expected = mean_scores(score_pairs(model, processor, pairs))
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


@pytest.mark.parametrize("layout", ["padded", "tree"])
def test_a_negative_that_reads_like_its_caption_is_wrong_whatever_rounding_says(
    model, make_trainer, layout, monkeypatch
):
    """On an accelerator, rounding depends on the place of a text in its batch; here it is put in."""
    embed = HardNegCLIPTrainer._embed

    def round_by_place(self, model, inputs):
        outputs = embed(self, model, inputs)
        texts = outputs["text_embeds"]
        noise = 1e-7 * torch.randn(texts.shape, generator=torch.Generator().manual_seed(0))
        return {**outputs, "text_embeds": texts + noise}

    monkeypatch.setattr(HardNegCLIPTrainer, "_embed", round_by_place)
    rows = scene_rows("ties", 19).map(
        lambda row: {
            "negatives": [row["caption"].upper(), row["caption"] + " ", f"  {row['caption']}"],
            "negative_concepts": ["object"] * 3,
        }
    )
    trainer = make_trainer(model, rows, num_negatives=3, per_device_eval_batch_size=19, text_layout=layout)
    assert trainer.evaluate()["eval_accuracy"] == 0


def test_pair_scores_put_the_caption_first_and_mark_absent_negatives():
    generator = torch.Generator().manual_seed(0)
    image, caption, *negatives = torch.randn(5, 40, 77, generator=generator).div(8)
    batch = Embeddings(image, caption, torch.stack(negatives, 1), torch.rand(40, 3) < 0.5, torch.arange(40))
    batch.negatives[3, 2] = caption[3]
    batch.mask[3] = True
    scores = pair_scores(batch)
    torch.testing.assert_close(scores[:, 0], (image * caption).sum(-1))
    assert (scores[:, 1:][~batch.mask] == -1).all() and scores[3, 0] == scores[3, 3] != scores[3, 1]


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


def test_the_best_checkpoint_can_be_chosen_by_any_benchmark(model, make_trainer, processor, tmp_path):
    spec = make_benchmark("sugarcrepe", tmp_path / "sugarcrepe")
    name = "eval_sugarcrepe_image_to_text_macro"
    settings = {"eval_strategy": "steps", "eval_steps": 1, "save_strategy": "steps", "save_steps": 1}
    trainer = make_trainer(
        model,
        benchmarks=[spec, f"coco={_coco(tmp_path)}"],
        load_best_model_at_end=True,
        metric_for_best_model=name,
        **settings,
    )
    trainer.train()
    history = [log[name] for log in trainer.state.log_history if "eval_loss" in log]
    assert len(history) == 3 and trainer.state.best_metric == max(history)
    metrics = trainer.evaluate()
    task = load_benchmark(spec)[0]
    expected = mean_scores(task.run(Encoder(model, processor)).scores)
    assert metrics[name] == expected["macro"]["image_to_text"] == max(history)
    assert {"eval_sugarcrepe_add_image_to_text_add_obj", "eval_coco_text_to_image_R@5_15 images"} <= metrics.keys()


def _coco(folder):
    make_benchmark("coco", folder / "coco_files")
    return folder / "coco_files"


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
    assert all((first[name].values == second[name].values).all() for name in first)


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


@pytest.mark.parametrize("flags", [{"bf16": True}, {"gradient_checkpointing": True}, {"torch_compile": True}])
@pytest.mark.parametrize("chunked", [{}, {"grad_cache_rows": 3}])
def test_trainers_flags_work_with_tries_and_learn_what_goes_without(processor, make_trainer, flags, chunked):
    models = [build_model(processor.tokenizer, num_hidden_layers=1) for _ in range(2)]
    if "torch_compile" in flags:
        flags = flags | {"torch_compile_backend": "aot_eager"}  # inductor wants a C++ compiler
    losses = []
    for model, of_run in zip(models, ({}, flags | chunked), strict=True):
        trainer = make_trainer(model, optim="sgd", learning_rate=0.01, max_grad_norm=0, logging_steps=1, **of_run)
        assert trainer.data_collator.text_format.tree
        trainer.train()
        losses.append([log["loss"] for log in trainer.state.log_history if "loss" in log])
    tolerance = 0.02 if "bf16" in flags else 1e-5
    assert losses[1] == pytest.approx(losses[0], rel=tolerance) and losses[0][0] != losses[0][-1]
    for (name, ours), expected in zip(models[1].named_parameters(), models[0].parameters(), strict=True):
        torch.testing.assert_close(ours, expected, atol=tolerance, rtol=tolerance, msg=name)


@pytest.mark.parametrize("make", [small_metaclip, small_siglip, small_siglip2])
@pytest.mark.parametrize("chunked", [{}, {"grad_cache_rows": 3}])
def test_other_dual_encoders_are_trained_saved_and_loaded(processor, make_trainer, tmp_path, make, chunked):
    model, processor = make(processor.tokenizer), processor_for(make, processor)
    before = {name: weights.detach().clone() for name, weights in model.named_parameters()}
    trainer = make_trainer(model, processing_class=processor, learning_rate=0.01, **chunked)
    assert trainer.is_sigmoid == ("siglip" in make.__name__)
    trainer.train()
    changed = {name for name, weights in model.named_parameters() if not torch.equal(weights, before[name])}
    assert {"logit_scale", *(["logit_bias"] if trainer.is_sigmoid else [])} <= changed
    assert {name.split(".")[0] for name in changed} >= {"vision_model", "text_model"}
    trainer.save_model(str(tmp_path / "saved"))
    again = AutoModel.from_pretrained(tmp_path / "saved")
    for name, weights in model.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], weights, atol=0, rtol=0, msg=name)
    assert type(again) is type(model)
    assert "eval_accuracy" in trainer.evaluate()


def test_a_loss_that_is_not_finite_ends_the_run_with_what_to_do(model, make_trainer):
    with torch.no_grad():
        model.text_projection.weight.fill_(float("nan"))
    with pytest.raises(ValueError, match=r"loss became nan or infinite before step 2\. Lower learning_rate"):
        make_trainer(model, logging_steps=2).train()


def test_a_collator_of_another_k_is_named(model, make_trainer, processor):
    trainer = make_trainer(model, num_negatives=1)
    trainer.data_collator = HardNegCollator(processor, 2)
    with pytest.raises(ValueError, match="made for 2 negatives per row, but num_negatives is 1"):
        trainer.train()


def test_a_caption_beyond_the_position_table_is_cut_there_as_the_tokenizer_does(model, make_trainer, training_rows):
    long = training_rows.select(range(8)).map(lambda row: {"caption": " ".join([row["caption"]] * 9)})
    trainer = make_trainer(model, rows=long, max_steps=1)
    batch = trainer.data_collator(list(long))
    assert batch["position_ids"].max() == model.config.text_config.max_position_embeddings - 1
    assert math.isfinite(trainer.train().training_loss)


def test_a_batch_without_any_negative_trains_as_plain_clip(processor, make_trainer, training_rows):
    bare = training_rows.select(range(8)).map(lambda row: {"negatives": [], "negative_concepts": []})
    models = [build_model(processor.tokenizer, num_hidden_layers=1) for _ in range(2)]
    losses = [
        make_trainer(model, rows=bare, max_steps=1, num_negatives=k).train().training_loss
        for model, k in zip(models, (2, 0), strict=True)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


RESUMED = {
    "plain": {},
    "accumulated, in chunks": {
        "gradient_accumulation_steps": 2,
        "per_device_train_batch_size": 4,
        "grad_cache_rows": 3,
    },
    "with workers": {"dataloader_num_workers": 2},
    "distilled": {"distillation_weight": 1.0},
    "LoRA with dropout": {"lora": True},
    "twins": {"twins": True, "twin_weight": 1.0, "per_device_train_batch_size": 6},
}


def with_twins(rows):
    """The rows of `training_rows`, of which the first ten are five pairs."""
    pair_ids = [*range(5), *range(5), *[None] * (len(rows) - 10)]
    return rows.add_column("pair_id", pair_ids, feature=Value("int64"))


@pytest.mark.parametrize("name", RESUMED)
@pytest.mark.parametrize("stop", [1, 3, 6])
def test_a_run_stopped_anywhere_and_resumed_ends_with_the_same_bits(
    processor, make_trainer, training_rows, tmp_path, name, stop
):
    """Seven steps are more than one epoch of 40 rows, so that data order is resumed within and across epochs."""
    settings = dict(RESUMED[name])
    lora = settings.pop("lora", False)
    if settings.pop("twins", False):
        settings["rows"] = with_twins(training_rows)

    def build():
        model = build_model(processor.tokenizer, num_hidden_layers=1)
        model.text_model.encoder.layers[0].self_attn.dropout = 0.1  # random numbers matter
        torch.manual_seed(1)
        return add_lora(model, rank=2, dropout=0.1) if lora else model

    class Stop(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            control.should_training_stop = state.global_step >= stop

    settings |= {"save_strategy": "steps", "save_steps": 1, "max_steps": 7, "lr_scheduler_type": "cosine"}
    whole, stopped, resumed = build(), build(), build()
    make_trainer(whole, output_dir=str(tmp_path / "whole"), **settings).train()
    first = make_trainer(stopped, **settings)
    first.add_callback(Stop())
    first.train()
    assert first.state.global_step == stop
    make_trainer(resumed, **settings).train(resume_from_checkpoint=str(tmp_path / "out" / f"checkpoint-{stop}"))
    for (weight, expected), ours in zip(whole.named_parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(ours, expected, atol=0, rtol=0, msg=weight)
    stopped_weights = dict(stopped.named_parameters())
    assert any(not torch.equal(weights, stopped_weights[n]) for n, weights in whole.named_parameters())
