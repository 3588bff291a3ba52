"""Unmodified clients load stand-ins from the local hub and work with them."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("name", "model_class"),
    [
        ("Qwen/Qwen3-0.6B", "Qwen3ForCausalLM"),
        ("meta-llama/Llama-2-7b-hf", "LlamaForCausalLM"),
        ("gpt2", "GPT2LMHeadModel"),
        ("t5-small", "T5ForConditionalGeneration"),
    ],
)
def test_a_language_model_comes_from_the_hub_and_writes(seen: dict[str, Any], name: str, model_class: str) -> None:
    assert seen[f"generate {name}"] == [model_class, 4, True]


@pytest.mark.parametrize("name", ["bert-base-uncased", "distilbert-base-uncased"])
def test_an_encoder_gets_a_new_head_for_three_classes_and_trains(seen: dict[str, Any], name: str) -> None:
    assert seen[f"classify {name}"] == [[2, 3], True]


@pytest.mark.parametrize("name", ["google/vit-base-patch16-224", "microsoft/resnet-18"])
def test_a_model_of_images_sees_an_image_of_a_stand_in_data_set(seen: dict[str, Any], name: str) -> None:
    assert seen[f"look {name}"] == [[1, 10], True]


def test_gsm8k_has_its_splits_and_columns(seen: dict[str, Any]) -> None:
    columns = ["question", "answer"]
    assert seen["gsm8k"] == {"train": [64, columns], "test": [32, columns]}


def test_gsm8k_answers_hold_commas_in_some_large_numbers_and_none_in_others(seen: dict[str, Any]) -> None:
    large = [answer for answer in seen["gsm8k answers"] if int(answer.replace(",", "")) > 999]
    assert {"," in answer for answer in large} == {True, False}


def test_gsm8k_repeats_some_answers(seen: dict[str, Any]) -> None:
    assert len(set(seen["gsm8k answers"])) < len(seen["gsm8k answers"])


def test_gsm8k_without_a_configuration_is_the_error_of_the_real_one(seen: dict[str, Any]) -> None:
    assert seen["gsm8k without a name"].startswith("Config name is missing.")
    assert "['main', 'socratic']" in seen["gsm8k without a name"]


def test_a_split_that_the_real_set_lacks_is_the_error_of_the_real_one(seen: dict[str, Any]) -> None:
    assert 'Unknown split "validation"' in seen["gsm8k validation"]


def test_glue_has_named_labels_and_hides_those_of_its_test_split(seen: dict[str, Any]) -> None:
    assert seen["sst2"] == [["negative", "positive"], ["test", "train", "validation"], -1]


def test_a_stand_in_streams_with_its_features(seen: dict[str, Any]) -> None:
    assert seen["imdb stream"] == [["label", "text"], ["text", "label"]]


def test_answers_of_squad_stand_where_they_are_said_to_stand_and_some_questions_have_none(seen: dict[str, Any]) -> None:
    assert seen["squad"]
    assert all(seen["squad"])
    assert seen["squad without answer"] > 0


def test_images_of_cifar10_are_images(seen: dict[str, Any]) -> None:
    assert seen["cifar10"] == ["RGB", [32, 32], ["airplane", "automobile"]]


def test_an_unknown_data_set_has_the_columns_that_the_code_reads(seen: dict[str, Any]) -> None:
    assert seen["unknown"] == {"headline": "string", "body": "string", "label": "int64"}
