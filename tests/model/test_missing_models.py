"""A model that cannot be had: the error says which of the causes it is, not that the connection failed."""

import json
import subprocess

from helpers.hub_server import Fault, Hub
from helpers.pushes import TOKEN, fresh_environment
from helpers.quick_python import quick_python


# huggingface_hub asks a busy Hub again for more than a minute. Here, that takes no time.
LOAD = """
import json
from types import SimpleNamespace
import huggingface_hub.utils._http
huggingface_hub.utils._http.time = SimpleNamespace(sleep=lambda seconds: None)
from hf_hardneg.model.loading import load_model
said = []
for name in {names}:
    try:
        load_model(name)
    except OSError as error:
        said.append(str(error))
print(json.dumps(said))
"""


def errors_of(names, environment):
    code = LOAD.format(names=names)
    done = subprocess.run([quick_python(), "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_a_name_that_the_hub_does_not_have_is_told_from_a_lost_connection(tmp_path):
    with Hub() as hub:
        hub.add_token(TOKEN, "ann")
        online = fresh_environment(hub, tmp_path / "home")
        plain, owned = errors_of(["my-clp", "openai/clip-vit-base-patch23"], online)
        (offline,) = errors_of(["openai/clip-vit-base-patch32"], {**online, "HF_HUB_OFFLINE": "1"})
    for error in (plain, owned):
        assert "The Hub has no model of this name that you can see: a name is OWNER/NAME" in error
        assert "There is no folder /" in error and "connect" not in error
    assert "HF_HUB_OFFLINE is set: unset it to download the model" in offline


def test_a_busy_hub_is_told_from_a_missing_model(tmp_path):
    with Hub() as hub:
        hub.add_token(TOKEN, "ann")
        hub.find_fault = lambda method, path: Fault("status", 503)
        said = errors_of(["org/clip"], fresh_environment(hub, tmp_path / "home"))
    assert said == ["org/clip could not be loaded. The Hub answered 503, so it is busy or down: try again later."]
