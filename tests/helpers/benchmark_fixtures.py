"""Small folders in the formats in which the benchmarks' authors publish theirs, with rendered scenes for photos.

`FIXTURES` maps a benchmark to a function that fills a folder; every file of
hf_hardneg/evaluation/benchmarks has one.
"""

import csv
import json
import random
from pathlib import Path

from datasets import Dataset, Features, Image, Value
from PIL import Image as PillowImage

from hf_hardneg.columns import PAIR_FEATURES, TWIN_FEATURES
from hf_hardneg.lexicon.concepts import CONCEPTS
from hf_hardneg.scenes.world import draw_scene, sample_pair, sample_scene


WORDS = ("red", "blue", "green", "small", "large", "old", "new", "wooden", "round", "tall", "thin", "dark")


def scene(number: int) -> PillowImage.Image:
    return draw_scene(sample_scene(random.Random(f"fixture/{number}")))


def save(folder: Path, name: str, number: int) -> None:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    scene(number).save(file)


def write_json(file: Path, data: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(data))


def text(number: int, kind: str) -> str:
    """A text of its own for each number and kind."""
    return f"a {WORDS[number % 12]} {kind} number {number}"


def sugarcrepe(folder: Path, per_subset: int = 6, extra: tuple[str, ...] = ("add_obj", "add_att")) -> None:
    subsets = ("replace_obj", "replace_att", "replace_rel", "swap_obj", "swap_att", *extra)
    for s, subset in enumerate(subsets):
        rows = {}
        for i in range(per_subset):
            name = f"{1000 + (s + i) % 5:012}.png"
            save(folder / "val2017", name, (s + i) % 5)
            rows[str(i)] = {
                "filename": name,
                "caption": text(10 * s + i, "car"),
                "negative_caption": text(10 * s + i, "bus"),
            }
        write_json(folder / "data" / f"{subset}.json", rows)


def sugarcrepe_pp(folder: Path) -> None:
    sugarcrepe(folder, extra=())
    for file in (folder / "data").glob("*.json"):
        rows = json.loads(file.read_text()).values()
        rows = [{"id": i, **r, "caption2": r["caption"].replace("a ", "one ", 1)} for i, r in enumerate(rows)]
        write_json(file, rows)


def pairs_table(names: tuple[str, str, str, str], group: str | None, size: int = 9) -> Dataset:
    rows = []
    for i in range(size):
        row = {names[0]: scene(2 * i), names[1]: scene(2 * i + 1), names[2]: text(i, "car"), names[3]: text(i, "bus")}
        rows.append(row | ({group: ("Object", "Relation", "Both")[i % 3]} if group else {}))
    kinds = {name: Image() for name in names[:2]} | {name: Value("string") for name in names[2:]}
    return Dataset.from_list(rows, features=Features(kinds | ({group: Value("string")} if group else {})))


def save_parquet(folder: Path, table: Dataset, split: str = "test") -> None:
    (folder / "data").mkdir(parents=True, exist_ok=True)
    table.to_parquet(folder / "data" / f"{split}-00000-of-00001.parquet")


def winoground_hub(folder: Path) -> None:
    save_parquet(folder, pairs_table(("image_0", "image_1", "caption_0", "caption_1"), "collapsed_tag"))


def winoground(folder: Path) -> None:
    lines = []
    for i in range(9):
        for k in (0, 1):
            save(folder / "images", f"ex_{i}_img_{k}.png", 2 * i + k)
        row = {"id": i, "image_0": f"ex_{i}_img_0", "image_1": f"ex_{i}_img_1", "tag": "Noun", "num_main_preds": 1}
        row |= {"caption_0": text(i, "car"), "caption_1": text(i, "bus")}
        lines.append(json.dumps(row | {"collapsed_tag": ("Object", "Relation", "Both")[i % 3]}))
    (folder / "data").mkdir()
    (folder / "data" / "examples.jsonl").write_text("\n".join(lines) + "\n")


def colorswap_hub(folder: Path) -> None:
    save_parquet(folder, pairs_table(("image_1", "image_2", "caption_1", "caption_2"), None))


def colorswap(folder: Path) -> None:
    rows = []
    for i in range(9):
        names = [f"images/img_{i}_{k}.png" for k in (1, 2)]
        for k, name in enumerate(names):
            save(folder, name, 2 * i + k)
        row = {"id": i, "caption_1": text(i, "car"), "caption_2": text(i, "bus"), "image_source": "midjourney"}
        rows.append(row | {"image_1": names[0], "image_2": names[1], "caption_source": "human"})
    write_json(folder / "test.json", rows)


def inpaintcoco(folder: Path) -> None:
    """This project's columns."""
    pairs = [sample_pair(random.Random(i), CONCEPTS[i % 4]) for i in range(12)]
    save_parquet(folder, Dataset.from_list(pairs, features=PAIR_FEATURES))


