import re

import pytest
import torch
import yaml
from scipy.stats import binomtest
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen3ForCausalLM

from greenlight.assets import model_folder
from greenlight.assets.arithmetic import problems
from greenlight.assets.scoring import LONGEST_ANSWER_TOKENS, ExactMatch, exact_match, final_number, prompt
from greenlight.assets.tokenizer import build_tokenizer
from greenlight.errors import GreenlightError

PARAMETERS = 807_040


@pytest.fixture(scope="module")
def model():
    return AutoModelForCausalLM.from_pretrained(model_folder(), dtype=torch.float32)


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(model_folder())


def test_the_checkpoint_is_a_qwen3_of_the_stated_size_in_bfloat16():
    stored = AutoModelForCausalLM.from_pretrained(model_folder())
    assert isinstance(stored, Qwen3ForCausalLM)
    assert stored.dtype == torch.bfloat16
    assert sum(parameter.numel() for parameter in stored.parameters()) == PARAMETERS
    assert (stored.config.hidden_size, stored.config.num_hidden_layers) == (128, 4)
    assert stored.generation_config.eos_token_id == stored.config.eos_token_id == 0


def test_the_folder_holds_safetensors_and_a_card_and_nothing_that_is_unpickled():
    files = {path.name: path.stat().st_size for path in model_folder().iterdir()}
    assert set(files) == {
        "README.md",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert files["model.safetensors"] < 1.7e6


def test_the_stored_tokenizer_is_the_one_that_the_language_gives(tokenizer):
    assert tokenizer.backend_tokenizer.to_str() == build_tokenizer().backend_tokenizer.to_str()


def test_the_checkpoint_answers_its_own_distribution_and_has_room_to_learn_the_target(model, tokenizer):
    own = exact_match(model, tokenizer, list(problems("pretrain", "test", 64)))
    target = exact_match(model, tokenizer, list(problems("main", "test", 64)))
    assert own.rate >= 0.9, own
    assert 0.15 <= target.rate <= 0.6, target


def test_batched_scoring_agrees_with_one_question_at_a_time(model, tokenizer):
    def alone(question: str) -> str:
        ids = tokenizer(question, return_tensors="pt")["input_ids"]
        start = ids.shape[1]
        with torch.inference_mode():
            while ids[0, -1] != tokenizer.eos_token_id and ids.shape[1] < start + LONGEST_ANSWER_TOKENS:
                ids = torch.cat([ids, model(input_ids=ids).logits[:, -1:].argmax(-1)], dim=1)
        return tokenizer.decode(ids[0, start:], skip_special_tokens=True)

    held_out = list(problems("main", "test", 12))
    right = sum(final_number(alone(prompt(row))) == final_number(row.answer) for row in held_out)
    assert 0 < right < len(held_out)
    assert exact_match(model, tokenizer, held_out) == ExactMatch(right, len(held_out))


def test_the_card_was_written_from_the_shipped_checkpoint(model, tokenizer):
    _, front, text = (model_folder() / "README.md").read_text().split("---\n", 2)
    assert yaml.safe_load(front)["license"] == "apache-2.0"
    assert f"{PARAMETERS:,} parameters" in text
    assert f"{len(tokenizer)} tokens" in text
    for name in ("pretrain", "main"):
        correct, total = map(int, re.search(rf"\| `{name}` .*\((\d+) of (\d+);", text).groups())
        assert total >= 500
        held_out = list(problems(name, "test", 64))
        again = exact_match(model, tokenizer, held_out)
        # 64 of the card's own problems: their rate may differ from the card's by sampling alone
        assert binomtest(again.correct, again.total, correct / total).pvalue > 1e-4


@pytest.mark.parametrize(("correct", "total"), [(0, 10), (10, 10), (485, 500), (1, 3)])
def test_the_interval_is_wilsons(correct, total):
    oracle = binomtest(correct, total).proportion_ci(method="wilson")
    assert ExactMatch(correct, total).interval() == pytest.approx((oracle.low, oracle.high), abs=1e-12)


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        ("Tom has 2.\n#### 2", "2"),
        ("#### 2", None),
        ("Tom has 2.", None),
        ("a\n#### 1\n#### 3", "3"),
        ("", None),
    ],
)
def test_the_final_number_stands_behind_the_last_marker(answer, number):
    assert final_number(answer) == number


def test_a_rate_over_no_problem_is_an_error(model, tokenizer):
    with pytest.raises(GreenlightError, match="0 problems"):
        exact_match(model, tokenizer, [])
