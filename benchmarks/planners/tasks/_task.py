"""What every task is: a seeded training problem whose answers can be counted."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from benchmarks.planners.measure import EXACT_MATCH, Measure

Split = Literal["dev", "test"]


class Session(ABC):
    """One seeded instance of a task: a model to train, an endless stream of batches, and questions to answer.

    Attributes
    ----------
    model
        Trainable parameters are those that require a gradient.
    device
        Where model and batches are.
    probe_share
        Rows of :meth:`probe_slice` over rows of a batch.
    evaluation_steps
        What one development evaluation costs on the ``steps`` clock, in training steps.
    """

    model: nn.Module
    device: torch.device
    probe_share: float
    evaluation_steps: float

    def optimizer(self, rate: float) -> torch.optim.Optimizer:
        """Return AdamW without weight decay over the trainable parameters; planners may replace it."""
        return torch.optim.AdamW([p for p in self.model.parameters() if p.requires_grad], lr=rate, weight_decay=0.0)

    @abstractmethod
    def batches(self) -> Iterator[Any]:
        """Yield batches without end; every call begins anew with the same ones for the same seed."""

    @abstractmethod
    def token_losses(self, batch: Any) -> tuple[Tensor, Tensor | None]:
        """Return losses in nats and the mask of counted ones, as :meth:`graff.Planner.weigh` takes them."""

    @abstractmethod
    def probe_slice(self, batch: Any) -> Any:
        """Return the part of a batch that curvature probes look at."""

    @abstractmethod
    def question_ids(self, split: Split) -> tuple[str, ...]:
        """Return the ids of a split's questions, the same for every seed; none where nothing is scored."""

    def answered(self, split: Split) -> tuple[bool, ...]:
        """Answer the questions with the model as it is and return which answers were right, in order of the ids.

        Where the task's measure counts right answers.
        """
        raise NotImplementedError

    def losses(self, split: Split) -> tuple[float, ...]:
        """Return the loss of each question under the model as it is, in nats, in order of the ids.

        Where the task's measure is a loss; the mean over the development questions is :meth:`dev_loss`.
        """
        raise NotImplementedError

    @abstractmethod
    def dev_loss(self) -> float:
        """Return the mean loss per token on the development questions' answers in nats."""


@dataclass(frozen=True)
class Task(ABC):
    """A training problem; the fields of a subclass are its options, all with defaults."""

    name: ClassVar[str]
    scored: ClassVar[bool] = True
    """Whether there are questions; a task without measures cost alone."""
    measure: ClassVar[Measure] = EXACT_MATCH
    """What questions are scored by: :meth:`Session.answered`, or :meth:`Session.losses`."""
    code: ClassVar[tuple[str, ...]] = ()
    """Modules that a cell runs and the task's module does not import by name."""

    def unavailable(self) -> str | None:
        """Return why this machine cannot run the task, one line with the remedy, or None where it can."""
        return None

    @abstractmethod
    def build(self, seed: int) -> Session:
        """Return a session; the seed decides initial weights, the order of the batches, and drawn data if any."""
