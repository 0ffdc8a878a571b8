"""What does a causal language model add after the slot model? Trains a small GPT-2 on captions of other images.

    python benchmarks/language_model.py CAPTIONS.jsonl

CAPTIONS.jsonl has {"image_id": ..., "captions": [...]} on each line. A random half of the images trains the language
model; the negatives are drawn and audited on the other half: with the slot model of these captions, as
`hf-hardneg negatives` does, and evenly from the whole vocabulary, where the language model is all there is. Writes
language_model.json: figures only, no text of the captions.
"""

import argparse
import json
import random
import tempfile
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
)

from hf_hardneg.audit.measure import audit_negatives
from hf_hardneg.columns import with_negatives
from hf_hardneg.data.captions import read_captions
from hf_hardneg.negatives.add_negatives import BATCH, AddHardNegatives, fit_slot_model
from hf_hardneg.negatives.language_model import ThinByLanguageModel, load_language_model, log_probabilities
from hf_hardneg.negatives.slot_model import SlotModel


EPOCHS, WIDTH, LAYERS, VOCABULARY = 6, 256, 4, 4000


def train_language_model(captions: list[str], folder: str) -> None:
    """A GPT-2 of a few million parameters from nothing, with a word-piece vocabulary of these captions."""
    tokens = Tokenizer(models.BPE())
    tokens.normalizer = normalizers.Lowercase()
    tokens.pre_tokenizer = pre_tokenizers.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokens.train_from_iterator(
        captions, trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=["<end>"], initial_alphabet=alphabet)
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokens, bos_token="<end>", eos_token="<end>")
    tokenizer.pad_token = tokenizer.eos_token
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=128,
        n_embd=WIDTH,
        n_layer=LAYERS,
        n_head=4,
        bos_token_id=0,
        eos_token_id=0,
    )
    torch.manual_seed(0)
    model = GPT2LMHeadModel(config)

    def collate(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        batch = tokenizer.pad({"input_ids": [row["input_ids"] for row in rows]}, return_tensors="pt")
        labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
        return {**batch, "labels": labels}

    ids = tokenizer([f"<end>{caption}<end>" for caption in captions], truncation=True, max_length=128)["input_ids"]
    arguments = TrainingArguments(
        output_dir=folder, num_train_epochs=EPOCHS, per_device_train_batch_size=64, learning_rate=1e-3,
        warmup_steps=100, lr_scheduler_type="cosine", weight_decay=0.1, save_strategy="no", report_to="none", seed=0,
    )  # fmt: skip
    Trainer(model, arguments, collate, Dataset.from_dict({"input_ids": ids})).train()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def measure(rows: Dataset, slot_model: SlotModel | None, language_model: str) -> dict[str, Any]:
    """Audits before and after thinning."""
    add = AddHardNegatives(model=slot_model)
    made = rows.map(add, batched=True, batch_size=BATCH, features=with_negatives(rows.features))
    thin = ThinByLanguageModel(language_model, add.temperature, add.seed)
    thinned = made.map(thin, batched=True, batch_size=BATCH, features=made.features)
    result = {}
    for name, kept in (("as_drawn", made), ("thinned", thinned)):
        found = audit_negatives(kept["caption"][:], kept["negatives"][:], kept["image_id"][:])
        readers = {name: asdict(one) for name, one in found.readers.items()}
        told = {name: {key: round(value, 2) for key, value in one.items()} for name, one in readers.items()}
        result[name] = {"coverage": round(found.coverage, 2), "strongest": found.strongest, "readers": told}
    return result


def main() -> None:
    """Train, draw, thin, audit, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captions")
    args = parser.parse_args()
    rows, _ = read_captions(args.captions)
    ids = sorted(set(rows["image_id"]))
    chosen = set(random.Random(0).sample(ids, len(ids) // 2))
    known = rows.select([i for i, image_id in enumerate(rows["image_id"]) if image_id in chosen])
    new = rows.select([i for i, image_id in enumerate(rows["image_id"]) if image_id not in chosen])
    with tempfile.TemporaryDirectory() as folder:
        train_language_model(known["caption"][:], folder)
        model, tokenizer = load_language_model(folder)
        perplexity = {
            name: round(per_word(part["caption"][:], model, tokenizer), 1)
            for name, part in (("train", known), ("new", new))
        }
        result = {
            "command": f"python benchmarks/language_model.py {Path(args.captions).name}",
            "captions": len(new),
            "language_model": {"parameters": model.num_parameters(), "perplexity_per_word": perplexity},
            "drawn_by_slot_model": measure(new, fit_slot_model(new.iter(BATCH)), folder),
            "drawn_evenly": measure(new, None, folder),
            "seed": 0,
            "versions": {name: version(name) for name in ("torch", "transformers", "scikit-learn")},
        }
    Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def per_word(captions: list[str], model: Any, tokenizer: Any) -> float:
    """Perplexity per word and end of text."""
    scores = log_probabilities(captions, model, tokenizer)
    return float(torch.tensor(-scores.sum() / sum(len(caption.split()) + 1 for caption in captions)).exp())


if __name__ == "__main__":
    main()
