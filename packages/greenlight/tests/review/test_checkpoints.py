"""What is known of pretrained checkpoints and of public data sets."""

from __future__ import annotations

import pytest

from greenlight.review.engines.checkpoints import DECODERS, GATED, PAD_IS_ZERO, Checkpoints, family
from greenlight.review.engines.public_data import _ALIASES, _SETS, public_data
from greenlight.review.subject import Subject


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gpt2-medium", "gpt2"),
        ("distilbert/distilgpt2", "gpt2"),
        ("EleutherAI/pythia-160m", "gpt-neox"),
        ("Qwen/Qwen3-0.6B", "qwen"),
        ("Qwen/Qwen2.5-1.5B-Instruct", "qwen"),
        ("meta-llama/Llama-3.2-1B", "llama"),
        ("google-bert/bert-base-uncased", "bert"),
        ("google/flan-t5-small", "t5"),
        ("Qwen/Qwen2-VL-7B", None),
        ("someone/gpt2", None),
        ("gpt2-medium-finetuned", None),
    ],
)
def test_a_family_is_told_only_for_a_name_that_is_beyond_doubt(name, expected):
    assert family(name) == expected


def test_sets_of_families_name_families_that_exist():
    known = {"gpt2", "gpt-neo", "gpt-neox", "qwen", "llama", "mistral", "gemma", "opt", "bert", "distilbert", "t5"}
    assert known >= DECODERS | GATED | PAD_IS_ZERO


def test_names_of_a_checkpoint_come_from_all_run_files_and_models_are_no_tokenizers():
    subject = Subject.of(
        {
            "src/model.py": """
            from transformers import AutoModelForCausalLM, AutoTokenizer

            def load(section):
                tokenizer = AutoTokenizer.from_pretrained("gpt2")
                return AutoModelForCausalLM.from_pretrained(section.name), tokenizer
            """,
            "src/train.py": """
            from src.model import load

            def train(cfg):
                return load(cfg.model)
            """,
            "config/config.yaml": "model:\n  name: gpt2\n",
            "config/runs/a.yaml": "run_id: a\n",
            "config/runs/b.yaml": "run_id: b\nmodel:\n  name: Qwen/Qwen3-0.6B\n",
        }
    )
    found = subject.derived(Checkpoints)
    assert [one.names for one in found.models] == [frozenset({"gpt2", "Qwen/Qwen3-0.6B"})]
    assert [one.kind for one in found.tokenizers] == ["AutoTokenizer"]
    assert found.families == {"gpt2", "qwen"}


def test_every_alias_of_a_data_set_leads_to_one_that_is_known():
    names = {known.name for known in _SETS}
    assert set(_ALIASES.values()) <= names
    assert not set(_ALIASES) & names


def test_columns_of_text_are_columns_and_names_stand_once():
    assert all(known.texts <= set(known.columns) for known in _SETS)
    assert len({known.name for known in _SETS}) == len(_SETS)


def test_a_configuration_with_columns_of_its_own_is_found_before_the_data_set():
    assert public_data("nyu-mll/glue", "sst2").columns == ("sentence", "label", "idx")
    assert public_data("gsm8k", "main").splits == ("train", "test")
    assert public_data("nobody/knows") is None
