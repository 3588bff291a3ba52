import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from greenlight.assets.arithmetic import problems
from greenlight.assets.pretrain import IGNORED_LABEL, Extent, Recipe, batches, main, new_model, train
from greenlight.assets.scoring import prompt
from greenlight.assets.tokenizer import build_tokenizer


@pytest.fixture(autouse=True)
def _torch_as_it_was() -> Iterator[None]:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    yield
    torch.set_num_threads(threads)
    torch.set_rng_state(state)


def test_three_seconds_of_training_give_a_folder_that_loads(tmp_path: Path, capsys):
    folder = tmp_path / "checkpoint"
    assert main(["--out", str(folder), "--seconds", "3", "--held-out", "4"]) == 0
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert model.dtype == torch.bfloat16
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer("Question: Tom has 3 apples.", return_tensors="pt")["input_ids"]
    assert torch.isfinite(model(input_ids=ids).logits).all()
    card = (folder / "README.md").read_text()
    assert "python -m greenlight.assets.pretrain --out FOLDER --seconds 3\n" in card
    assert " of 4; 95 % interval" in card
    assert "exact match, main:" in capsys.readouterr().out


def test_the_same_number_of_steps_gives_the_same_weights_and_moves_them_all():
    def trained(steps: int) -> dict[str, Tensor]:
        torch.manual_seed(0)
        tokenizer = build_tokenizer()
        model = new_model(tokenizer)
        assert train(model, tokenizer, Recipe(), Extent(steps, "steps")).steps == steps
        return dict(model.named_parameters())

    first, again, longer = trained(2), trained(2), trained(3)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not any(torch.equal(first[name], longer[name]) for name in first)


def test_batches_hold_each_problem_once_and_label_the_answer_and_its_end_alone():
    tokenizer = build_tokenizer()
    recipe = Recipe(batch_size=4)
    drawn = list(itertools.islice(batches(tokenizer, recipe), 32))
    seen = set()
    for ids, labels in drawn:
        for row, label in zip(ids, labels, strict=True):
            question = tokenizer.decode(row[: int((label != IGNORED_LABEL).nonzero()[0])])
            answer = tokenizer.decode(label[label != IGNORED_LABEL])
            seen.add((question, answer))
            padding = tokenizer.decode(row).removeprefix(question + answer)
            assert not padding.replace("<|endoftext|>", "")
    expected = list(problems("pretrain", "train", 128))
    assert seen == {(prompt(problem), problem.answer + "<|endoftext|>") for problem in expected}


def test_progress_is_counted_in_steps_or_in_seconds():
    assert Extent(200, "steps").progress(step=50, elapsed_s=1e9) == 0.25
    assert Extent(200, "seconds").progress(step=50, elapsed_s=100.0) == 0.5


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(["--seconds", "0"], "--seconds 0.0"), (["--steps", "-2"], "--steps -2"), (["--seconds", "nan"], "--seconds nan"),
     (["--held-out", "0"], "--held-out 0")],
)  # fmt: skip
def test_an_extent_that_is_not_positive_is_named_and_nothing_is_written(tmp_path: Path, capsys, arguments, named):
    assert main(["--out", str(tmp_path / "new"), *arguments]) == 2
    assert capsys.readouterr().err.startswith(f"error: {named}")
    assert not (tmp_path / "new").exists()


def test_a_folder_that_holds_something_is_refused_and_kept(tmp_path: Path, capsys):
    (tmp_path / "config.json").write_text("mine")
    assert main(["--out", str(tmp_path), "--steps", "1", "--held-out", "1"]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
