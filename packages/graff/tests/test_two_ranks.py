"""Two gloo processes with clocks and batches of their own hold the same rate and stop at the same step."""

import multiprocessing
import socket

import pytest
import torch
import torch.distributed as dist
from torch import nn

import graff

NAMES = graff.planners.names()
# So that every planner's rate moves within the few steps here.
OPTIONS = {
    "fixed": {"warmup_fraction": 0.5},
    "graff": {"probe_share": 0.3},
    "salelr": {"probe_share": 0.3, "rate_bound": 1e6},
    "schedule_free": {"warmup_fraction": 0.5},
}


def _rank(rank, port, pipe):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    # One pair of processes for all planners: starting them takes longer than the training.
    pipe.send({name: _train(rank, name) for name in NAMES})
    pipe.close()
    dist.destroy_process_group()


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
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for rank in range(2):
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=_rank, args=(rank, port, there), daemon=True)
        process.start()
        there.close()
        pipes.append(here)
        processes.append(process)
    assert all(pipe.poll(120) for pipe in pipes)
    received = [pipe.recv() for pipe in pipes]
    for process in processes:
        process.join(30)
        assert process.exitcode == 0
    return received


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
