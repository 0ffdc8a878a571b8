"""Two real gloo processes against one with the joined batch: the check that most peers lack."""

import os
import socket

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from datasets import load_from_disk
from torch import nn
from torch.nn.functional import normalize
from torch.nn.parallel import DistributedDataParallel
from transformers import CLIPModel, CLIPProcessor

from hf_hardneg.collator import HardNegCollator
from hf_hardneg.columns import with_negatives
from hf_hardneg.distributed import gather_embeddings
from hf_hardneg.dual_encoder import TextFormat
from hf_hardneg.embeddings import Embeddings
from hf_hardneg.losses import batch_negatives_loss, own_negatives_loss
from hf_hardneg.negatives import AddHardNegatives
from hf_hardneg.scenes import scene_rows
from hf_hardneg.trainer import HardNegCLIPTrainer
from hf_hardneg.training_args import HardNegCLIPTrainingArguments


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
        return normalize(self.image(image), dim=-1), normalize(self.text(text), dim=-1)


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
    image, text = model(image, torch.cat([caption, negatives.flatten(0, 1)]))
    hard = text[size:].view(size, k, text.shape[-1]) * mask[..., None]
    return Embeddings(image, text[:size], hard, mask, image_id)


def total_loss(batch, logit_scale, in_batch):
    if in_batch:
        return batch_negatives_loss(batch, logit_scale=logit_scale.exp())
    return own_negatives_loss(batch, logit_scale=logit_scale.exp())


def gradients(model):
    return [torch.zeros_like(p) if p.grad is None else p.grad for p in model.parameters()]


def work(rank, port, sizes, ks, in_batch, results):
    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    model = TwoTowers()
    wrapped = DistributedDataParallel(model)
    rows = slice(0, sizes[0]) if rank == 0 else slice(sizes[0], None)
    image, caption, negatives, mask, image_id = (part[rows] for part in joined_inputs(sizes, ks))
    k = ks[rank]
    batch = gather_embeddings(embed(wrapped, image, caption, negatives[:, :k], mask[:, :k], image_id))
    loss = total_loss(batch, model.logit_scale, in_batch)
    loss.backward()
    results[rank] = [loss.detach(), *gradients(model)]
    dist.destroy_process_group()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.mark.parametrize(
    ("sizes", "ks", "in_batch"),
    [((3, 3), (0, 0), True), ((3, 3), (2, 2), True), ((4, 2), (3, 1), True), ((4, 2), (3, 1), False)],
    ids=["plain CLIP", "even", "uneven rows and K", "own negatives, uneven"],
)
def test_two_processes_equal_one_with_the_joined_batch(sizes, ks, in_batch):
    with mp.Manager() as manager:
        results = manager.dict()
        mp.spawn(work, (free_port(), sizes, ks, in_batch, results), nprocs=2)
        ranks = [results[0], results[1]]
    model = TwoTowers()
    loss = total_loss(embed(model, *joined_inputs(sizes, ks)), model.logit_scale, in_batch)
    loss.backward()
    for got in ranks:
        for ours, expected in zip(got, [loss.detach(), *gradients(model)], strict=True):
            torch.testing.assert_close(ours, expected, atol=1e-9, rtol=1e-9)


def test_one_process_keeps_its_batch():
    batch = embed(TwoTowers(), *joined_inputs((2, 1), (1, 1)))
    assert gather_embeddings(batch) is batch


def train_two_steps(rank, folder, world_size, port):
    """Train the same CLIPModel on the same rows, 8 a step over all processes, and save its weights."""
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(world_size))
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), ACCELERATE_USE_CPU="true")
    torch.set_num_threads(1)
    model, processor = CLIPModel.from_pretrained(folder), CLIPProcessor.from_pretrained(folder)
    args = HardNegCLIPTrainingArguments(
        output_dir=f"{folder}/out{world_size}",
        use_cpu=True,
        per_device_train_batch_size=8 // world_size,
        max_steps=2,
        learning_rate=0.1,
        optim="sgd",
        max_grad_norm=0,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
    )
    collator = HardNegCollator(processor, 3, text_format=TextFormat(32))
    trainer = HardNegCLIPTrainer(model, args, collator, train_dataset=load_from_disk(f"{folder}/rows"))
    trainer.train()
    if rank == 0:
        torch.save(dict(model.named_parameters()), f"{folder}/weights{world_size}")


def test_the_trainer_on_two_processes_ends_with_the_weights_of_one(start):
    rows = scene_rows("distributed", 16)
    rows = rows.map(AddHardNegatives(), batched=True, features=with_negatives(rows.features))
    rows.save_to_disk(f"{start}/rows")
    context = mp.get_context("spawn")
    for world_size in (1, 2):
        port = free_port()
        workers = [
            context.Process(target=train_two_steps, args=(r, start, world_size, port)) for r in range(world_size)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(240)
            assert worker.exitcode == 0
    before = dict(CLIPModel.from_pretrained(start).named_parameters())
    one, two = (torch.load(f"{start}/weights{n}", weights_only=False) for n in (1, 2))
    assert not torch.equal(one["logit_scale"], before["logit_scale"])
    for name in one:
        torch.testing.assert_close(one[name], two[name], atol=2e-6, rtol=1e-5, msg=name)
