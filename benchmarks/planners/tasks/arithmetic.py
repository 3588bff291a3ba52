"""arithmetic: the embedded tiny Qwen3 learns longer word problems than it was pretrained on."""

from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

import torch

from benchmarks.planners.tasks._task import Session, Task
from greenlight.assets import model_folder
from greenlight.assets.arithmetic import problems
from greenlight.assets.dataset import ROWS
from greenlight.assets.scoring import LONGEST_ANSWER_TOKENS
from greenlight.errors import GreenlightError

_TRAIN_ROWS = ROWS["main"]["train"]


@dataclass(frozen=True)
class Arithmetic(Task):
    """Three-step word problems with numbers up to 30, on two CPU cores or a GPU.

    Parameters
    ----------
    rank, rows, probe_rows
        LoRA's rank, problems in a batch, and how many of them a probe looks at.
    dev, test
        Questions of the development and the test split; no question is in two of train, dev and test.
    """

    name: ClassVar[str] = "arithmetic"
    rank: int = 8
    rows: int = 16
    probe_rows: int = 4
    dev: int = 128
    test: int = 500

    def build(self, seed: int) -> Session:
        """Return the model with fresh adapters."""
        from benchmarks.planners.tasks._word_problems import Recipe, WordProblems

        if min(self.dev, self.test, self.rows, self.probe_rows, self.rank) < 1 or self.probe_rows > self.rows:
            raise GreenlightError(
                f"{self}: sizes are positive and probe_rows is at most rows; correct the task's options"
            )
        # Development questions follow the training rows in the same series, which repeats no question.
        series = problems("main", "train", _TRAIN_ROWS + self.dev)
        recipe = Recipe(
            rank=self.rank,
            rows=self.rows,
            probe_rows=self.probe_rows,
            answer_tokens=LONGEST_ANSWER_TOKENS,
            answer_rows=128,
            dtype=torch.float32,
        )
        return WordProblems(
            model_folder(),
            recipe,
            torch.device("cuda" if torch.cuda.is_available() else "cpu"),
            seed,
            train=list(islice(series, _TRAIN_ROWS)),
            dev=list(series),
            test=list(problems("main", "test", self.test)),
        )