def inpaintcoco_original(folder: Path) -> None:
    """The original's columns: details beside, captions with stray spaces, one of them empty."""
    rows = []
    for i in range(9):
        pair = sample_pair(random.Random(i), CONCEPTS[i % 3])
        pair |= {"coco_caption": f" {pair['coco_caption']} ", "worker": "a", "mask": pair["mask"].convert("RGB")}
        pair |= {"inpaint_caption": "" if i == 8 else pair["inpaint_caption"]}
        rows.append(pair | {"coco_details": {"id": i, "captions": ["x"], "width": 48, "height": 48}})
    features = Features(
        PAIR_FEATURES
        | {
            "worker": Value("string"),
            "coco_details": {
                "id": Value("int64"),
                "captions": [Value("string")],
                "width": Value("int64"),
                "height": Value("int64"),
            },
        }
    )
    save_parquet(folder, Dataset.from_list(rows, features=features))


def natural_twins(folder: Path) -> None:
    """As `hf-hardneg twins` writes them: no mask."""
    rows = []
    for i in range(9):
        texts = text(i, "car"), text(i, "bus")
        row = {"concept": CONCEPTS[i % 3], "kind": "exact", "mask": None}
        row |= {"coco_image": scene(2 * i), "inpaint_image": scene(2 * i + 1)}
        row |= {"coco_caption": texts[0], "inpaint_caption": texts[1]}
        row["coco_details"] = {"id": 2 * i, "caption": texts[0], "captions": [texts[0]]}
        row["inpaint_details"] = {"source_image_id": 2 * i + 1, "caption": texts[1], "captions": [texts[1]]}
        row["inpaint_details"] |= {"key": f"{i:016x}", "old": "car", "new": "bus"}
        rows.append(row)
    save_parquet(folder, Dataset.from_list(rows, features=TWIN_FEATURES))


def aro(folder: Path) -> None:
    box = {"bbox_x": 4, "bbox_y": 5, "bbox_w": 30, "bbox_h": 32}
    relations, attributes = [], []
    for i in range(30):
        name = f"{2300000 + i % 7}.png"
        save(folder / "images", name, i % 7)
        row = {"image_id": name[:-4], "image_path": name, **box}
        truth = {"true_caption": f"the {text(i, 'car')}", "false_caption": f"the {text(i, 'bus')}"}
        relations.append(row | truth | {"relation_name": ("on", "behind")[i % 2]})
        attributes.append(row | truth | {"attributes": ["red", "blue"] if i < 26 else ["old", str(i)]})
    write_json(folder / "visual_genome_relation.json", relations)
    write_json(folder / "visual_genome_attribution.json", attributes)


def vl_checklist(folder: Path) -> None:
    """Photos of Visual Genome are there, those of SWiG are not; one file of the authors is empty."""
    files = ("Attribute/vg/color", "Attribute/vaw/size", "Relation/vg/spatial", "Object/Size/vg_size/vg_obj_small")
    for f, name in enumerate(files):
        rows = []
        for i in range(8):
            save(folder / "images" / "vg" / "VG_100K", f"{i % 5}.png", i % 5)
            number = 10 * f + i
            rows.append([f"VG_100K/{i % 5}.png", {"POS": [text(number, "car")], "NEG": [text(number, "bus")]}])
        write_json(folder / "data" / f"{name}.json", rows)
    write_json(folder / "data/Relation/swig_action.json", [["a_1.jpg", {"POS": ["a"], "NEG": ["b"]}]])
    write_json(folder / "data/Object/Size/swig_size/swig_place/swig_place_small.json", [])


