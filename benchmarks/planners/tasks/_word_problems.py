"""Word problems for a causal language model with LoRA: what the language tasks share."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from peft import LoraConfig, get_peft_model
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from benchmarks.planners.tasks._task import Session, Split
from greenlight.assets.arithmetic import Problem
from greenlight.assets.scoring import final_number, prompt
from greenlight.errors import GreenlightError

# peft reads a property that transformers 5 has renamed; nobody who trains can mend that.
warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning)
transformers.utils.logging.disable_progress_bar()

ADAPTED = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
_IGNORED = -100
_GREEDY_ROW_STEPS = 0.06  # answering one question, in training steps; measured on the embedded default


@dataclass(frozen=True)
class Recipe:
    """How a model is adapted and asked; sizes in rows and tokens."""

    rank: int
    rows: int
    probe_rows: int
    answer_tokens: int
    answer_rows: int
    dtype: torch.dtype


@dataclass(frozen=True)
class Encoded:
    """Token ids of one problem; the first `prompt_tokens` carry no loss."""

    ids: tuple[int, ...]
    prompt_tokens: int


class WordProblems(Session):
    """A pretrained model with fresh adapters that learns to answer word problems."""

    def __init__(
        self,
        folder: Path,
        recipe: Recipe,
        device: torch.device,
        seed: int,
        *,
        train: Sequence[Problem],
        dev: Sequence[Problem],
        test: Sequence[Problem],
    ) -> None:
        if len(train) < recipe.rows:
            raise GreenlightError(f"{len(train)} training problems: a batch has {recipe.rows}; ask for fewer rows")
        self._recipe, self.device = recipe, device
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        torch.manual_seed(seed)
        base = AutoModelForCausalLM.from_pretrained(folder, dtype=recipe.dtype)
        lora = LoraConfig(r=recipe.rank, lora_alpha=2 * recipe.rank, target_modules=ADAPTED, task_type="CAUSAL_LM")
        adapted: Any = get_peft_model(base, lora).to(device)  # peft's wrapper hands unknown names to the model
        self.model, self._adapted = adapted, adapted
        self._train = [self._encoded(problem) for problem in train]
        self._asked: dict[Split, Sequence[Problem]] = {"dev": dev, "test": test}
        self._seed = seed
        self.probe_share = recipe.probe_rows / recipe.rows
        self.evaluation_steps = _GREEDY_ROW_STEPS * len(dev)

    def _encoded(self, problem: Problem) -> Encoded:
        asked = self._tokenizer(prompt(problem))["input_ids"]
        answer = self._tokenizer(problem.answer + self._tokenizer.eos_token, add_special_tokens=False)["input_ids"]
        return Encoded((*asked, *answer), len(asked))

    def batches(self) -> Iterator[list[Encoded]]:
        rows, generator = self._recipe.rows, torch.Generator().manual_seed(self._seed)
        while True:
            order = torch.randperm(len(self._train), generator=generator).tolist()
            for start in range(0, len(order) - rows + 1, rows):
                yield [self._train[index] for index in order[start : start + rows]]

    def token_losses(self, batch: list[Encoded]) -> tuple[Tensor, Tensor | None]:
        length = max(len(row.ids) for row in batch)
        ids = torch.full((len(batch), length), self._tokenizer.pad_token_id)
        labels = torch.full((len(batch), length), _IGNORED)
        attention = torch.zeros((len(batch), length), dtype=torch.long)
        for place, row in enumerate(batch):
            whole = torch.tensor(row.ids)
            ids[place, : len(whole)], attention[place, : len(whole)] = whole, 1
            labels[place, row.prompt_tokens : len(whole)] = whole[row.prompt_tokens :]
        ids, labels, attention = (part.to(self.device) for part in (ids, labels, attention))
        base = self._adapted.get_base_model()
        hidden = base.get_decoder()(input_ids=ids, attention_mask=attention, use_cache=False).last_hidden_state
        targets = labels[:, 1:]
        counted = targets != _IGNORED
        # The head only where a token counts: with a large vocabulary the other logits would be most of the memory.
        logits = base.get_output_embeddings()(hidden[:, :-1][counted])
        return cross_entropy(logits.float(), targets[counted], reduction="none"), counted

    def probe_slice(self, batch: list[Encoded]) -> list[Encoded]:
        return batch[: self._recipe.probe_rows]

    def question_ids(self, split: Split) -> tuple[str, ...]:
        return tuple(f"{split}-{index:06d}" for index in range(len(self._asked[split])))

    @torch.inference_mode()
    def answered(self, split: Split) -> tuple[bool, ...]:
        problems, tokenizer = self._asked[split], self._tokenizer
        greedy = GenerationConfig(
            max_new_tokens=self._recipe.answer_tokens,
            do_sample=False,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        was_training = self.model.training
        self.model.eval()
        right = [False] * len(problems)
        # Questions of like length are answered together; little is padded.
        by_length = sorted(range(len(problems)), key=lambda index: len(problems[index].question))
        try:
            for start in range(0, len(by_length), self._recipe.answer_rows):
                places = by_length[start : start + self._recipe.answer_rows]
                asked = tokenizer(
                    [prompt(problems[place]) for place in places],
                    padding=True,
                    padding_side="left",
                    return_tensors="pt",
                ).to(self.device)
                ids = self._adapted.generate(**asked, generation_config=greedy)[:, asked["input_ids"].shape[1] :]
                for place, text in zip(places, tokenizer.batch_decode(ids, skip_special_tokens=True), strict=True):
                    said = _number(text)
                    right[place] = said is not None and said == _number(problems[place].answer)
        finally:
            self.model.train(was_training)
        return tuple(right)

    @torch.no_grad()
    def dev_loss(self) -> float:
        was_training = self.model.training
        self.model.eval()
        total, tokens = 0.0, 0
        rows = [self._encoded(problem) for problem in self._asked["dev"]]
        for start in range(0, len(rows), self._recipe.rows):
            losses, _ = self.token_losses(rows[start : start + self._recipe.rows])
            total, tokens = total + float(losses.sum()), tokens + losses.numel()
        self.model.train(was_training)
        return total / max(1, tokens)


def _number(text: str) -> str | None:
    said = final_number(text)
    return None if said is None else said.replace(",", "")  # GSM8K writes 1,024 and 1024 alike
