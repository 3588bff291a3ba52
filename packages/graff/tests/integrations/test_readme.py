"""The lines of the README that need other libraries."""

import itertools
import re
from pathlib import Path

import lightning.pytorch
import pytest
import torch
import transformers
from torch.utils.data import DataLoader

import graff

README = Path(__file__).parents[2] / "README.md"
BLOCKS = {
    library: block
    for block in re.findall(r"```py\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    for library in re.findall(r"graff\.integrations\.(\w+)", block)
}


class Module(lightning.pytorch.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(3, 2)

    def training_step(self, x, batch_idx):
        return (self.net(x) - x[:, :2]).square().mean()

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=1e-2)


def test_there_is_one_example_for_each_integration():
    modules = (Path(graff.__file__).parent / "integrations").glob("[!_]*.py")
    assert sorted(BLOCKS) == sorted(path.stem for path in modules)


@pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec.. is deprecated:FutureWarning")
@pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers")
@pytest.mark.filterwarnings("ignore:.*`tensorboardX` has been removed")
@pytest.mark.filterwarnings("ignore:.*pin_memory")
@pytest.mark.parametrize("library", BLOCKS)
def test_the_lines_train_until_the_budget_is_spent(library, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = transformers.GPT2Config(vocab_size=11, n_embd=8, n_layer=1, n_head=1, n_positions=8)
    rows = [{"input_ids": ids, "labels": ids} for ids in (torch.arange(6) + torch.arange(16)[:, None]) % 11]
    names = {
        "graff": graff,
        "model": transformers.GPT2LMHeadModel(config),
        "data": rows,
        "module": Module(),
        # Every reading takes as long, so that the machine's own speed does not matter.
        "clock": itertools.count(0.0, 1 / 64).__next__,
        "loader": DataLoader(torch.randn(512, 3), batch_size=8),
    }
    exec(BLOCKS[library].replace("minutes=30", "seconds=8, clock=clock"), names)
    budget, callback = names["budget"], names["callback"]
    assert budget.spent
    assert budget.steps > 5
    assert callback.report.step == budget.steps - 1
    assert callback.planner.name == "graff"
    assert callback.report.learning_rate > 0
