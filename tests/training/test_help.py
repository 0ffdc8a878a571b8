"""`python -m hf_hardneg.train --help`: every argument of this package first, in groups, with help of its own."""

import re
from dataclasses import fields

import pytest
from transformers import TrainingArguments

from hf_hardneg.training.argument_parser import HELP_GROUPS, OTHERS
from hf_hardneg.training.arguments import DataArguments, HardNegCLIPTrainingArguments
from hf_hardneg.training.model_arguments import ModelArguments
from hf_hardneg.training.recipe import parse_arguments


TRAINERS = {item.name for item in fields(TrainingArguments) if item.init}


@pytest.fixture
def sections(capsys):
    """The text of each section of the help, by its title, in the order of the help."""
    with pytest.raises(SystemExit):
        parse_arguments(["--help"])
    parts = re.split(r"^(\w.*):$", capsys.readouterr().out, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def flags_of(section):
    return re.findall(r"^  --(\w+)", section, flags=re.MULTILINE)


def test_all_arguments_of_this_package_are_in_a_group_and_come_before_trainers(sections):
    assert list(sections) == ["options", *HELP_GROUPS, OTHERS]
    ours = {item.name for cls in (ModelArguments, DataArguments) for item in fields(cls)}
    ours |= {item.name for item in fields(HardNegCLIPTrainingArguments)} - TRAINERS
    grouped = [name for names in HELP_GROUPS.values() for name in names]
    assert ours <= set(grouped) and len(grouped) == len(set(grouped))
    others = {name for name in flags_of(sections[OTHERS]) if not name.startswith("no_")}
    assert others == TRAINERS - set(grouped)


def test_a_group_lists_its_arguments_in_the_order_of_the_table(sections):
    for title, names in HELP_GROUPS.items():
        assert [name for name in flags_of(sections[title]) if not name.startswith("no_")] == names


def test_the_flag_that_switches_off_says_so(sections):
    assert "--no_batch_negatives, --no-batch-negatives" in sections["Losses"]
    assert "Set batch_negatives to false." in " ".join(sections["Losses"].split())
    assert parse_arguments(["--no_batch_negatives", "--own_negatives_weight", "1"]).training.batch_negatives is False
    assert parse_arguments([]).training.batch_negatives is True


def test_every_help_text_is_a_sentence():
    for cls in (ModelArguments, DataArguments, HardNegCLIPTrainingArguments):
        for item in fields(cls):
            if item.name not in TRAINERS:
                text = item.metadata["help"]
                assert text.endswith(".") and len(text) > 25, item.name
