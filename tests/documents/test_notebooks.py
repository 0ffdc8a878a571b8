"""The notebooks run as they are: in order, in an empty folder, without any network; and git holds them stripped."""

import os
import re
import sys
from pathlib import Path

import nbformat
import pytest
from helpers.quick_python import quick_python
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError


FOLDER = Path(__file__).parents[2] / "notebooks"
FILES = sorted(FOLDER.glob("*.ipynb"))
# Goes before a notebook's own cells: whoever asks for another machine, or for its address, fails.
NO_NETWORK = """
import socket


def _is_here(address):
    return not isinstance(address, tuple) or address[0] in ("127.0.0.1", "::1", "localhost")


def _guard(original):
    def connect(self, address):
        if not _is_here(address):
            raise AssertionError(f"a notebook wants to reach {address}")
        return original(self, address)

    return connect


def _look_up(original):
    def getaddrinfo(host, *args, **kwargs):
        if host not in (None, "127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a notebook asks for the address of {host}")
        return original(host, *args, **kwargs)

    return getaddrinfo


socket.socket.connect = _guard(socket.socket.connect)
socket.socket.connect_ex = _guard(socket.socket.connect_ex)
socket.getaddrinfo = _look_up(socket.getaddrinfo)
"""
# Goes behind them, in the notebook's own namespace: what a reader is told must be so.
PROMISES = {
    "1_hard_negatives": """
assert len(made) == 6000 and sum(by_number.values()) == 6000 and set(by_concept) == {
    "object", "color", "size", "location"
}
told = {name: {reader: one.share for reader, one in audit.readers.items()} for name, audit in audits.items()}
assert all(abs(share - 50) < 4 for share in told["slot model"].values()) and len(told["slot model"]) == 5
assert told["even"]["n-grams"] > 60 and 65 < told["even"]["boosted"] < 75 and told["even"]["topic"] < 48
assert told["shuffle"]["n-grams"] > 85
assert audits["slot model"].coverage > 95 and audits["slot model"].broken_articles == 0
assert all(old != new for old, new, _ in examples)
assert own[0]["negatives"] and own[2]["negatives"] == [] and own[2]["rejections"]
assert not any("bus" in negative.split() for negative in own[1]["negatives"])
""",
    "2_train_with_lora": """
color = {name: result["color"]["group"] for name, result in results.items()}
assert color["K = 3"]["low"] > max(color["control"]["high"], color["start"]["high"])
assert results["control"]["object"]["group"]["value"] > 90
assert hard.state.global_step == control.state.global_step == STEPS
assert float((ours - theirs).abs().max()) < 1e-4
adapters = [name for name, weights in hard.model.named_parameters() if weights.requires_grad]
assert adapters and all("lora" in name for name in adapters)
""",
    "3_read_the_evaluation": """
assert metrics["control"] == "control" and list(metrics["results"]) == ["control", "start", "hard"]
assert metrics["differences"]["hard"]["scenes"]["color"]["group"]["mark"] == "better"
assert metrics["results"]["hard"]["scenes"]["color"]["group"]["n"] == len(color_items) == 300
widths = [high - low for low, high in intervals]
assert widths[0] > 2 * widths[-1] > 0
assert abs(solved.mean() - metrics["results"]["hard"]["scenes"]["color"]["group"]["value"]) < 1e-6
assert len(wrong) == (solved == 0).sum() and len(lines) == 2
assert all(pairs[int(i["item"])]["coco_caption"] == i["texts"][0] for i in wrong[:4])
""",
    "4_build_a_small_inpaintcoco": """
assert len(accepted) == len(dataset) == report["rows"] == report["clean"] > 30
assert set(by_concept) == {"object", "color", "size"} and not report["reasons"]
assert largest == [0, 0, 0] and report["untouched_outside"] == len(dataset)
""",
}
MOST_CELLS, FEWEST_PICTURES = 20, 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where all of them run, one after the other, as a reader would: the third reads what the second leaves."""
    return tmp_path_factory.mktemp("notebooks")


def execute(cells, folder, is_quick=True):
    """Run code cells in a fresh kernel without a network; one thread, since other tests may run beside."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(NO_NETWORK), *cells])
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": folder}})
    if is_quick:
        client.create_kernel_manager()
        # A kernel ends when its parent is another process than this one.
        client.km.kernel_spec.argv[:1] = [quick_python()]
        client.km.kernel_spec.argv.append("--IPKernelApp.parent_handle=0")
    client.execute(env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"})
    return notebook


def pictures(cell):
    return sum("image/png" in output.get("data", {}) for output in cell.get("outputs", []))


def test_every_notebook_has_promises_to_keep():
    assert [file.stem for file in FILES] == sorted(PROMISES)


@pytest.mark.parametrize("name", sorted(PROMISES))
def test_notebook_runs_and_keeps_its_promises(name, folder):
    cells = nbformat.read(FOLDER / f"{name}.ipynb", 4).cells
    done = execute([*cells, nbformat.v4.new_code_cell(PROMISES[name])], str(folder))
    assert sum(map(pictures, done.cells)) >= FEWEST_PICTURES


@pytest.mark.parametrize(
    "line", ["socket.create_connection(('192.0.2.1', 80), 1)", "socket.getaddrinfo('hf.co', 443)"]
)
def test_a_notebook_that_asks_the_network_would_fail(line, tmp_path):
    with pytest.raises(CellExecutionError, match="a notebook (wants to reach|asks for)"):
        execute([nbformat.v4.new_code_cell(f"import socket\n{line}")], str(tmp_path))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_notebook_is_stripped_valid_and_short(file):
    notebook = nbformat.read(file, 4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3" and "widgets" not in notebook.metadata
    assert 10 <= len(notebook.cells) <= MOST_CELLS
    for cell in notebook.cells:
        assert "execution" not in cell.metadata  # when it was run
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_a_notebook_links_to_is_there(file):
    for link in re.findall(r"\]\(([^)#]+)\)", file.read_text(encoding="utf-8")):
        assert link.startswith("https://") or (FOLDER / link).is_file(), link


def test_the_kernel_is_this_python(tmp_path):
    cell = nbformat.v4.new_code_cell("import sys\nsys.executable")
    done = execute([cell], str(tmp_path), is_quick=False)
    assert done.cells[-1].outputs[0]["data"]["text/plain"].strip("'") == sys.executable
