"""Loading: what the weights become, and adapters, which are merged."""

import json
import shutil

import pytest
import torch
from peft import PeftModel
from transformers import AutoModel, CLIPModel

from hf_hardneg.model.adapters import add_lora
from hf_hardneg.model.loading import load_model, saved_dtype


def save_adapter(start, folder, seed=0):
    """Save LoRA with random weights for the model in `start`, as peft does; returns the merged model."""
    model, processor = load_model(str(start))
    adapted = add_lora(model, ["text"], rank=2)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weights in adapted.named_parameters():
            if "lora_B" in name:
                weights.copy_(0.1 * torch.randn(weights.shape, generator=generator))
    adapted.save_pretrained(str(folder))
    return adapted.merge_and_unload(), processor


def assert_equal_weights(one, other):
    for name, weights in other.state_dict().items():
        torch.testing.assert_close(one.state_dict()[name], weights, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_weights_are_float32_whatever_the_checkpoint_has(model, processor, tmp_path, dtype):
    model.to(dtype).save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    loaded, _ = load_model(str(tmp_path))
    assert {weights.dtype for weights in loaded.parameters()} == {torch.float32} == {loaded.config.dtype}
    assert all(weights.equal(model.state_dict()[name].float()) for name, weights in loaded.state_dict().items())
    assert saved_dtype(str(tmp_path)) == str(dtype).removeprefix("torch.")
    assert load_model(str(tmp_path), "auto")[0].dtype == dtype
    assert load_model(str(tmp_path), "bfloat16")[0].dtype == torch.bfloat16


def test_an_adapter_is_merged_into_its_base_model_and_lora_works_again(start, tmp_path, caplog):
    expected, _ = save_adapter(start, tmp_path / "adapter")
    loaded, processor = load_model(str(tmp_path / "adapter"))
    assert type(loaded) is CLIPModel and processor.tokenizer is not None
    assert "is an adapter; it is merged into its base model" in caplog.text
    assert all(weights.requires_grad for weights in loaded.parameters())
    assert_equal_weights(loaded, expected)
    assert_equal_weights(add_lora(loaded, rank=2).merge_and_unload(), expected)


def test_an_adapter_of_an_adapter_names_it_as_its_base(start, tmp_path):
    save_adapter(start, tmp_path / "first")
    expected, _ = save_adapter(tmp_path / "first", tmp_path / "second", seed=1)
    config = json.loads((tmp_path / "second" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(tmp_path / "first")
    assert_equal_weights(load_model(str(tmp_path / "second"))[0], expected)


def test_an_adapter_that_names_no_base_or_a_missing_one_is_an_error(start, tmp_path):
    save_adapter(start, tmp_path / "adapter")
    file = tmp_path / "adapter" / "adapter_config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps({**config, "base_model_name_or_path": str(tmp_path / "gone")}))
    with pytest.raises(OSError, match="is an adapter, and its base model is missing: .*gone cannot be loaded"):
        load_model(str(file.parent))
    file.write_text(json.dumps({**config, "base_model_name_or_path": None}))
    with pytest.raises(ValueError, match="does not say which model it belongs to"):
        load_model(str(file.parent))


def test_an_adapter_that_lacks_weights_or_fits_another_model_is_refused(start, tmp_path):
    from safetensors.torch import load_file, save_file

    save_adapter(start, tmp_path / "adapter")
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    weights = load_file(file)
    name = next(iter(weights))
    save_file({key: value for key, value in weights.items() if key != name}, file)
    with pytest.raises(ValueError, match="cannot be merged .*missing adapter keys"):
        load_model(str(file.parent))
    save_file({**weights, name: torch.zeros(3, 5)}, file)
    with pytest.raises(ValueError, match="cannot be merged"):
        load_model(str(file.parent))


def test_a_folder_with_an_adapter_and_whole_weights_is_refused(start, tmp_path):
    save_adapter(start, tmp_path / "adapter")
    shutil.copytree(start, tmp_path / "both")
    for file in (tmp_path / "adapter").iterdir():
        shutil.copy(file, tmp_path / "both")
    with pytest.raises(ValueError, match=r"both holds an adapter .* and whole weights \(model.safetensors\)"):
        load_model(str(tmp_path / "both"))


def test_what_add_lora_gets_from_transformers_own_loading_of_an_adapter_is_refused(start, tmp_path):
    save_adapter(start, tmp_path / "adapter")
    with pytest.raises(ValueError, match=r"holds an adapter apart from its weights; load it with .*load_model"):
        add_lora(AutoModel.from_pretrained(tmp_path / "adapter"))


def test_an_adapter_names_the_commit_of_its_base_model(model):
    model.config._commit_hash = "0123456789"
    adapted = add_lora(model, rank=2)
    assert isinstance(adapted, PeftModel) and adapted.active_peft_config.revision == "0123456789"


def test_a_checkpoint_of_pickled_weights_loads_as_the_same_model(start, model, tmp_path):
    folder = tmp_path / "bin"
    shutil.copytree(start, folder)
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    assert_equal_weights(load_model(str(folder))[0], model)
