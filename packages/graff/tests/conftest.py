import pytest
import torch
from torch import nn

import graff


class FakeClock:
    """A clock that moves only when told to; every reading is the same until then."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    def pass_by(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(autouse=True)
def one_thread_and_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


class Run:
    """A model, an optimizer, a budget and a planner; ``advance`` makes steps of an eighth of a second each.

    Clock times are sums of powers of two, so that they are exact and a resumed run can be compared bit for bit.
    """

    def __init__(self, name, clock, *, seconds=5.0, lr=3e-3, optimizer=torch.optim.AdamW, **options):
        torch.manual_seed(11)
        self.clock = clock
        self.model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3))
        parts = list(self.model.children())
        self.optimizer = optimizer(
            [
                {"params": [*parts[0].parameters(), *parts[2].parameters()], "lr": lr},
                {"params": list(parts[4].parameters()), "lr": lr / 2},
            ]
        )
        self.budget = graff.Budget(seconds=seconds, clock=clock)
        self.planner = graff.planners.make(
            name, optimizer=self.optimizer, model=self.model, budget=self.budget, max_grad_norm=1.0, **options
        )
        self.optimizer = self.planner.optimizer  # some planners bring their own
        self.truth = torch.randn(6, 3, generator=torch.Generator().manual_seed(1))
        self.batches = torch.Generator().manual_seed(2)
        self.reports = []

    def token_losses(self, batch):
        x, y = batch
        return (self.model(x) - y).square()

    def batch(self):
        x = torch.randn(16, 6, generator=self.batches)
        return x, x @ self.truth

    def advance(self, steps, probe=True):
        for _ in range(steps):
            batch = self.batch()
            self.planner.weigh(self.token_losses(batch)).backward()
            self.clock.pass_by(0.125)
            part = tuple(t[:8] for t in batch)

            def evaluate(part=part):
                self.clock.pass_by(1 / 1024)
                return self.token_losses(part).mean()

            self.reports.append(self.planner.step(evaluate if probe else None))
        return self.reports

    @staticmethod
    def same(left, right):
        return all(torch.equal(a, b) for a, b in zip(left, right, strict=True))

    def weights(self):
        return [p.detach().clone() for p in self.model.parameters()]

    def state(self):
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "budget": self.budget.state_dict(),
            "planner": self.planner.state_dict(),
            "batches": self.batches.get_state(),
        }

    def load(self, state):
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.budget.load_state_dict(state["budget"])
        self.planner.load_state_dict(state["planner"])
        self.batches.set_state(state["batches"])
        self.budget.start()


@pytest.fixture
def new_run() -> type[Run]:
    return Run
