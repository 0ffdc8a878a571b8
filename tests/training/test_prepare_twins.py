"""Sets of pairs become training rows: which pairs, which ids, and what is counted and left out."""

import json
import random
from io import BytesIO
from pathlib import Path

import pytest
from datasets import Dataset, Features, List, Value
from helpers.benchmark_fixtures import scene
from helpers.coco_folder import write_split
from helpers.inpainting_folder import make_folder
from helpers.processes import run_ranks
from transformers import CLIPModel, CLIPProcessor, TrainerCallback

from hf_hardneg.columns import PAIR_FEATURES
from hf_hardneg.data.twin_sets import SAME_CAPTION, SAME_IMAGE
from hf_hardneg.inpainting.build import build_pairs
from hf_hardneg.inpainting.edit.classical import ClassicalEditor
from hf_hardneg.inpainting.publish.export import export_pairs
from hf_hardneg.lexicon.concepts import CONCEPTS
from hf_hardneg.model.dual_encoder import find_text_format
from hf_hardneg.scenes.world import sample_pair, scene_twins
from hf_hardneg.training.arguments import DataArguments, HardNegCLIPTrainingArguments
from hf_hardneg.training.collator import HardNegCollator
from hf_hardneg.training.command import main
from hf_hardneg.training.prepare import load_sources, prepare_data
from hf_hardneg.training.prepare_twins import HELD_OUT, JUDGED, count_scene_twins
from hf_hardneg.training.recipe import parse_arguments
from hf_hardneg.training.trainer import HardNegCLIPTrainer
from hf_hardneg.training.twin_batches import find_twin_rows
from hf_hardneg.twins import make_twins


DETAILS = {"id": Value("int64"), "captions": List(Value("string"))}
FEATURES = Features({**PAIR_FEATURES, "coco_details": DETAILS})
WITH_SOURCES = Features({**FEATURES, "inpaint_details": {"source_image_id": Value("int64")}})


def png(image):
    file = BytesIO()
    image.save(file, "PNG")
    return {"bytes": file.getvalue(), "path": None}


def pair_of(number, **changes):
    """A pair with InpaintCOCO's columns, images encoded."""
    pair = sample_pair(random.Random(f"prepare/{number}"), CONCEPTS[number % 4])
    images = {name: png(pair[name]) for name in ("coco_image", "inpaint_image", "mask")}
    return {**pair, **images, "coco_details": None, **changes}


def write_set(folder, pairs, split="train", features=FEATURES):
    folder.mkdir(parents=True, exist_ok=True)
    Dataset.from_list(list(pairs), features=features).to_parquet(folder / f"{split}-00000.parquet")
    return str(folder)


CAPTIONS = {image_id: [f"a photo of thing {image_id}", f"thing {image_id} again"] for image_id in range(100, 130)}


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    write_split(folder, "train", CAPTIONS, lambda image_id, file: scene(image_id).save(file, quality=37))
    return folder


def load(photos, *twins, **arguments):
    arguments = {"held_out_images": 3, "num_proc": 1} | arguments
    return load_sources(DataArguments(dataset=str(photos), twins=[str(one) for one in twins], **arguments))


def test_twins_stand_beside_single_images(photos, tmp_path):
    sets = [write_set(tmp_path / name, map(pair_of, some)) for name, some in (("a", range(6)), ("b", range(6, 9)))]
    data = load(photos, *sets)
    found = find_twin_rows(data.rows)
    assert len(found.pairs) == 9 and len(found.singles) == 2 * 27 and data.skipped.total() == 0
    ids = data.rows["image_id"][:]
    assert len({ids[i] for i in found.pairs.ravel()}) == 18 and not {ids[i] for i in found.pairs.ravel()} & set(
        CAPTIONS
    )
    for (i, j), expected in zip(found.pairs.tolist(), map(pair_of, range(9)), strict=True):
        first, second = data.rows[i], data.rows[j]
        assert (first["caption"], second["caption"]) == (expected["coco_caption"], expected["inpaint_caption"])
        assert png(first["image"]) == expected["coco_image"] and png(second["image"]) == expected["inpaint_image"]
        # so that negatives made of one are false of both
        assert first["other_captions"] == [second["caption"]] and second["other_captions"] == [first["caption"]]


