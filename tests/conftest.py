"""A tiny real CLIPModel, its processor, and small data folders that the tests make themselves."""

import gc
import os
import random
import shutil


os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import pytest
from helpers.captions import CAPTIONS, OTHER_CAPTIONS, scene_captions
from helpers.coco_folder import write_json
from transformers import CLIPModel, CLIPProcessor

from hf_hardneg.columns import with_negatives
from hf_hardneg.negatives.add_negatives import AddHardNegatives
from hf_hardneg.scenes.world import draw_scene, sample_scene, scene_pairs, scene_rows
from hf_hardneg.training.arguments import HardNegCLIPTrainingArguments
from hf_hardneg.training.make_start_model import build_model, build_processor, build_tokenizer
from hf_hardneg.training.trainer import HardNegCLIPTrainer


def pytest_collection_finish():
    """Leave what is there to no collector: after each training, accelerate would have it look at all libraries."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Keep data sets that tests make out of the user's cache."""
    import datasets

    patch = pytest.MonkeyPatch()
    cache = tmp_path_factory.mktemp("cache")
    patch.setattr(datasets.config, "HF_DATASETS_CACHE", cache)
    patch.setenv("HF_DATASETS_CACHE", str(cache))
    # At the end of each stream, datasets waits 5 s for Arrow's threads, in case Python ends next. Here it goes on.
    patch.setattr(datasets.config, "SLEEP_TIME_ON_THREADS_SHUTDOWN", 0)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def browser():
    """A real Chromium; without one, the test is skipped."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("no chromium on PATH: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def processor() -> CLIPProcessor:
    return build_processor(build_tokenizer(scene_captions(300) + CAPTIONS))


@pytest.fixture
def model(processor) -> CLIPModel:
    model = build_model(processor.tokenizer, num_hidden_layers=1)
    return model.eval()


@pytest.fixture
def start(model, processor, tmp_path):
    """A folder with a tiny random model and its processor."""
    folder = tmp_path / "start"
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def training_rows(own_cache):
    """40 scenes with up to two negatives each."""
    rows = scene_rows("trainer", 40)
    return rows.map(AddHardNegatives(num_negatives=2), batched=True, features=with_negatives(rows.features))


@pytest.fixture(scope="session")
def pairs(own_cache):
    """Three inpainted pairs of each concept."""
    return scene_pairs("trainer", 3)


@pytest.fixture
def make_trainer(processor, training_rows, tmp_path):
    """Makes trainers on the CPU that take three steps of 8 rows."""

    def make(model, rows=None, pairs=None, processing_class=processor, **arguments):
        defaults = {
            "output_dir": str(tmp_path / "out"),
            "num_negatives": 2,
            "per_device_train_batch_size": 8,
            "max_steps": 3,
            "learning_rate": 1e-3,
            "report_to": "none",
            "save_strategy": "no",
            "use_cpu": True,
            "disable_tqdm": True,
        }
        rows = training_rows if rows is None else rows
        return HardNegCLIPTrainer(
            model,
            HardNegCLIPTrainingArguments(**(defaults | arguments)),
            train_dataset=rows,
            eval_dataset=rows.select(range(min(19, len(rows)))),
            processing_class=processing_class,
            pairs=pairs,
        )

    return make


@pytest.fixture
def coco(tmp_path):
    """A folder in COCO's official format: 12 images of 40 x 50 pixels with 5 captions, instances for the first."""
    folder = tmp_path / "coco"
    (folder / "annotations").mkdir(parents=True)
    (folder / "val2017").mkdir()
    images, annotations = [], []
    for image_id in range(100, 112):
        name = f"{image_id:012}.jpg"
        scene = draw_scene(sample_scene(random.Random(image_id)), 16)
        scene.resize((40, 50)).save(folder / "val2017" / name)
        images.append({"id": image_id, "file_name": name, "width": 40, "height": 50})
        captions = CAPTIONS if image_id % 2 == 0 else OTHER_CAPTIONS
        annotations += [
            {"id": len(annotations) + i, "image_id": image_id, "caption": c} for i, c in enumerate(captions)
        ]
    write_json(folder / "annotations" / "captions_val2017.json", {"images": images, "annotations": annotations})
    instances = {
        "images": images,
        "annotations": [{"id": 1, "image_id": 100, "category_id": 3}],
        "categories": [{"id": 3, "name": "truck", "supercategory": "vehicle"}],
    }
    write_json(folder / "annotations" / "instances_val2017.json", instances)
    return folder
