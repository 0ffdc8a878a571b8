"""The main job from the command line, and its checkpoint in a process that knows nothing of hf_hardneg."""

import json
import os
import subprocess

import pytest
import yaml
from helpers.coco_folder import edit_captions
from helpers.quick_python import quick_python
from huggingface_hub import ModelCard
from safetensors import safe_open
from transformers import CLIPConfig, CLIPModel

from hf_hardneg.atomic_folder import check_writable
from hf_hardneg.lexicon.concepts import CONCEPTS
from hf_hardneg.model.loading import START_MODEL
from hf_hardneg.scenes.world import scene_pairs
from hf_hardneg.training.command import main


STRANGER = """
import json, sys
import numpy as np, torch
from datasets import load_from_disk
from transformers import CLIPModel, CLIPProcessor
folder, pairs = sys.argv[1], load_from_disk(sys.argv[2])
model, processor = CLIPModel.from_pretrained(folder), CLIPProcessor.from_pretrained(folder)
groups = {}
for pair in pairs:
    images = [pair["coco_image"].convert("RGB"), pair["inpaint_image"].convert("RGB")]
    inputs = processor(text=[pair["coco_caption"], pair["inpaint_caption"]], images=images, padding=True,
                       return_tensors="pt")
    with torch.no_grad():
        s = model(**inputs).logits_per_image
    right = s[0, 0] > s[0, 1] and s[1, 1] > s[1, 0] and s[0, 0] > s[1, 0] and s[1, 1] > s[0, 1]
    groups.setdefault(pair["concept"], []).append(bool(right))
assert "hf_hardneg" not in sys.modules
print(json.dumps({concept: 100 * np.mean(right) for concept, right in groups.items()}))
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo recipe, made short, as a user runs it; returns its folder and what it printed."""
    folder = tmp_path_factory.mktemp("demo") / "out"
    flags = ["--output_dir", str(folder), "--num_rows", "300", "--max_steps", "12", "--pairs_per_concept", "8"]
    command = [quick_python(), "-m", "accelerate.commands.launch", "-m", "hf_hardneg.train", "demo.yaml", *flags]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    held_out = ["--held_out_images", "40", "--held_out_scenes", "dev"]
    done = subprocess.run([*command, *held_out], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, done


def test_the_run_leaves_model_processor_metrics_figure_and_card(demo):
    folder, done = demo
    metrics = json.loads((folder / "metrics.json").read_text())
    assert list(metrics["results"]) == ["start", "control", "K = 3 and twins"]
    assert metrics["table"] in done.stdout
    assert metrics["training"]["steps"] == 12
    assert metrics["versions"]["transformers"]
    assert (folder / "results.png").stat().st_size > 10_000
    card = ModelCard.load(folder / "README.md")
    assert metrics["table"] in card.text
    assert card.data.eval_results is None and "zero-shot-image-classification" in card.text
    assert yaml.safe_load((folder / "recipe.yaml").read_text())["max_steps"] == 12
    for trained in (folder, folder / "control"):
        with safe_open(trained / "model.safetensors", "pt") as weights:
            assert "logit_scale" in weights.keys()
        assert json.loads((trained / "trainer_state.json").read_text())["global_step"] == 12
    assert not list(folder.glob("**/*.bin")) and not list(folder.glob("**/*.pt"))


def test_the_run_shows_progress(demo):
    said = demo[1].stderr
    assert "Training control: " in said and "control, 12 steps in " in said and "K = 3 and twins, 12 steps in " in said


def test_a_stranger_process_gets_the_printed_scores(demo, tmp_path):
    folder, _ = demo
    scene_pairs("dev", 8).save_to_disk(tmp_path / "pairs")
    done = subprocess.run(
        [quick_python(), "-c", STRANGER, str(folder), str(tmp_path / "pairs")],
        capture_output=True,
        text=True,
        check=True,
    )
    results = json.loads((folder / "metrics.json").read_text())["results"]["K = 3 and twins"]
    assert json.loads(done.stdout) == {
        c: results[c]["group"]["value"] for c in ("object", "color", "size", "location")
    }


def test_the_shipped_start_model_knows_objects_but_no_attributes(demo):
    start = json.loads((demo[0] / "metrics.json").read_text())["results"]["start"]
    assert start["object"]["group"]["value"] >= 80
    assert all(start[concept]["group"]["value"] <= 30 for concept in ("color", "size", "location"))
    assert start["retrieval"]["image_to_text_R@5"]["value"] >= 95


def test_the_best_checkpoint_and_resuming_work_from_the_command(start, tmp_path):
    out = tmp_path / "out"
    argv = ["demo.yaml", "--model_name_or_path", start, "--output_dir", str(out), "--num_rows", "100"]
    argv += [
        "--pairs_per_concept",
        "3",
        "--held_out_images",
        "12",
        "--dataloader_num_workers",
        "0",
        "--use_cpu",
        "true",
    ]
    argv += ["--eval_strategy", "steps", "--eval_steps", "2", "--save_strategy", "steps", "--save_steps", "2"]
    best = ["--load_best_model_at_end", "true", "--metric_for_best_model", "eval_group_macro"]
    main([*argv, *best, "--max_steps", "2"])
    assert (out / "checkpoint-2").is_dir() and (out / "control" / "checkpoint-2").is_dir()
    main([*argv, *best, "--max_steps", "4", "--resume_from_checkpoint", "true"])
    for folder in (out, out / "control"):
        state = json.loads((folder / "checkpoint-4" / "trainer_state.json").read_text())
        assert state["best_metric"] is not None and len([x for x in state["log_history"] if "eval_loss" in x]) == 2
    refused = [["--resume_from_checkpoint", str(out / "checkpoint-2")], ["--metric_for_best_model", "eval_accuracy"]]
    for flags in refused:
        with pytest.raises(SystemExit, match="control"):
            main([*argv, *flags])


@pytest.mark.parametrize(
    ("flags", "trained"),
    [
        (["--text_only", "true", "--control", "true"], ("text_model.", "text_projection.", "logit_scale")),
        (
            [
                "--text_only",
                "true",
                "--train_visual_projection",
                "true",
                "--grad_cache_rows",
                "5",
                "--control",
                "true",
            ],
            ("text_model.", "text_projection.", "logit_scale", "visual_projection."),
        ),
        (["--lora_towers", "text", "--grad_cache_rows", "5", "--control", "false"], ("text_model.encoder.",)),
        (["--frozen_towers", "text", "--control", "false"], ("vision_model.", "visual_projection.", "logit_scale")),
    ],
)
def test_cheaper_ways_to_train_leave_a_plain_model_that_changed_where_it_should(start, tmp_path, flags, trained):
    out = tmp_path / "out"
    argv = [
        "demo.yaml",
        "--model_name_or_path",
        start,
        "--output_dir",
        str(out),
        "--num_rows",
        "60",
        "--max_steps",
        "2",
    ]
    argv += [
        "--pairs_per_concept",
        "2",
        "--held_out_images",
        "8",
        "--dataloader_num_workers",
        "0",
        "--use_cpu",
        "true",
    ]
    main([*argv, "--per_device_train_batch_size", "8", *flags])
    before, after = (CLIPModel.from_pretrained(folder).state_dict() for folder in (start, out))
    changed = {name for name in before if not before[name].equal(after[name])}
    assert changed and all(name.startswith(trained) for name in changed)
    assert (out / "adapter" / "adapter_model.safetensors").is_file() == ("--lora_towers" in flags)
    assert (out / "control" / "model.safetensors").is_file() == ("--text_only" in flags)


@pytest.fixture
def random_vit(processor, tmp_path):
    """A random-weight ViT-B/32 vision tower of two layers, at its real picture and patch size."""
    vision = {"image_size": 224, "patch_size": 32, "num_hidden_layers": 2}
    text = {"num_hidden_layers": 1, "vocab_size": len(processor.tokenizer), "max_position_embeddings": 77}
    text |= {"eos_token_id": processor.tokenizer.eos_token_id, "bos_token_id": processor.tokenizer.bos_token_id}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision))
    model.save_pretrained(tmp_path / "vit")
    processor.image_processor.size = {"height": 224, "width": 224}
    processor.save_pretrained(tmp_path / "vit")
    processor.image_processor.size = {"height": 48, "width": 48}
    return str(tmp_path / "vit")