def test_a_photo_has_one_id_whether_it_is_a_twin_or_not(photos, tmp_path):
    """Losses take other captions of the same image for right ones, if they know that it is the same."""
    held = set(load(photos).held_out["image_id"])
    same_bytes, same_id = [image_id for image_id in CAPTIONS if image_id not in held][:2]
    content = {"bytes": (photos / "train" / f"{same_bytes}.jpg").read_bytes(), "path": None}
    details = {"id": same_id, "captions": [pair_of(1)["coco_caption"], " one more ", ""]}
    pairs = [
        pair_of(0, coco_image=content),
        pair_of(1, coco_details=details),
        pair_of(2, coco_image=pair_of(3)["coco_image"]),
        pair_of(3),
        pair_of(4, coco_details={"id": 9999, "captions": []}),  # an id that the training data do not know
    ]
    data = load(photos, write_set(tmp_path / "set", pairs))
    ids = data.rows["image_id"][:]
    first = [ids[i] for i, _ in find_twin_rows(data.rows).pairs.tolist()]
    assert first[:2] == [same_bytes, same_id] and first[2] == first[3] and len(set(first)) == 4 and 9999 not in first
    assert data.rows[int(find_twin_rows(data.rows).pairs[1, 0])]["other_captions"][0] == "one more"


def test_photos_that_models_are_judged_on_are_left_out(photos, tmp_path):
    held = sorted(set(load(photos).held_out["image_id"]))
    content = {"bytes": (photos / "train" / f"{held[0]}.jpg").read_bytes(), "path": None}
    judged = write_set(tmp_path / "judged", [pair_of(20), pair_of(21)], "test")
    challenge = write_set(tmp_path / "challenge", [pair_of(30, coco_details={"id": 777, "captions": []})], "test")
    pairs = [
        pair_of(0, coco_image=content),
        pair_of(1, coco_details={"id": held[1], "captions": []}),
        pair_of(2, inpaint_image=pair_of(21)["inpaint_image"]),
        pair_of(3, coco_details={"id": 777, "captions": []}),
        pair_of(4),
    ]
    twins = write_set(tmp_path / "set", pairs)
    data = load(photos, twins, pairs=judged, challenge_sets=[challenge])
    assert len(find_twin_rows(data.rows).pairs) == 1
    refused = "twins: the photo is in a challenge set"
    assert data.skipped == {HELD_OUT: 2, JUDGED: 2} and refused == JUDGED
    alone = write_set(tmp_path / "alone", [pairs[3]])
    with pytest.raises(ValueError, match="All 1 photos of .* are refused"):
        load(photos, alone, challenge_sets=[challenge])
    with pytest.raises(ValueError, match=r"None of 2 pairs of .* is left: twins: a photo is held out \(2\)"):
        load(photos, write_set(tmp_path / "held", pairs[:2]))


def test_twins_that_show_a_cut_out_of_a_held_out_photo_are_left_out(photos, tmp_path):
    held = sorted(set(load(photos).held_out["image_id"]))
    cut_out = {"inpaint_details": {"source_image_id": held[1]}}
    pairs = [pair_of(0, inpaint_details=None), pair_of(1, **cut_out), pair_of(2, inpaint_details=None)]
    data = load(photos, write_set(tmp_path / "set", pairs, features=WITH_SOURCES))
    assert len(find_twin_rows(data.rows).pairs) == 2 and data.skipped == {HELD_OUT: 1}


def test_a_set_alone_holds_out_all_pairs_of_a_photo_by_its_id(tmp_path):
    """Two edits of one photo may hold it in files of different bytes."""

    def details(photo, source=None):
        return {"coco_details": {"id": photo, "captions": []}, "inpaint_details": {"source_image_id": source}}

    pairs = [pair_of(number, **details(number)) for number in range(20)]
    pairs[7], pairs[8] = pair_of(7, **details(0)), pair_of(8, **details(8, source=0))
    data = load(write_set(tmp_path / "set", pairs, features=WITH_SOURCES), held_out_images=40)
    assert {pairs[0]["coco_caption"], pairs[10]["coco_caption"]} == set(data.held_out["caption"][::2])
    assert len(data.rows) == 2 * 16 and data.skipped == {HELD_OUT: 2}


