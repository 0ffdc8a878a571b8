"""CSV files and image folders of the Hub are read as they are written: at first, as a stream, and without the Hub."""

import json
import os
import subprocess

from helpers.hub_server import Blob, Hub
from helpers.quick_python import quick_python
from PIL import Image


READ = """
import json, sys
from hf_hardneg.data.files import open_dataset
from hf_hardneg.data.streaming import examples, open_stream

found = {}
for name in ("org/table", "org/folder"):
    found[name] = [(row["caption"], row["image_id"]) for row in open_dataset(name, "train")]
    if sys.argv[1:]:
        assert found[name] == [(row["caption"], row["image_id"]) for row in examples(open_stream(name))]
if sys.argv[1:]:
    for read in (lambda: open_dataset("org/short", "train"), lambda: list(examples(open_stream("org/short")))):
        try:
            read()
        except ValueError as error:
            assert "short" in str(error) and "1 cells in the row that ends in line 3" in str(error), error
        else:
            raise AssertionError("a row without its last cell was read")
print(json.dumps(found))
"""
ROWS = [["NA", "007"], ["None", "7"], ["a, dog", "1e3"]]


def read(environment, *argv):
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "XDG"))}
    command = [quick_python(), "-c", READ, *argv]
    done = subprocess.run(command, env=kept | environment, capture_output=True, text=True, check=False, timeout=400)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_tables_of_the_hub_are_read_as_written_and_kept_for_the_time_without_it(tmp_path):
    Image.new("RGB", (40, 40)).save(tmp_path / "0.png")
    photo = Blob((tmp_path / "0.png").read_bytes(), lfs=False)
    table = "caption;image_id\n" + "".join(";".join(row) + "\n" for row in ROWS)
    metadata = "file_name;caption;image_id\n" + "".join(f"{i}.png;" + ";".join(ROWS[i]) + "\n" for i in range(3))
    own = {"HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
    with Hub() as hub:
        for name, files in {
            "org/table": {"train.csv": Blob(table.encode(), lfs=False)},
            "org/folder": {f"{i}.png": photo for i in range(3)} | {"metadata.csv": Blob(metadata.encode(), lfs=False)},
            "org/short": {"train.csv": Blob(b"caption,image_id\na,1\nb\n", lfs=False)},
        }.items():
            hub.add_repo("dataset", name).commit("main", "rows", files)
        found = read(own | {"HF_ENDPOINT": hub.url}, "with the Hub")
    assert found == {"org/table": ROWS, "org/folder": ROWS}
    assert read(own | {"HF_HUB_OFFLINE": "1"}) == found
