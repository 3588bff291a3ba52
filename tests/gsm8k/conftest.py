import pytest

TEMPLATE = "Question: {question}\nAnswer: "


@pytest.fixture(scope="session")
def tokenizer():
    from transformers import AutoTokenizer

    from greenlight.assets import model_folder

    return AutoTokenizer.from_pretrained(model_folder())


@pytest.fixture(scope="session")
def problems():
    from greenlight.assets.arithmetic import problems
    from src.preprocess import read_problem

    rows = [{"question": p.question, "answer": p.answer} for p in problems("main", "train", 300)]
    return [read_problem(row, "train", index, TEMPLATE) for index, row in enumerate(rows)]
