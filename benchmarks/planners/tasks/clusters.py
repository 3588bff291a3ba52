"""clusters: two layers that tell Gaussian clouds apart; seconds long, for the bake-off's own tests and first tries."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.planners.tasks._task import Session, Split, Task

_WORLD_SEED = 7  # the clouds are the same for every seed; a seed decides weights and batches

Points = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Clusters(Task):
    """Say which of several overlapping Gaussian clouds a point came from.

    Parameters
    ----------
    classes, dimensions, rows
        Clouds, coordinates of a point, points in a batch.
    dev, test
        Points that are asked.
    failing
        Batches before the model raises an error, for the tests of the bake-off; 0 for never.
    """

    name: ClassVar[str] = "clusters"
    classes: int = 6
    dimensions: int = 8
    rows: int = 16
    dev: int = 100
    test: int = 200
    failing: int = 0

    def build(self, seed: int) -> Session:
        """Return a fresh network and its stream of points."""
        return _Session(self, seed)


class _Session(Session):
    probe_share = 0.25
    evaluation_steps = 2.0
    device = torch.device("cpu")

    def __init__(self, task: Clusters, seed: int) -> None:
        world = torch.Generator().manual_seed(_WORLD_SEED)
        self._centers = 1.5 * torch.randn(task.classes, task.dimensions, generator=world)
        self._asked = {"dev": self._draw(task.dev, world), "test": self._draw(task.test, world)}
        self._task, self._seed = task, seed
        torch.manual_seed(seed)
        self.model = nn.Sequential(nn.Linear(task.dimensions, 16), nn.Tanh(), nn.Linear(16, task.classes))

    def _draw(self, count: int, generator: torch.Generator) -> Points:
        classes = torch.randint(len(self._centers), (count,), generator=generator)
        noise = torch.randn(count, self._centers.shape[1], generator=generator)
        return self._centers[classes] + noise, classes

    def batches(self) -> Iterator[Points]:
        produced, stream = 0, torch.Generator().manual_seed(self._seed)
        while True:
            if produced == self._task.failing > 0:
                raise RuntimeError(f"the stream broke after {produced} batches, as option failing says")
            produced += 1
            yield self._draw(self._task.rows, stream)

    def token_losses(self, batch: Points) -> tuple[Tensor, Tensor | None]:
        return cross_entropy(self.model(batch[0]), batch[1], reduction="none"), None

    def probe_slice(self, batch: Points) -> Points:
        part = max(1, round(self.probe_share * self._task.rows))
        return batch[0][:part], batch[1][:part]

    def question_ids(self, split: Split) -> tuple[str, ...]:
        return tuple(f"{split}-{index:06d}" for index in range(len(self._asked[split][1])))

    @torch.no_grad()
    def answered(self, split: Split) -> tuple[bool, ...]:
        points, classes = self._asked[split]
        right: list[bool] = (self.model(points).argmax(-1) == classes).tolist()
        return tuple(right)

    @torch.no_grad()
    def dev_loss(self) -> float:
        return float(self.token_losses(self._asked["dev"])[0].mean())
