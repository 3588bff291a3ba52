"""qwen3_overhead: a randomly initialised Qwen3-0.6B on random tokens; cost alone, nothing is learned."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmarks.planners.tasks._task import Session, Split, Task
from greenlight.errors import GreenlightError


@dataclass(frozen=True)
class Qwen3Overhead(Task):
    """What a planner costs at the size of a real model: overhead, throughput and peak memory.

    Parameters
    ----------
    layers, hidden, vocabulary
        The defaults are Qwen3-0.6B's; smaller ones are for a CPU.
    rows, tokens, probe_rows
        Sequences in a batch, tokens in each, and how many sequences a probe looks at.
    rank
        LoRA's rank; 0 trains every parameter.
    """

    name: ClassVar[str] = "qwen3_overhead"
    scored: ClassVar[bool] = False
    layers: int = 28
    hidden: int = 1024
    vocabulary: int = 151_936
    rows: int = 8
    tokens: int = 256
    probe_rows: int = 1
    rank: int = 8

    def build(self, seed: int) -> Session:
        """Return the model with random weights."""
        if min(self.layers, self.vocabulary, self.rows, self.tokens, self.probe_rows) < 1 or self.hidden % 64:
            raise GreenlightError(f"{self}: sizes are positive and hidden a multiple of 64; correct the task's options")
        return _Session(self, seed)


class _Session(Session):
    evaluation_steps = 0.0

    def __init__(self, task: Qwen3Overhead, seed: int) -> None:
        import warnings

        from peft import LoraConfig, get_peft_model
        from transformers import Qwen3Config, Qwen3ForCausalLM

        from benchmarks.planners.tasks._word_problems import ADAPTED

        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._task, self.probe_share = task, task.probe_rows / task.rows
        config = Qwen3Config(
            vocab_size=task.vocabulary,
            hidden_size=task.hidden,
            intermediate_size=3 * task.hidden,
            num_hidden_layers=task.layers,
            num_attention_heads=task.hidden // 64,
            num_key_value_heads=max(1, task.hidden // 128),
            head_dim=128,
            max_position_embeddings=max(2048, task.tokens),
            tie_word_embeddings=True,
        )
        torch.manual_seed(seed)
        model: Any = Qwen3ForCausalLM(config)
        if self.device.type == "cuda":
            model = model.to(torch.bfloat16)
        if task.rank:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)
                model = get_peft_model(
                    model,
                    LoraConfig(r=task.rank, lora_alpha=2 * task.rank, target_modules=ADAPTED, task_type="CAUSAL_LM"),
                )
        self.model = model.to(self.device).train()
        self._seed = seed

    def batches(self) -> Iterator[Tensor]:
        task, stream = self._task, torch.Generator().manual_seed(self._seed)
        while True:
            drawn = torch.randint(task.vocabulary, (task.rows, task.tokens), generator=stream)
            yield drawn.to(self.device)

    def token_losses(self, batch: Tensor) -> tuple[Tensor, Tensor | None]:
        logits = self.model(input_ids=batch, use_cache=False).logits[:, :-1]
        losses = cross_entropy(logits.flatten(0, 1).float(), batch[:, 1:].flatten(), reduction="none")
        return losses.view(len(batch), -1), None

    def probe_slice(self, batch: Tensor) -> Tensor:
        return batch[: self._task.probe_rows]

    def question_ids(self, split: Split) -> tuple[str, ...]:  # noqa: ARG002 - nothing is asked
        return ()

    def answered(self, split: Split) -> tuple[bool, ...]:  # noqa: ARG002 - nothing is asked
        return ()

    def dev_loss(self) -> float:
        return float("nan")