def test_twins_of_scenes_have_the_concepts_in_the_shares_of_their_weights():
    few = {"num_rows": 40, "held_out_images": 8, "pairs_per_concept": 1}
    rows = load_sources(DataArguments(dataset="scenes", twins=["scenes"], concept_weights=[0, 1, 1, 2], **few)).rows
    twins = rows.select(range(40, len(rows)))
    expected = scene_twins("twins", {"color": 5, "size": 5, "location": 10})
    assert twins["caption"][:] == expected["caption"][:]


@pytest.mark.parametrize(
    ("concepts", "weights", "message"),
    [
        (["color", "size"], [1.0], "concept_weights \\[1.0\\] must hold one number, 0 or more"),
        (["object", "color"], [0.0, 0.0], "none has a weight above 0"),
        (["./animals.yaml"], [], "none has a weight above 0: name one of these with --concepts"),
    ],
)
def test_twins_of_scenes_need_a_concept_that_scenes_have(concepts, weights, message):
    with pytest.raises(ValueError, match=message):
        count_scene_twins(8, concepts, weights)


def test_scenes_that_are_trained_on_are_not_held_out():
    for seed in ("train", "twins"):
        with pytest.raises(ValueError, match=f"held_out_scenes is '{seed}', the seed of scenes that are trained on"):
            load_sources(DataArguments(dataset="scenes", twins=["scenes"], held_out_scenes=seed, num_rows=8))


def test_pairs_that_are_no_twins_are_counted_and_left_out(photos, tmp_path):
    whole = pair_of(0)
    pairs = [
        whole,
        pair_of(1, inpaint_caption=f" {pair_of(1)['coco_caption'].upper()}"),
        pair_of(2, inpaint_image=pair_of(2)["coco_image"]),
        pair_of(3, coco_caption=" "),
        pair_of(4, inpaint_image=None),
        pair_of(5, coco_image={"bytes": b"broken", "path": None}),
    ]
    data = load(photos, write_set(tmp_path / "set", pairs))
    assert len(find_twin_rows(data.rows).pairs) == 1
    reasons = (SAME_CAPTION, SAME_IMAGE, "the caption is empty", "the image is missing", "the image cannot be read")
    assert data.skipped == {f"twins: {reason}": 1 for reason in reasons}
    with pytest.raises(ValueError, match=r"None of 5 pairs of .* can be used: .*both captions are the same \(1\)"):
        load(photos, write_set(tmp_path / "broken", pairs[1:]))


def test_a_set_of_twins_is_trained_on_alone(tmp_path, processor):
    pairs = [pair_of(number) for number in range(30)]
    pairs[7]["coco_image"] = pairs[0]["coco_image"]  # one photo, edited twice
    source = write_set(tmp_path / "set", pairs, "test")
    argv = ["--dataset", source, "--output_dir", str(tmp_path / "out"), "--num_proc", "1", "--report_to", "none"]
    data = prepare_data(parse_arguments(argv), processor.tokenizer, 32)
    twins = find_twin_rows(data.rows)
    trained, held_out = set(data.rows["image_id"]), set(data.held_out["image_id"])
    assert len(held_out) == 2 * 3 and not trained & held_out
    assert len(twins.pairs) in (26, 27) and not len(twins.singles)
    assert data.skipped[HELD_OUT] == 27 - len(twins.pairs)
    assert "pair_id" not in data.held_out.column_names


def test_a_twin_is_left_out_with_the_other_one(tmp_path, processor, photos):
    pairs = [pair_of(0), pair_of(1, inpaint_caption=" ".join(["a cup"] * 40)), pair_of(2)]
    source = write_set(tmp_path / "set", pairs)
    argv = ["--dataset", str(photos), "--twins", source, "--output_dir", str(tmp_path / "out"), "--num_proc", "1"]
    argv += ["--report_to", "none", "--num_negatives", "0"]
    data = prepare_data(parse_arguments(argv), processor.tokenizer, 32)
    assert len(find_twin_rows(data.rows).pairs) == 2
    assert data.skipped["the other twin was left out"] == 1


