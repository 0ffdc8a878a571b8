import pytest
import yaml

from hf_hardneg.model.loading import PAPER_MODEL
from hf_hardneg.training.recipe import RECIPES, parse_arguments
from hf_hardneg.training.run import name_start_model


def test_without_arguments_the_demo_runs():
    model, data, training = parse_arguments([])
    assert (data.dataset, model.control, training.max_steps) == ("scenes", True, yaml.safe_load(demo())["max_steps"])


def demo():
    return (RECIPES / "demo.yaml").read_text()


def test_the_coco_recipe_is_the_papers_setting(tmp_path):
    model, data, training = parse_arguments(["coco_vit_b32.yaml", "--output_dir", str(tmp_path)])
    assert model.model_name_or_path == "openai/clip-vit-base-patch32"
    assert (training.per_device_train_batch_size, training.weight_decay, training.learning_rate) == (64, 0.1, 5e-6)
    assert training.optim == "adamw_torch" and training.num_negatives == 3
    assert not data.keep_captions_without_negatives


def test_the_recipe_of_twins_is_that_of_coco_but_for_twins():
    plain, twins = (yaml.safe_load((RECIPES / f"coco_{name}.yaml").read_text()) for name in ("vit_b32", "twins"))
    differs = {key for key in plain.keys() | twins.keys() if plain.get(key) != twins.get(key)}
    assert differs == {"twins", "twin_share", "twin_weight", "output_dir"}


def test_flags_override_the_recipe_and_a_file_can_be_named(tmp_path):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(f"num_negatives: 1\nlearning_rate: 2e-4\noutput_dir: {tmp_path}\nconcepts: [color, size]\n")
    _, data, training = parse_arguments([str(recipe), "--num_negatives", "2", "--concept_weights", "1", "3"])
    assert (training.num_negatives, training.learning_rate) == (2, 2e-4)
    assert (data.concepts, data.concept_weights) == (["color", "size"], [1.0, 3.0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("num_negative: 3", "unknown key 'num_negative'. Did you mean 'num_negatives'"),
        ("learnin_rate: 1", "'learning_rate'"),
        ("- a\n- b", "key: value"),
        ("a: [", "no valid YAML"),
        ("scene_mention_rates: [0.1]", "must be 3"),
        ("num_negatives: -1", "must be 0 or more"),
    ],
)
def test_mistakes_in_a_recipe_name_the_right_key(tmp_path, text, message):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(text)
    with pytest.raises(ValueError, match=message):
        parse_arguments([str(recipe), "--output_dir", str(tmp_path)])


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--num_negativs", "3"], "Unknown argument '--num_negativs'. Did you mean '--num_negatives'"),
        (["--num_row", "5"], "Unknown argument '--num_row'. Did you mean '--num_rows'"),
        (["dmeo.yaml"], "no recipe 'dmeo.yaml'. Did you mean 'demo.yaml'"),
    ],
)
def test_mistakes_on_the_command_line_name_the_nearest_right_one(argv, message):
    with pytest.raises(ValueError, match=message):
        parse_arguments(argv)


@pytest.mark.parametrize(
    ("flag", "right"),
    [
        ("config_name", "dataset_config"),
        ("subset", "dataset_config"),
        ("lr", "learning_rate"),
        ("batch_size", "per_device_train_batch_size"),
        ("split", "dataset_split"),
        ("max_length", "long_captions"),
        ("zzz_of_nothing", None),
        ("gpus", None),
    ],
)
def test_a_flag_of_other_commands_is_answered_with_what_it_means_or_with_nothing(tmp_path, flag, right):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(f"{flag}: 1\n")
    for argv, dashes in (([f"--{flag}", "1"], "--"), ([str(recipe)], "")):
        with pytest.raises(ValueError) as raised:
            parse_arguments(argv)
        said = str(raised.value)
        assert (f"'{dashes}{right}'" in said or f"--{right}" in said) if right else "Did you mean" not in said


def test_values_of_a_recipe_are_checked_like_flags(tmp_path, capsys):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("num_rows: 1.5")
    with pytest.raises(SystemExit):
        parse_arguments([str(recipe)])
    assert "--num_rows" in capsys.readouterr().err
    recipe.write_text(
        f"concepts: color\nnum_rows:\noutput_dir: {tmp_path}\ncontrol: true\nlr_scheduler_kwargs: {{a: 1}}"
    )
    model, data, training = parse_arguments([str(recipe)])
    assert (data.concepts, data.num_rows, model.control) == (["color"], None, True)
    assert training.lr_scheduler_kwargs == {"a": 1}


