"""Two real gloo processes against one with the joined batch: the check that most peers lack."""

import pytest
import torch
from datasets import concatenate_datasets, load_from_disk
from helpers.models import small_siglip
from helpers.processes import run_ranks
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.functional import normalize
from torch.nn.parallel import DistributedDataParallel
from transformers import CLIPModel, CLIPProcessor

from hf_hardneg.columns import with_negatives
from hf_hardneg.lexicon.concepts import CONCEPTS
from hf_hardneg.model.adapters import add_lora
from hf_hardneg.model.dual_encoder import find_text_format, take_collated_batches
from hf_hardneg.model.embeddings import Embeddings, split_embeddings
from hf_hardneg.negatives.add_negatives import AddHardNegatives
from hf_hardneg.scenes.world import scene_rows, scene_twins
from hf_hardneg.training.arguments import HardNegCLIPTrainingArguments
from hf_hardneg.training.collator import NO_NEGATIVE, HardNegCollator
from hf_hardneg.training.gather import gather_embeddings, unshardable_parameters
from hf_hardneg.training.losses import batch_negatives_loss, own_negatives_loss
from hf_hardneg.training.make_start_model import build_model
from hf_hardneg.training.trainer import HardNegCLIPTrainer


class TwoTowers(nn.Module):
    """A linear tower per side and a temperature: enough for every gradient path of a CLIPModel."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.image = nn.Linear(5, 4, dtype=torch.float64)
        self.text = nn.Linear(5, 4, dtype=torch.float64)
        self.logit_scale = nn.Parameter(torch.tensor(1.0, dtype=torch.float64))
        with torch.no_grad():
            for parameter in (*self.image.parameters(), *self.text.parameters()):
                parameter.copy_(torch.randn(parameter.shape, generator=generator))

    def forward(self, image, text):
        return normalize(self.image(image), dim=-1), normalize(self.text(text), dim=-1), self.logit_scale.exp()


def joined_inputs(sizes, ks):
    """Inputs of all ranks: images, captions, negatives padded to the largest K, mask, image ids."""
    generator = torch.Generator().manual_seed(1)
    rows, k = sum(sizes), max(ks)
    inputs = [torch.randn(rows, *shape, 5, generator=generator, dtype=torch.float64) for shape in ((), (), (k,))]
    mask = torch.rand(rows, k, generator=generator) < 0.7
    first_rows = torch.arange(rows) < sizes[0]
    mask &= torch.where(first_rows[:, None], torch.arange(k) < ks[0], torch.arange(k) < ks[-1])
    image_id = torch.arange(rows)
    image_id[-1] = 0  # the same image on both ranks
    return *inputs, mask, image_id


def embed(model, image, caption, negatives, mask, image_id):
    size, k = mask.shape
    image, text, scale = model(image, torch.cat([caption, negatives.flatten(0, 1)]))
    hard = text[size:].view(size, k, text.shape[-1]) * mask[..., None]
    return Embeddings(image, text[:size], hard, mask, image_id), scale


def total_loss(batch, scale, in_batch):
    return (batch_negatives_loss if in_batch else own_negatives_loss)(batch, logit_scale=scale)


def gradients(model):
    return [torch.zeros_like(p) if p.grad is None else p.grad for p in model.parameters()]


# Rows of each rank, K of each rank, and whether the batch's negatives compete or the own ones.
CASES = {
    **{f"K = {k}, {kind}": ((3, 3), (k, k), kind == "batch") for k in range(4) for kind in ("batch", "own")},
    "uneven rows": ((4, 2), (2, 2), True),
    "uneven rows and K": ((4, 2), (3, 1), True),
    "uneven rows and K, own": ((4, 2), (3, 1), False),
    "one rank without negatives": ((2, 3), (2, 0), True),
}


def run_cases(rank, folder):
    results = {}
    for name, (sizes, ks, in_batch) in CASES.items():
        model = TwoTowers()
        wrapped = DistributedDataParallel(model, find_unused_parameters=True)
        rows = slice(0, sizes[0]) if rank == 0 else slice(sizes[0], None)
        image, caption, negatives, mask, image_id = (part[rows] for part in joined_inputs(sizes, ks))
        k = ks[rank]
        local, scale = embed(wrapped, image, caption, negatives[:, :k], mask[:, :k], image_id)
        loss = total_loss(gather_embeddings(local), scale, in_batch)
        loss.backward()
        results[name] = [loss.detach(), *gradients(model)]
    torch.save(results, f"{folder}/cases{rank}")


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases")
    run_ranks(run_cases, 2, folder, str(folder))
    return [torch.load(folder / f"cases{rank}") for rank in range(2)]


@pytest.mark.parametrize("name", CASES)
def test_two_processes_equal_one_with_the_joined_batch(two_ranks, name):
    sizes, ks, in_batch = CASES[name]
    model = TwoTowers()
    loss = total_loss(*embed(model, *joined_inputs(sizes, ks)), in_batch)
    loss.backward()
    for rank in range(2):
        for ours, expected in zip(two_ranks[rank][name], [loss.detach(), *gradients(model)], strict=True):
            torch.testing.assert_close(ours, expected, atol=1e-9, rtol=1e-9)


def test_one_process_keeps_its_batch():
    batch, _ = embed(TwoTowers(), *joined_inputs((2, 1), (1, 1)))
    assert gather_embeddings(batch) is batch


# What two processes and one must agree in, on real models in float32; dropout differs between ranks, so there is none.
RUNS = {
    "tree": {},
    "padded": {"text_layout": "padded"},
    "no negatives": {"num_negatives": 0},
    "one negative, own only": {"num_negatives": 1, "batch_negatives": False},
    "grad cache": {"grad_cache_rows": 3},
    "grad cache, accumulated": {"grad_cache_rows": 3, "gradient_accumulation_steps": 2},
    "grad cache, LoRA": {"grad_cache_rows": 3, "lora": True},
    "all terms": {"distillation_weight": 1.0, "margin_weight": 1.0, "focal_gamma": 2.0, "label_smoothing_factor": 0.1},
    "twins": {"twins": True},
    "twins, all terms, grad cache": {"twins": True, "twin_weight": 1.0, "twin_share": 0.5, "grad_cache_rows": 3},
    "twins, all terms": {"twins": True, "twin_weight": 1.0, "twin_share": 0.5},
    "twins, accumulated": {"twins": True, "twin_share": 1.0, "gradient_accumulation_steps": 2},
    "siglip": {"siglip": True},
    "siglip, grad cache": {"siglip": True, "grad_cache_rows": 3},
}


def train_two_steps(rank, folder, world_size):
    """Train the same model on the same rows, 8 a step over all processes, for each of RUNS; save what comes out."""
    processor = CLIPProcessor.from_pretrained(folder)
    results = {}
    for name, settings in RUNS.items():
        settings = dict(settings)
        rows = load_from_disk(f"{folder}/{'twins' if settings.pop('twins', False) else 'rows'}")
        model = (
            small_siglip(processor.tokenizer) if settings.pop("siglip", False) else CLIPModel.from_pretrained(folder)
        )
        if settings.pop("lora", False):
            torch.manual_seed(0)
            model = add_lora(model, rank=2)
        args = HardNegCLIPTrainingArguments(
            output_dir=f"{folder}/out{world_size}",
            use_cpu=True,
            per_device_train_batch_size=8 // world_size // settings.get("gradient_accumulation_steps", 1),
            max_steps=2,
            learning_rate=0.1,
            optim="sgd",
            max_grad_norm=0,
            report_to="none",
            save_strategy="no",
            logging_steps=1,
            disable_tqdm=True,
            **settings,
        )
        trainer = HardNegCLIPTrainer(model, args, train_dataset=rows, processing_class=processor)
        trainer.train()
        losses = [log["loss"] for log in trainer.state.log_history if "loss" in log]
        results[name] = {n: p.detach() for n, p in model.named_parameters() if p.requires_grad}, losses
    if rank == 0:
        torch.save(results, f"{folder}/results{world_size}")


@pytest.fixture(scope="module")
def runs(tmp_path_factory, processor):
    folder = tmp_path_factory.mktemp("distributed")
    build_model(processor.tokenizer, num_hidden_layers=1).save_pretrained(folder)
    processor.save_pretrained(folder)
    rows = scene_rows("distributed", 16)
    rows = rows.map(AddHardNegatives(), batched=True, features=with_negatives(rows.features))
    rows.save_to_disk(folder / "rows")
    twins = scene_twins("distributed", dict.fromkeys(CONCEPTS, 3), first_image=16).map(
        AddHardNegatives(), batched=True
    )
    singles = rows.add_column("pair_id", [None] * 16, feature=twins.features["pair_id"])
    concatenate_datasets([twins.cast(singles.features), singles]).save_to_disk(folder / "twins")
    for world_size in (1, 2):
        run_ranks(train_two_steps, world_size, folder, str(folder), world_size)
    results = [torch.load(folder / f"results{n}", weights_only=False) for n in (1, 2)]
    return results, CLIPModel.from_pretrained(folder), folder


@pytest.mark.parametrize("name", [name for name in RUNS if "accumulated" not in name])
def test_the_trainer_on_two_processes_ends_with_the_losses_and_weights_of_one(runs, name):
    (one, two), *_ = runs
    assert one[name][1] == pytest.approx(two[name][1], abs=2e-6)
    for weight, expected in one[name][0].items():
        torch.testing.assert_close(two[name][0][weight], expected, atol=2e-6, rtol=1e-5, msg=weight)


@pytest.mark.parametrize(
    ("name", "same_as"),
    [("tree", "padded"), ("grad cache", "tree"), ("twins, all terms, grad cache", "twins, all terms")],
)
def test_how_a_batch_is_encoded_does_not_change_what_is_learned(runs, name, same_as):
    for of_world in runs[0]:
        for weight, expected in of_world[same_as][0].items():
            torch.testing.assert_close(of_world[name][0][weight], expected, atol=2e-6, rtol=1e-5, msg=weight)


def test_every_setting_learned_something_of_its_own(runs):
    (one, _), start, _ = runs
    before = start.logit_scale.item()
    scales = {name: float(one[name][0]["logit_scale"]) for name in RUNS if "logit_scale" in one[name][0]}
    assert all(abs(scale - before) > 1e-5 for name, scale in scales.items() if "siglip" not in name)
    distinct = {
        name
        for name in scales
        if name not in ("padded", "grad cache", "siglip, grad cache", "twins, all terms, grad cache")
    }
    assert len({scales[name] for name in distinct}) == len(distinct)


def clip_batch(model, processor, rows):
    collated = HardNegCollator(processor, 3, text_format=find_text_format(model, processor.tokenizer))(list(rows))
    return collated.pop("negative_concepts") != NO_NEGATIVE, collated


def clip_loss(model, mask, inputs):
    outputs = model(**inputs)
    local = split_embeddings(outputs["image_embeds"], outputs["text_embeds"], mask, inputs["image_id"])
    return batch_negatives_loss(gather_embeddings(local), logit_scale=outputs["logit_scale"])


def shard(rank, folder):
    """Gradients of a model that FSDP2 cut in shards as accelerate does it: the layers that it names, then the rest."""
    model, processor = CLIPModel.from_pretrained(folder), CLIPProcessor.from_pretrained(folder)
    mask, inputs = clip_batch(model, processor, load_from_disk(f"{folder}/rows").select(range(6 * rank, 6 + 4 * rank)))
    take_collated_batches(model)
    whole = set(unshardable_parameters(model).parameters())
    options = {"mesh": init_device_mesh("cpu", (2,)), "ignored_params": whole}
    for module in list(model.modules()):
        if type(module).__name__ in model._no_split_modules:
            fully_shard(module, **options)
    fully_shard(model, **options)
    loss = clip_loss(model, mask, inputs)
    loss.backward()
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    found = {name: grad.full_tensor() if hasattr(grad, "full_tensor") else grad for name, grad in found.items()}
    torch.save((loss.item(), found), f"{folder}/sharded{rank}")


def test_shards_of_fsdp_on_two_processes_have_the_gradients_of_one(runs):
    _, model, folder = runs
    run_ranks(shard, 2, folder, str(folder))
    processor = CLIPProcessor.from_pretrained(folder)
    mask, inputs = clip_batch(model, processor, load_from_disk(folder / "rows").select(range(10)))
    take_collated_batches(model)
    loss = clip_loss(model, mask, inputs)
    loss.backward()
    for rank in range(2):
        found_loss, found = torch.load(folder / f"sharded{rank}", weights_only=True)
        assert found_loss == pytest.approx(loss.item(), abs=1e-6)
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(found[name], parameter.grad, atol=1e-6, rtol=1e-5, msg=name)
