"""Small language models and runs of them, for the tests of what weighs tokens."""

import torch
from torch import nn
from torch.nn import functional

import graff

VOCABULARY, WIDTH = 13, 6


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.map = nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        return (x + self.map(x).tanh(),)


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, WIDTH).requires_grad_(False)
        self.layers = nn.ModuleList(Layer() for _ in range(3))
        self.norm = nn.LayerNorm(WIDTH).requires_grad_(False)

    def forward(self, ids):
        x = self.embed(ids)
        for layer in self.layers:
            (x,) = layer(x)
        return self.norm(x)


class Small(nn.Module):
    """A causal language model with the accessors of transformers; its first layer is frozen."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(7)
        self.model = Decoder()
        self.model.layers[0].requires_grad_(False)
        self.head = nn.Linear(WIDTH, VOCABULARY, bias=False).requires_grad_(False)
        with torch.no_grad():
            self.head.weight.mul_(3.0)

    def get_decoder(self):
        return self.model

    def get_output_embeddings(self):
        return self.head

    def forward(self, ids):
        return self.head(self.model(ids))


def losses_of(model, ids):
    return functional.cross_entropy(model(ids)[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none")


ALL = {"block_multipliers": True, "token_multipliers": True}
RESUMED = {**ALL, "probe_share": 0.3, "entropy_positions": 12}


class Run:
    """A small language model in double precision; ``advance`` makes steps of an eighth of a second each."""

    def __init__(self, clock, *, optimizer=torch.optim.AdamW, lr=1e-2, seconds=20.0, accumulate=1, **options):
        self.clock, self.accumulate = clock, accumulate
        self.model = Small().double()
        self.optimizer = optimizer([p for p in self.model.parameters() if p.requires_grad], lr=lr)
        self.budget = graff.Budget(seconds=seconds, clock=clock)
        self.planner = graff.Graff(self.optimizer, self.model, self.budget, max_grad_norm=1.0, **options)
        self.data = torch.Generator().manual_seed(3)
        self.reports = []

    def batch(self):
        ids = torch.randint(VOCABULARY, (4, 6), generator=self.data)
        mask = torch.rand(4, 5, generator=self.data) < 0.7
        return ids, mask

    def advance(self, steps, kind="tokens"):
        for _ in range(steps):
            micro = [self.batch() for _ in range(self.accumulate)]
            of = sum(float(mask.sum()) for _, mask in micro)
            for ids, mask in micro:
                self.planner.weigh(losses_of(self.model, ids), mask, of=of).backward()
            self.clock.pass_by(0.125)

            def probe(ids=micro[-1][0], mask=micro[-1][1]):
                if kind == "fails":
                    raise ZeroDivisionError
                self.clock.pass_by(1 / 1024)
                if kind == "too many":
                    return torch.ones(1000)
                losses = losses_of(self.model, ids)[mask]
                return losses.mean() if kind == "mean" else losses

            self.reports.append(self.planner.step(probe))
        return self.reports

    def weights(self):
        return [p.detach().clone() for p in self.model.parameters()]

    def state(self):
        parts = {key: getattr(self, key).state_dict() for key in ("model", "optimizer", "budget", "planner")}
        return parts | {"data": self.data.get_state()}

    def load(self, state):
        for key in ("model", "optimizer", "budget", "planner"):
            getattr(self, key).load_state_dict(state[key])
        self.data.set_state(state["data"])
        self.budget.start()


def same(left, right):
    return all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


def steep(run, slope=1.5):
    run.planner._residual.token_slope = lambda: (slope, torch.zeros(16))
    return run
