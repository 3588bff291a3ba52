"""LoRA under DistributedDataParallel on two gloo processes, with micro-batches under ``no_sync``."""

import contextlib

import pytest
import torch
from torch import nn

import graff
from packages.graff.tests.ranks import in_two_ranks

STEPS, MICRO, ROWS = 12, 2, 3
RANKS = 2


class Lora(nn.Module):
    """A frozen linear map and a trained one of rank 2, named as adapter libraries name theirs."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.base = nn.Linear(inputs, outputs).requires_grad_(False)
        self.lora_A = nn.Linear(inputs, 2, bias=False)
        self.lora_B = nn.Linear(2, outputs, bias=False)

    def forward(self, x):
        return self.base(x) + self.lora_B(self.lora_A(x))


def micro_batches(step, rank):
    """Return the rank's micro-batches with the masks of counted entries, which differ in number."""
    generator = torch.Generator().manual_seed(100 * step + rank)
    result = []
    for micro in range(MICRO):
        x = torch.randn(ROWS, 4, generator=generator)
        mask = torch.zeros(ROWS, 2, dtype=torch.bool)
        mask[: 1 + (rank + micro) % ROWS] = True
        result.append((x, mask))
    return result


def train(ranks, name, *, parallel):
    """Train on the batches of the given ranks, with a clock that depends on the rank."""
    now = [100.0 * ranks[-1]]
    torch.manual_seed(0)
    model = nn.Sequential(Lora(4, 8), nn.Tanh(), Lora(8, 2))
    wrapped = nn.parallel.DistributedDataParallel(model) if parallel else model
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    budget = graff.Budget(seconds=4, clock=lambda: now[0])
    options = {"probe_share": 0.0} if name == "graff" else {}
    planner = graff.planners.make(name, optimizer=optimizer, model=wrapped, budget=budget, max_grad_norm=1.0, **options)
    reports, unsynchronized = [], []
    for step in range(STEPS):
        batch = [micro for rank in ranks for micro in micro_batches(step, rank)]
        everywhere = sum(float(mask.sum()) for rank in range(RANKS) for _, mask in micro_batches(step, rank))
        for i, (x, mask) in enumerate(batch):
            last = i == len(batch) - 1
            with contextlib.nullcontext() if last or not parallel else wrapped.no_sync():
                losses = (wrapped(x) - x[:, :2]).square()
                planner.weigh(losses, mask, of=everywhere / (RANKS if parallel else 1)).backward()
            if parallel and not last:
                unsynchronized.append(float(model[2].lora_B.weight.grad.sum()))
        now[0] += 0.125 if ranks[0] == 0 else 0.375
        reports.append(planner.step())
    return {
        "rates": [r.learning_rates for r in reports],
        "losses": [r.loss for r in reports],
        "tokens": [r.metrics["tokens"] for r in reports],
        "blocks": planner.blocks.names if name == "graff" else (),
        "weights": torch.cat([p.detach().flatten() for p in model.parameters()]).tolist(),
        "unsynchronized": unsynchronized,
    }


NAMES = ["fixed", "linear", "graff", "reactor"]


def _train_all(rank):
    return {name: train([rank], name, parallel=True) for name in NAMES}


@pytest.fixture(scope="module")
def outcomes():
    return in_two_ranks(_train_all)


@pytest.mark.parametrize("name", NAMES)
def test_both_ranks_hold_the_same_rates_and_adapters(outcomes, name):
    first, second = (outcome[name] for outcome in outcomes)
    assert first["rates"] == second["rates"]
    assert first["losses"] == second["losses"]
    assert first["weights"] == second["weights"]
    # Without this the ranks would have synchronized every micro-batch, and the test would show nothing of no_sync.
    assert len(first["unsynchronized"]) == STEPS * (MICRO - 1)
    assert all(a != b for a, b in zip(first["unsynchronized"], second["unsynchronized"], strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_two_ranks_train_as_one_process_does_on_all_their_batches(outcomes, name):
    parallel = outcomes[0][name]
    single = train(list(range(RANKS)), name, parallel=False)
    assert parallel["tokens"] == single["tokens"] == [2.0 * (1 + 2 + 2 + 3)] * STEPS
    assert parallel["losses"] == pytest.approx(single["losses"], rel=1e-4)
    for one, other in zip(parallel["rates"], single["rates"], strict=True):
        assert one == pytest.approx(other, rel=1e-3)
    assert parallel["weights"] == pytest.approx(single["weights"], rel=1e-3, abs=1e-5)
    assert parallel["blocks"] == single["blocks"] == (("0", "2") if name == "graff" else ())