def test_twins_whose_captions_are_alike_when_cut_are_left_out(tmp_path, processor, photos):
    tree = "a tree and " * 20
    long = {"coco_caption": f"{tree}a red cup", "inpaint_caption": f"{tree}a blue cup"}
    pairs = [pair_of(0), pair_of(1, **long), pair_of(2)]
    argv = ["--output_dir", str(tmp_path / "out"), "--report_to", "none", "--num_negatives", "0", "--num_proc", "1"]
    argv += ["--long_captions", "cut", "--dataset"]
    twins = write_set(tmp_path / "set", pairs)
    data = prepare_data(parse_arguments([*argv, str(photos), "--twins", twins]), processor.tokenizer, 32)
    assert len(find_twin_rows(data.rows).pairs) == 2
    assert data.skipped[f"twins: {SAME_CAPTION}"] == 1
    alone = write_set(tmp_path / "alone", [{**pair_of(number), **long} for number in (1, 5)])
    with pytest.raises(ValueError, match="No row is left to train on: twins: both captions are the same"):
        prepare_data(parse_arguments([*argv, alone]), processor.tokenizer, 32)


def test_given_negatives_are_no_captions_of_twins(tmp_path, processor, photos):
    """Edits are made of the negatives of a caption, so these often are what is true of the edited image."""
    pairs = [pair_of(number) for number in range(4)]
    given = [
        {"caption": one, "negatives": [other.upper(), "a wrong thing"]}
        for pair in pairs
        for one, other in [(pair["coco_caption"], pair["inpaint_caption"])]
    ]
    (tmp_path / "given.jsonl").write_text("\n".join(map(json.dumps, given)))
    argv = ["--dataset", str(photos), "--twins", write_set(tmp_path / "set", pairs), "--num_proc", "1"]
    argv += [
        "--output_dir",
        str(tmp_path / "out"),
        "--report_to",
        "none",
        "--negatives",
        str(tmp_path / "given.jsonl"),
    ]
    data = prepare_data(parse_arguments(argv), processor.tokenizer, 32)
    twins = [
        (data.rows[i]["negatives"], data.rows[j]["negatives"]) for i, j in find_twin_rows(data.rows).pairs.tolist()
    ]
    assert twins == [(["a wrong thing"], [])] * 4
    assert data.skipped["a negative is the caption of the twin"] == 4


def write_table(folder, rows):
    """A table of (number of the photo, caption, pair_id)."""
    for number in {number for number, *_ in rows}:
        scene(number).save(folder / f"{number}.png")
    lines = [f"{number}.png,{caption},{pair}" for number, caption, pair in rows]
    (folder / "table.csv").write_text("\n".join(["image,caption,pair_id", *lines]))
    return folder / "table.csv"


def test_a_table_says_in_pair_id_which_row_is_whose_twin(tmp_path):
    rows = [(number, f"thing {number}", "") for number in range(20)]
    rows += [(100 + number, f"a cup {number}", f"pair {number // 2}") for number in range(20)]
    rows += [(200, "a vase", "alone"), (201, "a box", "three"), (202, "a bag", "three"), (203, "a hat", "three")]
    rows += [(204, "A hen ", "alike"), (205, "a hen", "alike"), (206, "a dog", "one"), (206, "a cat", "one")]
    more = write_set(tmp_path / "more", map(pair_of, range(2)))
    data = load(write_table(tmp_path, rows), more, held_out_images=4)
    twins = find_twin_rows(data.rows)
    held_out = set(data.held_out["caption"])
    pairs = [{data.rows[i]["caption"], data.rows[j]["caption"]} for i, j in twins.pairs.tolist()]
    whole = [{f"a cup {number}", f"a cup {number + 1}"} for number in range(0, 20, 2)]
    assert len(pairs) == 2 + sum(not pair & held_out for pair in whole)
    assert all(pair <= held_out for pair in whole if pair & held_out) and any(pair & held_out for pair in whole)
    assert "pair_id" not in data.held_out.column_names
    for i, j in twins.pairs.tolist():
        assert data.rows[j]["caption"] in data.rows[i]["other_captions"]
    single = "a row became a single image: {}"
    assert data.skipped == {
        single.format("its pair has one row"): 1,
        single.format("its pair has more than two rows"): 3,
        single.format(SAME_CAPTION): 2,
        single.format(SAME_IMAGE): 2,
    }
    assert len(data.rows) + len(data.held_out) == len(rows) + 4  # nothing is lost


