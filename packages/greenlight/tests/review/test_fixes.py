"""What --fix changes: each kind of edit mends its finding, and what it writes is what a careful colleague would."""

import tomllib

import pytest

from greenlight.contract.submission import Submission
from greenlight.review.engine import run_rule
from greenlight.review.mending import mended
from greenlight.review.registry import all_rules, rule
from greenlight.review.subject import Subject


def fixed(key, files):
    content = {path: text.encode() for path, text in files.items()}
    changed, gone = mended(Submission("x", "folder", content), [rule(key)], heed_comments=True)
    return {path: text.decode() for path, text in changed.items()}, gone


def test_a_table_of_carets_becomes_an_array_that_can_be_installed():
    text = '[project]\nname = "a"\nversion = "1"\n\n[project.dependencies]\ntorch = "^2.4"\nwandb = "~0.16.1"\n'
    changed, gone = fixed("GL506", {"pyproject.toml": text})
    assert len(gone) == 1
    assert tomllib.loads(changed["pyproject.toml"])["project"]["dependencies"] == [
        "torch>=2.4,<3",
        "wandb>=0.16.1,<0.17",
    ]


def test_a_caret_in_a_requirement_becomes_a_range():
    text = '[project]\nname = "a"\nversion = "1"\ndependencies = ["torch^2.4"]\n'
    changed, _ = fixed("GL507", {"pyproject.toml": text})
    assert tomllib.loads(changed["pyproject.toml"])["project"]["dependencies"] == ["torch>=2.4,<3"]


def test_the_configuration_of_gsm8k_is_named():
    text = 'from datasets import load_dataset\n\nrows = load_dataset("openai/gsm8k", split="train")\n'
    changed, _ = fixed("GL301", {"src/preprocess.py": text})
    assert 'load_dataset("openai/gsm8k", "main", split="train")' in changed["src/preprocess.py"]


NETWORK = """
import torch
from torch import nn

class Probe(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        return self.head(x)

def train(model, loader):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device)
    probe = Probe()  # a second network
    for batch in loader:
        x = batch["x"].to(device)
        probe(x).sum().backward()
"""


def test_a_network_that_was_left_behind_is_moved_where_the_device_is_known():
    changed, gone = fixed("GL402", {"src/train.py": NETWORK})
    assert len(gone) == 1
    assert changed["src/train.py"] == NETWORK.replace("Probe()  #", "Probe().to(device)  #")
    unknown = NETWORK.replace("device = torch", "gpu = torch").replace("(device)", "(gpu)")
    assert fixed("GL402", {"src/train.py": unknown}) == ({}, [])


@pytest.mark.parametrize("each", all_rules(), ids=lambda each: each.id)
def test_every_edit_that_a_rule_offers_on_its_own_examples_mends_them(each):
    for example in each.invalid:
        subject = Subject.of(example)
        offered = [finding for finding in run_rule(each, subject).findings if finding.edits]
        if offered:
            _, gone = mended(subject.submission, [each], heed_comments=True)
            assert gone, "an edit is offered and changes nothing for the better"
