"""A server for pushes, and a folder to push."""

from types import SimpleNamespace

import huggingface_hub.constants
import pytest
from helpers.hub_server import Hub
from helpers.pushes import TOKEN, write


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A server that huggingface_hub in this process talks to; waiting takes no time and is written down in `waits`."""
    constants = huggingface_hub.constants
    with Hub() as hub:
        hub.add_token(TOKEN, "ann", orgs=["org"])
        hub.waits = []
        url = {
            "ENDPOINT": hub.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + "/{repo_id}/resolve/{revision}/{filename}",
        }
        switches = {"HF_HUB_OFFLINE": False, "HF_HUB_DISABLE_XET": True, "HF_HUB_DISABLE_PROGRESS_BARS": True}
        for name, value in {**url, **switches}.items():
            monkeypatch.setattr(constants, name, value)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        clock = SimpleNamespace(sleep=hub.waits.append, time=lambda: 0.0)
        monkeypatch.setattr("huggingface_hub.utils._http.time", clock)
        monkeypatch.setattr("huggingface_hub.file_download.time", clock)
        yield hub


@pytest.fixture
def folder(tmp_path):
    """A small model folder, with things in it that are not to be published."""
    folder = tmp_path / "my-clip"
    write(
        folder, {"config.json": "{}", "model.safetensors": "w" * 5000, "adapter/adapter_model.safetensors": "a" * 90}
    )
    write(folder, {"README.md": '---\nlicense: mit\n---\nfrom_pretrained("outputs/my-clip")\n'})
    write(folder, {"checkpoint-2/optimizer.pt": "o", "control/model.safetensors": "c", "training_args.bin": "p"})
    write(folder, {"slot_model/slot_model.json": "[]", "slot_model/slot_model.npz": "n"})
    return folder