@pytest.mark.parametrize("keeps", ["true", "false"])
def test_text_negatives_of_a_twin_are_false_of_the_other(tmp_path, processor, keeps):
    argv = ["--twins", "scenes", "--num_rows", "800", "--output_dir", str(tmp_path / "out"), "--num_proc", "1"]
    argv += ["--held_out_images", "10", "--pairs_per_concept", "2", "--report_to", "none"]
    data = prepare_data(parse_arguments([*argv, "--keep_captions_without_negatives", keeps]), processor.tokenizer, 32)
    twins = find_twin_rows(data.rows)
    assert len(twins.pairs) == 400  # a twin without a text negative stays beside the other one
    rows = data.rows.remove_columns("image")
    number = 0
    for i, j in [*twins.pairs.tolist(), *twins.pairs[:, ::-1].tolist()]:
        negatives = rows[i]["negatives"]
        number += len(negatives)
        assert rows[j]["caption"] not in negatives
    assert number > 200


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--twins", "{tmp}/nowhere"], "nowhere"),
        (["--twins", "{tmp}/photos.csv"], "has no column 'coco_caption'"),
        (["--dataset", "{tmp}/set", "--twins", "scenes"], "--twins scenes goes with --dataset scenes"),
        (["--twin_share", "0.5"], "twin_share is 0.5, and no row has a twin: name a set of twins with --twins"),
        (["--twin_weight", "1"], "twin_weight is 1, and no row has a twin"),
        (["--twins", "scenes", "--twin_share", "1.5"], "twin_share is 1.5; it must be 0 to 1"),
        (["--twins", "scenes", "--twin_share", "0", "--twin_weight", "1"], "twin_weight is 1, and twin_share is 0"),
        (["--twins", "scenes", "--per_device_train_batch_size", "1", "--twin_share", "0.5"], "a batch of 1 row"),
        (["--twins", "{tmp}/set", "--per_device_train_batch_size", "64"], "16 pairs of twins, and there are only 3"),
        (["--dataset", "{tmp}/set", "--per_device_train_batch_size", "3"], "an even per_device_train_batch_size"),
    ],
)  # fmt: skip
def test_a_users_mistake_with_twins_ends_with_one_sentence(start, tmp_path, flags, message):
    write_set(tmp_path / "set", map(pair_of, range(4 if "--dataset" in flags else 3)))
    (tmp_path / "photos.csv").write_text("image,caption\na.jpg,a cup\n")
    argv = ["start.yaml", "--model_name_or_path", start, "--num_rows", "80", "--held_out_images", "10"]
    argv += ["--pairs_per_concept", "2", "--num_proc", "1", "--max_steps", "1", "--num_negatives", "0"]
    argv += ["--output_dir", str(tmp_path / "out"), *flags]
    with pytest.raises(SystemExit, match=f"error: .*{message}"):
        main([arg.format(tmp=tmp_path) for arg in argv])