def test_the_coco_recipe_runs_on_a_coco_folder(coco, random_vit, tmp_path, caplog):
    def spoil(content):
        content["annotations"][0]["caption"] = "It is raining and nobody is here."
        content["annotations"][5]["image_id"] = 999

    edit_captions(coco, spoil)
    (coco / "val2017" / "000000000105.jpg").unlink()
    argv = ["coco_vit_b32.yaml", "--dataset", str(coco), "--dataset_split", "val2017", "--max_steps", "2"]
    argv += ["--model_name_or_path", random_vit, "--output_dir", str(tmp_path / "out"), "--use_cpu", "true"]
    with pytest.raises(SystemExit, match="error: val2017 of .* is not trained on"):
        main(argv)
    argv += ["--allow_challenge_images", "true"]  # the tests' folder has the name of COCO's val2017, not its photos
    main([*argv, "--per_device_train_batch_size", "8", "--dataloader_num_workers", "0"])
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["training"]["steps"] == 2
    assert metrics["data"]["skipped"]["the image is missing"] == 1
    assert metrics["data"]["skipped"]["the annotation has no image"] == 1
    assert metrics["data"]["negatives"].keys() <= set(CONCEPTS) and sum(metrics["data"]["negatives"].values()) > 10
    assert metrics["data"]["rejections"]["the new word is in another caption of the image"] > 10
    assert "Skipped" in caplog.text
    CLIPModel.from_pretrained(tmp_path / "out")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--num_negativs", "3"], "--num_negatives"),
        (["photos.yaml", "--dataset", "no/such/dataset", "--output_dir", "{tmp}/out"], "--model_name_or_path"),
        (
            ["--dataset", "no/such/dataset", "--model_name_or_path", str(START_MODEL), "--output_dir", "{tmp}/out"],
            "no/such/dataset",
        ),
        (["--output_dir", "{tmp}/file/out"], "another --output_dir"),
        (
            ["--concepts", "color", "--concept_weights", "1", "2", "--num_rows", "60", "--output_dir", "{tmp}/out"],
            "one number, 0 or more and not all 0, for each",
        ),
        (["--model_name_or_path", "{tmp}/nowhere", "--output_dir", "{tmp}/out"], "nowhere"),
        (["--grad_cache_rows", "0", "--output_dir", "{tmp}/out"], "grad_cache_rows is 0; it must be 1 or more"),
        (["--text_layout", "rows", "--output_dir", "{tmp}/out"], "text_layout is 'rows'; it must be one of"),
    ],
)
def test_a_users_mistake_ends_with_one_sentence(tmp_path, argv, message):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit, match=f"error: .*{message}"):
        main([arg.format(tmp=tmp_path) for arg in argv])


def test_freezing_what_is_to_be_trained_is_refused_before_anything_starts(start, tmp_path):
    argv = ["demo.yaml", "--model_name_or_path", start, "--output_dir", str(tmp_path / "out")]
    for tower in (["--lora_towers", "vision"], ["--frozen_towers", "text"]):
        with pytest.raises(SystemExit, match="frozen"):
            main([*argv, "--text_only", "true", *tower])
    assert not (tmp_path / "out").exists()


def test_an_output_folder_is_made_and_left_clean(tmp_path):
    check_writable(str(tmp_path / "a" / "b"))
    assert list((tmp_path / "a" / "b").iterdir()) == []