def svo_probes(folder: Path) -> None:
    """The last row has two kinds of difference, which the authors leave out."""
    columns = ["index", "sentence", "pos_triplet", "neg_triplet", "pos_url", "neg_url", "pos_image_id", "neg_image_id"]
    kinds = ["subj_neg", "verb_neg", "obj_neg"]
    with open(folder / "svo_probes.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, [*columns, *kinds])
        writer.writeheader()
        for i in range(13):
            for number in (2 * i, 2 * i + 1):
                save(folder / "images", f"{number}.png", number)
            row = {"index": i, "sentence": text(i, "person"), "pos_image_id": 2 * i, "neg_image_id": 2 * i + 1}
            row |= {kind: k == i % 3 or (i == 12 and k == 1) for k, kind in enumerate(kinds)}
            writer.writerow(row)


def whatsup(folder: Path) -> None:
    for file, images in (
        ("controlled_images_dataset", "controlled_images"),
        ("controlled_clevr_dataset", "controlled_clevr"),
    ):
        rows = []
        for i in range(8):
            save(folder / images, f"mug_on_{i}.png", i)
            options = [text(4 * i + k, f"{images} mug") for k in range(4)]
            rows.append({"image_path": f"data/{images}/mug_on_{i}.png", "caption_options": options})
        write_json(folder / f"{file}.json", rows)
    for number in ("one", "two"):
        for source, images in (("coco", "val2017"), ("vg", "vg_images")):
            rows = []
            for i in range(6):
                save(folder / images, f"{i:012}.jpg" if source == "coco" else f"{i}.jpg", i)
                rows.append([i, text(i, f"{source} {number} left"), text(i, f"{source} {number} right")])
            write_json(folder / f"{source}_qa_{number}_obj.json", rows)


def hard_positives(folder: Path) -> None:
    box = {"bbox_x": 2, "bbox_y": 2, "bbox_w": 40, "bbox_h": 40}
    files = ("visual_genome_attribution", "vl_checklist_attributes", "vl_checklist_relations")
    for f, name in enumerate(files):
        first, second = [], []
        for i in range(8):
            path = f"{i % 5}.png" if f == 0 else f"data/VG_100K/{i % 5}.png"
            save(folder / "images", path.removeprefix("data/"), i % 5)
            row = {"image_path": path, "false_caption": text(10 * f + i, "bus"), **(box if f == 0 else {})}
            first.append(row | {"true_caption": text(10 * f + i, "car")})
            second.append(row | {"true_caption": text(10 * f + i, "auto")})
        write_json(folder / "data" / f"{name}.json", first)
        write_json(folder / "swapped_data" / f"{name}.json", second)


def karpathy(folder: Path, name: str, images: str, size: int) -> None:
    """Two images of the training split beside; the first image has six captions."""
    entries = []
    for i in range(size + 2):
        filename = f"COCO_val2014_{i:012}.jpg" if name == "coco" else f"{1000 + i}.jpg"
        save(folder / images, filename, i)
        texts = [text(10 * i + k, "thing") for k in range(6 if i == 0 else 5)]
        sentences = [
            {"raw": raw, "tokens": raw.split(), "imgid": i, "sentid": 10 * i + k} for k, raw in enumerate(texts)
        ]
        entry = {"filename": filename, "imgid": i, "split": "test" if i < size else "train", "sentences": sentences}
        entries.append(entry | ({"filepath": images, "cocoid": i} if name == "coco" else {}))
    write_json(folder / f"dataset_{name}.json", {"images": entries, "dataset": name})


def coco(folder: Path) -> None:
    karpathy(folder, "coco", "val2014", 15)


def flickr30k(folder: Path) -> None:
    karpathy(folder, "flickr30k", "flickr30k-images", 14)


def flickr30k_hub(folder: Path) -> None:
    """As nlphuji/flickr30k: all in one split, Karpathy's in a column."""
    rows = [
        {
            "image": scene(i),
            "caption": [text(10 * i + k, "thing") for k in range(5)],
            "split": "test" if i < 14 else "train",
        }
        for i in range(16)
    ]
    features = {"image": Image(), "caption": [Value("string")], "split": Value("string")}
    save_parquet(folder, Dataset.from_list(rows, features=Features(features)))


def zero_shot(folder: Path) -> None:
    for label in range(7):
        for i in range(4):
            save(folder / f"class_{label}", f"{i}.png", 4 * label + i)


def zero_shot_hub(folder: Path) -> None:
    from datasets import ClassLabel

    rows = [{"image": scene(i), "label": i % 7} for i in range(28)]
    names = [f"class_{label}" for label in range(7)]
    save_parquet(
        folder, Dataset.from_list(rows, features=Features({"image": Image(), "label": ClassLabel(names=names)}))
    )


FIXTURES = {
    "aro": aro,
    "coco": coco,
    "colorswap": colorswap,
    "colorswap, as on the Hub": colorswap_hub,
    "flickr30k": flickr30k,
    "flickr30k, as on the Hub": flickr30k_hub,
    "hard_positives": hard_positives,
    "inpaintcoco": inpaintcoco,
    "inpaintcoco, the original": inpaintcoco_original,
    "natural_twins": natural_twins,
    "sugarcrepe": sugarcrepe,
    "sugarcrepe_pp": sugarcrepe_pp,
    "svo_probes": svo_probes,
    "vl_checklist": vl_checklist,
    "whatsup": whatsup,
    "winoground": winoground,
    "winoground, as on the Hub": winoground_hub,
    "zero_shot": zero_shot,
    "zero_shot, as on the Hub": zero_shot_hub,
}


def make_benchmark(name: str, folder: Path) -> str:
    """Fill a folder and return the spec that `load_benchmark` takes."""
    folder.mkdir(parents=True, exist_ok=True)
    FIXTURES[name](folder)
    return f"{name.split(',')[0]}={folder}"
