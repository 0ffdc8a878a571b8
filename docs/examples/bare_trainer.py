"""The collator and the token trie with a bare Trainer."""

from transformers import Trainer, TrainingArguments

from hf_hardneg import AddHardNegatives, HardNegCollator, fit_slot_model
from hf_hardneg.columns import with_negatives
from hf_hardneg.model import START_MODEL, find_text_format, load_model, split_embeddings, take_collated_batches
from hf_hardneg.scenes import scene_rows
from hf_hardneg.training import batch_negatives_loss


class TrieTrainer(Trainer):
    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        out, mask = model(**inputs), inputs["negative_concepts"] >= 0
        batch = split_embeddings(out["image_embeds"], out["text_embeds"], mask, inputs["image_id"])
        return batch_negatives_loss(batch, logit_scale=out["logit_scale"])


model, processor = load_model(START_MODEL)
collator = HardNegCollator(processor, num_negatives=2, text_format=find_text_format(model, processor.tokenizer))
take_collated_batches(model)
rows = scene_rows("example", 256)
add = AddHardNegatives(num_negatives=2, model=fit_slot_model(rows.iter(batch_size=1000)))
rows = rows.map(add, batched=True, features=with_negatives(rows.features))
sizes = {"per_device_train_batch_size": 64, "max_steps": 48, "learning_rate": 3e-4}
args = TrainingArguments("outputs/bare", remove_unused_columns=False, **sizes)
TrieTrainer(model, args, collator, train_dataset=rows).train()
