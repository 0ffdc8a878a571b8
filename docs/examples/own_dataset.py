"""Add hard negatives to rows of your own, in one `map`."""

from datasets import Dataset

from hf_hardneg import AddHardNegatives, fit_slot_model
from hf_hardneg.columns import with_negatives


captions = ["A red car next to a dog.", "A blue car next to a cat.", "A blue car, a red bus and a big dog."]
columns = {"caption": captions, "image_id": [0, 1, 2], "other_captions": [[]] * 3, "categories": [[]] * 3}
rows = Dataset.from_dict(columns)
add = AddHardNegatives(num_negatives=3, model=fit_slot_model(rows.iter(batch_size=1000)))
rows = rows.map(add, batched=True, features=with_negatives(rows.features))
for row in rows:
    print(row["caption"], "->", row["negatives"])
