"""Two gloo processes with clocks and batches of their own hold the same rate and stop at the same step."""

import pytest
import torch
from torch import nn

import graff
from packages.graff.tests.ranks import in_two_ranks

NAMES = graff.planners.names()
# So that every planner's rate moves within the few steps here.
OPTIONS = {
    "fixed": {"warmup_fraction": 0.5},
    "graff": {"probe_share": 0.3},
    "salelr": {"probe_share": 0.3, "rate_bound": 1e6},
    "schedule_free": {"warmup_fraction": 0.5},
}


def _train_all(rank):
    return {name: _train(rank, name) for name in NAMES}


def _train(rank, name):
    now = [100.0 * rank]
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    parallel = nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    budget = graff.Budget(seconds=4, clock=lambda: now[0])
    options = OPTIONS.get(name, {})
    planner = graff.planners.make(
        name, optimizer=optimizer, model=parallel, budget=budget, max_grad_norm=1.0, **options
    )
    batches = torch.Generator().manual_seed(rank)
    rates, losses, left = [], [], []
    while not budget.spent:
        x = torch.randn(6, 4, generator=batches)
        # The ranks count different numbers of tokens and run at different speeds.
        mask = torch.zeros(6, 2, dtype=torch.bool)
        mask[: 2 + 3 * rank] = True
        counted = float(mask.sum())
        tokens = (parallel(x) - x[:, :2]).square()
        planner.weigh(tokens, mask, of=(4 + 10) / 2).backward()
        now[0] += 0.125 if rank == 0 else 0.375
        report = planner.step(lambda x=x: (model(x) - x[:, :2]).square().mean())
        rates.append(report.learning_rates)
        losses.append((report.loss, report.metrics["tokens"], counted))
        left.append(budget.agree().remaining_s)
    weights = torch.cat([p.detach().flatten() for p in model.parameters()]).tolist()
    return {"rates": rates, "losses": losses, "left": left, "weights": weights, "steps": budget.steps}


@pytest.fixture(scope="module")
def outcomes():
    # One pair of processes for all planners: starting them takes longer than the training.
    return in_two_ranks(_train_all)


@pytest.mark.parametrize("name", NAMES)
def test_two_ranks_with_different_clocks_hold_the_same_rates_and_stop_together(outcomes, name):
    first, second = (outcome[name] for outcome in outcomes)
    assert first["rates"] == second["rates"]
    assert len(set(first["rates"])) > 5
    assert first["left"] == second["left"]
    assert first["weights"] == second["weights"]
    # Rank 0's clock decides: an eighth of a second a step in a budget of 4 s, the last step left out.
    assert first["steps"] == second["steps"] == 31
    assert [one[:2] for one in first["losses"]] == [one[:2] for one in second["losses"]]
    assert first["losses"][0][1] == first["losses"][0][2] + second["losses"][0][2] == 14