def test_the_command_trains_on_twins_and_on_a_control_that_tears_them(start, tmp_path, photos, batches):
    source = write_set(tmp_path / "set", map(pair_of, range(8)))
    argv = ["--dataset", str(photos), "--twins", source, "--control", "true", "--output_dir", str(tmp_path / "out")]
    argv += ["--model_name_or_path", start, "--per_device_train_batch_size", "8", "--max_steps", "6"]
    argv += ["--num_negatives", "0", "--report_to", "none", "--twin_share", "0.5", "--dataloader_num_workers", "0"]
    main([*argv, "--twin_weight", "0.5", "--use_cpu", "true"])
    of_batches = [[row["pair_id"] for row in batches[8 * i : 8 * i + 8]] for i in range(len(batches) // 8)]
    assert len(batches) == 8 * 2 * 7  # the loader is one batch ahead
    together = [a == b is not None and c == d is not None and {*rest} == {None} for a, b, c, d, *rest in of_batches]
    assert together[7:] == [True] * 7 and together[:7] == [False] * 7
    assert (tmp_path / "out" / "control" / "model.safetensors").exists()


def train(rank, folder, share, name, stop, resumed):
    """Train on two processes for seven steps, or stop after some; keep the caption of each row."""
    model, processor = CLIPModel.from_pretrained(folder), CLIPProcessor.from_pretrained(folder)
    seen = []

    class Collator(HardNegCollator):
        def __call__(self, rows):
            seen.append([row["caption"] for row in rows])
            return super().__call__(rows)

    class Stop(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            control.should_training_stop = state.global_step == stop

    args = HardNegCLIPTrainingArguments(
        output_dir=f"{folder}/{name}", use_cpu=True, per_device_train_batch_size=6, max_steps=7, num_negatives=0,
        report_to="none", save_steps=1, disable_tqdm=True, twin_share=share,
    )  # fmt: skip
    rows = Dataset.load_from_disk(f"{folder}/twins")
    collator = Collator(processor, 0, text_format=find_text_format(model, processor.tokenizer))
    trainer = HardNegCLIPTrainer(model, args, collator, train_dataset=rows, callbacks=[Stop()])
    trainer.train(resume_from_checkpoint=resumed)
    (folder / f"{name}{rank}.txt").write_text("\n".join(map(repr, seen)))


@pytest.mark.parametrize("share", [2 / 3, 0.0])
def test_two_processes_resumed_in_a_later_epoch_go_on_with_the_same_rows(start, tmp_path, share):
    """accelerate does not tell the epoch to the sampler under a resumed loader of several processes."""
    folder = Path(start)
    rows = scene_twins("resumed", dict.fromkeys(CONCEPTS, 2)).map(
        lambda row, i: {**row, "pair_id": None if i > 9 else row["pair_id"]}, with_indices=True
    )
    rows.save_to_disk(folder / "twins")  # 16 rows: two steps an epoch
    run_ranks(train, 2, tmp_path, folder, share, "whole", None, None)
    run_ranks(train, 2, tmp_path, folder, share, "stopped", 5, None)
    run_ranks(train, 2, tmp_path, folder, share, "stopped", None, True)
    for rank in range(2):
        whole = (folder / f"whole{rank}.txt").read_text().splitlines()
        assert (folder / f"stopped{rank}.txt").read_text().splitlines()[:2] == whole[5:7]


def test_edited_training_photos_are_twins_that_keep_the_ids_of_their_photos(tmp_path):
    """Exports are PNG files, whatever the photos are; only ids tell that a photo is a single image, too."""
    folder = make_folder(tmp_path / "coco")
    (folder / "val2017").rename(folder / "train2017")
    for file in (folder / "annotations").glob("*_val2017.json"):
        file.rename(file.with_name(file.name.replace("val2017", "train2017")))
    build_pairs(
        folder,
        tmp_path / "built",
        ClassicalEditor,
        made_with={"editor": "classical"},
        wanted={"color": 4, "object": 1, "size": 1},
    )
    made = export_pairs(tmp_path / "built", tmp_path / "recolored", unreviewed=True)
    data = load(folder, tmp_path / "recolored", held_out_images=1)
    twins = find_twin_rows(data.rows)
    assert len(twins.pairs) + data.skipped[HELD_OUT] == sum(made["by_concept"].values()) > len(twins.pairs) > 3
    ids, single = data.rows["image_id"][:], {data.rows["image_id"][i] for i in twins.singles}
    assert {ids[i] for i in twins.pairs[:, 0]} <= single and not {ids[i] for i in twins.pairs[:, 1]} & single


def test_natural_twins_are_two_photos_of_the_training_data(tmp_path):
    captions = {7: ["A man rides a tall horse on the beach.", "Someone rides."], 8: ["A woman rides a tall horse"]}
    captions |= {9: ["A red bus on a road.", "A bus."], 10: ["A blue bus on a road."], 11: ["A cup stands alone."]}
    folder = tmp_path / "photos"
    write_split(folder, "train", captions, lambda image_id, file: scene(image_id).save(file, quality=37))
    make_twins(folder, tmp_path / "twins")
    rows = load(folder, tmp_path / "twins", held_out_images=1).rows
    ids, found = rows["image_id"][:], find_twin_rows(rows)
    assert [{ids[i], ids[j]} for i, j in found.pairs.tolist()] == [{9, 10}]  # photo 7 is held out
    told = {rows[i]["caption"]: set(rows[i]["other_captions"]) for i in found.pairs[0].tolist()}
    red, blue = "A red bus on a road.", "A blue bus on a road."
    assert told == {red: {blue, "A bus."}, blue: {red}}