@pytest.mark.parametrize("flag", ["model_revision", "revision", "dataset_revision", "model_id", "model", "base_model"])
def test_a_flag_about_the_model_or_the_data_is_never_taken_for_one_about_the_hub(flag, tmp_path):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(f"{flag}: main\n")
    for argv in ([f"--{flag}", "main"], [f"--{flag.replace('_', '-')}=main"], [str(recipe)]):
        with pytest.raises(ValueError) as raised:
            parse_arguments(argv)
        assert "hub" not in str(raised.value)
        assert ("ID@REVISION" in str(raised.value)) == ("revision" in flag)


def test_advice_for_what_other_trainers_have(tmp_path):
    with pytest.raises(ValueError, match="drawn at random, not by length"):
        parse_arguments(["--group_by_length", "true"])
    with pytest.raises(ValueError, match="Did you mean '--hub_model_id'"):
        parse_arguments(["--hub_model", "x"])


@pytest.mark.parametrize("flags", [["--dataset", "photos.csv"], ["--num_rows", "5", "--dataset=photos.csv"]])
def test_data_of_ones_own_get_the_papers_setting_and_not_the_demos(flags):
    model, data, training = parse_arguments(flags)
    assert model.model_name_or_path == PAPER_MODEL and not model.control
    assert (data.dataset, training.learning_rate, training.max_steps) == ("photos.csv", 5e-6, -1)
    assert parse_arguments(["--dataset", "scenes"]).training.learning_rate == 8e-4


def test_the_default_model_is_the_papers_for_photos_and_the_small_one_for_scenes(tmp_path):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(f"output_dir: {tmp_path}\ndataset: photos.csv\n")
    assert name_start_model(parse_arguments([str(recipe)])).model.model_name_or_path == PAPER_MODEL
    assert name_start_model(parse_arguments([str(recipe), "--dataset", "scenes"])).model.model_name_or_path is None
    named = name_start_model(parse_arguments([str(recipe), "--model_name_or_path", "mine"]))
    assert named.model.model_name_or_path == "mine"


def test_one_temperature_is_the_default_and_the_demo_keeps_the_one_of_its_figures(tmp_path):
    from hf_hardneg.negatives import AddHardNegatives

    recipe = tmp_path / "mine.yaml"
    recipe.write_text(f"output_dir: {tmp_path}\n")
    assert parse_arguments([str(recipe)]).data.temperature == AddHardNegatives().temperature == 1.05
    assert parse_arguments(["demo.yaml"]).data.temperature == 1.35


@pytest.mark.parametrize(
    ("flag", "advice"),
    [
        ("--lr", " Did you mean '--learning_rate'?"),
        ("--config_name", " Did you mean '--dataset_config'?"),
        ("--subset", " Did you mean '--dataset_config'?"),
        ("--batch_size", " Did you mean '--per_device_train_batch_size'?"),
        ("--image-col", " Did you mean '--image_column'?"),
        ("--wandb_project", ""),
        ("--foo", ""),
    ],
)
def test_an_unknown_flag_is_near_a_flag_or_gets_no_advice(flag, advice):
    with pytest.raises(ValueError) as raised:
        parse_arguments([flag, "1"])
    assert str(raised.value) == f"Unknown argument '{flag}'.{advice}"


def test_other_names_lead_to_flags_that_there_are():
    from dataclasses import fields

    from hf_hardneg.training.recipe import ARGUMENT_CLASSES, OTHER_NAMES

    known = {item.name for cls in ARGUMENT_CLASSES for item in fields(cls)}
    assert set(OTHER_NAMES.values()) <= known and not set(OTHER_NAMES) & known


def test_the_flag_twins_without_a_value_takes_back_those_of_a_recipe(tmp_path):
    (tmp_path / "mine.yaml").write_text("twins: [scenes]\noutput_dir: out\n")
    assert parse_arguments([str(tmp_path / "mine.yaml"), "--twins", "--seed", "3"]).data.twins == []


@pytest.mark.parametrize("name", ["concepts", "concept_weights", "challenge_sets", "benchmarks"])
def test_a_flag_that_is_empty_by_mistake_is_refused(capsys, name):
    """As of a shell's variable that is not set: without its challenge sets, a run would train on test photos."""
    with pytest.raises(SystemExit):
        parse_arguments(["demo.yaml", f"--{name}", "--seed", "1"])
    said = capsys.readouterr().err
    assert f"--{name}" in said and "expected at least one argument" in said


def test_an_empty_list_of_a_recipe_is_the_default(tmp_path):
    (tmp_path / "mine.yaml").write_text("challenge_sets: []\ntwins: []\noutput_dir: out\n")
    assert parse_arguments([str(tmp_path / "mine.yaml")]).data.challenge_sets == []
