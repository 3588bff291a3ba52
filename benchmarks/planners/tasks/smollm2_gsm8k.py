"""smollm2_gsm8k: a pretrained model such as SmolLM2-135M learns the real GSM8K, from folders, on a GPU."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from benchmarks.planners.tasks._task import Session, Task
from greenlight.assets.arithmetic import Problem
from greenlight.errors import GreenlightError


@dataclass(frozen=True)
class SmolLM2OnGsm8k(Task):
    """Grade-school word problems; exact match of the number behind ``####``.

    Parameters
    ----------
    model, data
        Folder of a Hugging Face model, and a folder with ``train.jsonl`` and ``test.jsonl`` of ``question`` and
        ``answer``.
    device
        ``cuda``, or ``cpu`` to try the task out with a tiny model.
    rank, rows, probe_rows
        LoRA's rank, problems in a batch, and how many of them a probe looks at.
    dev, test
        Development questions, taken from the end of the training file and not trained on; test questions.
    answer_tokens
        Longest answer, tokens.
    """

    name: ClassVar[str] = "smollm2_gsm8k"
    model: str = ""
    data: str = ""
    device: str = "cuda"
    rank: int = 8
    rows: int = 16
    probe_rows: int = 4
    dev: int = 256
    test: int = 1319
    answer_tokens: int = 256

    def unavailable(self) -> str | None:
        """Return what is missing: a GPU, the model's folder or the data's."""
        if self.device not in ("cuda", "cpu"):
            return f"device={self.device}: it is cuda or cpu; correct the task's option"
        if self.device == "cuda" and not torch.cuda.is_available():
            return "no CUDA device: it needs a GPU; run it on one, or try device=cpu with a tiny model"
        if not self.model or not (Path(self.model) / "config.json").is_file():
            return f"model={self.model or 'nothing'}: no folder of a model; give model=FOLDER with a config.json"
        for file in ("train.jsonl", "test.jsonl"):
            if not self.data or not (Path(self.data) / file).is_file():
                return f"data={self.data or 'nothing'}: no {file} there; give data=FOLDER with train and test.jsonl"
        return None

    def build(self, seed: int) -> Session:
        """Return the model with fresh adapters."""
        from benchmarks.planners.tasks._word_problems import Recipe, WordProblems

        if (reason := self.unavailable()) is not None:
            raise GreenlightError(f"task {self.name}: {reason}")
        train = list(_read(Path(self.data) / "train.jsonl"))
        test = list(_read(Path(self.data) / "test.jsonl"))[: self.test]
        if not 0 < self.dev < len(train):
            raise GreenlightError(f"dev={self.dev} of {len(train)} training rows: some are left to train on; lower dev")
        recipe = Recipe(
            rank=self.rank,
            rows=self.rows,
            probe_rows=self.probe_rows,
            answer_tokens=self.answer_tokens,
            answer_rows=128,
            # Adapters stay in single precision either way: peft makes them so.
            dtype=torch.bfloat16 if self.device == "cuda" else torch.float32,
        )
        return WordProblems(
            Path(self.model),
            recipe,
            torch.device(self.device),
            seed,
            train=train[: -self.dev],
            dev=train[-self.dev :],
            test=test,
        )


def _read(path: Path) -> Iterator[Problem]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            question, answer = str(row["question"]).strip(), str(row["answer"]).strip()
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise GreenlightError(
                f"{path} line {number}: no JSON object with question and answer; mend the line"
            ) from error
        if "\n#### " not in answer:
            raise GreenlightError(f"{path} line {number}: the answer has no line '#### number'; mend the line")
        yield Problem(question, answer)
