"""The model with its LoRA adapters, its token losses, its answers, and the planner of its learning rate."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError
from peft import LoraConfig, PeftModel, get_peft_model
from pydantic import ConfigDict, Field, model_validator
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

import graff
from greenlight.endpoints import hub_address
from greenlight.errors import GreenlightError
from greenlight.harness.compose import nearest
from greenlight.harness.sections import Optimizer, Section
from src.preprocess import CACHE, IGNORED, Batch, Problem, collate_prompts

# peft 0.21 still reads a property that transformers 5 has renamed; nobody who trains can mend that.
warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning)
transformers.utils.logging.disable_progress_bar()

log = logging.getLogger("gsm8k")

ADAPTED = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}
SCALES = {"K": 1e3, "M": 1e6, "B": 1e9}


class Lora(Section):
    """Low-rank adapters on all attention and MLP projections."""

    r: int = Field(ge=1)
    alpha: int = Field(ge=1)
    dropout: float = Field(ge=0, lt=1)


class Model(Section):
    """Which model is adapted; `parameter_count` (such as 0.6B) is checked against what was loaded."""

    name: str = Field(min_length=1)
    dtype: Literal["bfloat16", "float16", "float32"]
    lora: Lora
    parameter_count: str | None = Field(pattern=r"^\d+(\.\d+)?[KMB]$")


class Scheduler(Section):
    """The planner and its options; an option that the planner does not have is an error."""

    model_config = ConfigDict(extra="allow", frozen=True)
    type: str

    @model_validator(mode="after")
    def _known(self) -> Scheduler:
        if self.type not in graff.planners.names():
            raise ValueError(f"type '{self.type}': no such planner; {nearest(self.type, graff.planners.names())}")
        valid = graff.planners.options(self.type)
        for option in self.options:
            if option not in valid:
                raise ValueError(f"{option}: planner {self.type} has no such option; {nearest(option, valid)}")
        return self

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments for the planner; the run file's `warm_start_ckpt` is the planner's `warm_start`."""
        given = dict(self.model_extra or {})
        if "warm_start_ckpt" in given:
            given["warm_start"] = given.pop("warm_start_ckpt")
        return given


class Training(Section):
    """The budget, the batch, and what is optimised; exactly one of the two budgets is set."""

    budget_minutes: float | None
    budget_seconds: float | None
    global_batch_size: int = Field(ge=1)
    micro_batch_size: int = Field(ge=1)
    gradient_accumulation_steps: int = Field(ge=1)
    total_steps: int = Field(ge=1)
    epochs: int | None = Field(ge=1)
    mixed_precision: Literal["bf16", "none"]
    gradient_checkpointing: bool
    clip_grad_norm: float | None = Field(gt=0)
    checkpoint_seconds: float = Field(gt=0)
    optimizer: Optimizer
    scheduler: Scheduler

    @model_validator(mode="after")
    def _consistent(self) -> Training:
        self.budget()
        if self.micro_batch_size * self.gradient_accumulation_steps != self.global_batch_size:
            raise ValueError(
                f"global_batch_size {self.global_batch_size}: it is micro_batch_size {self.micro_batch_size} x "
                f"gradient_accumulation_steps {self.gradient_accumulation_steps}; change one of the three"
            )
        return self

    def budget(self) -> graff.Budget:
        """Return a fresh clock of this budget."""
        return graff.Budget(minutes=self.budget_minutes, seconds=self.budget_seconds)


def device() -> torch.device:
    """Return the GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load(section: Model, *, gradient_checkpointing: bool) -> tuple[PeftModel, PreTrainedTokenizerBase]:
    """Return the adapted model on its device and its tokenizer; only adapter weights are trainable.

    Raises
    ------
    GreenlightError
        If the hub does not have the model, it cannot be read, it has another size than the run file says, or it has no
        projections to adapt.
    """
    cache = str(CACHE / "models")
    try:
        tokenizer = AutoTokenizer.from_pretrained(section.name, cache_dir=cache)
        base = AutoModelForCausalLM.from_pretrained(section.name, cache_dir=cache, dtype=DTYPES[section.dtype])
    except (OSError, ValueError, HFValidationError) as error:
        absent = isinstance(error.__cause__, RepositoryNotFoundError) or "not a valid model identifier" in str(error)
        reason = (
            f"not on the hub {hub_address()}" if absent else f"cannot be loaded ({' '.join(str(error).split())[:300]})"
        )
        raise GreenlightError(
            f"model {section.name}: {reason}; correct model.name or map it with "
            f"`greenlight hub --model {section.name}=FOLDER`"
        ) from error
    if tokenizer.eos_token_id is None:
        raise GreenlightError(f"model {section.name}: its tokenizer has no end-of-text token; choose another model")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    if is_stand_in(base):
        log.warning("%s is a tiny stand-in with random weights: no number of this run is a result", section.name)
    else:
        check_parameter_count(section, sum(parameter.numel() for parameter in base.parameters()))
    lora = LoraConfig(
        r=section.lora.r,
        lora_alpha=section.lora.alpha,
        lora_dropout=section.lora.dropout,
        target_modules=list(ADAPTED),
        task_type="CAUSAL_LM",
    )
    try:
        model = get_peft_model(base, lora)
    except ValueError as error:
        raise GreenlightError(
            f"model {section.name} ({type(base).__name__}): has none of {', '.join(ADAPTED)}; choose another model"
        ) from error
    if gradient_checkpointing:
        model.enable_input_require_grads()
        model.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    return model.to(device()), tokenizer


def is_stand_in(model: torch.nn.Module) -> bool:
    """Say whether a model came from a rehearsal's hub, which marks what it serves in place of the real one."""
    return bool(getattr(model.config, "greenlight_stand_in", False))


def check_parameter_count(section: Model, loaded: int) -> None:
    """Raise `GreenlightError` unless the loaded size rounds to the size that the run file states."""
    if section.parameter_count is None:
        return
    digits, scale = section.parameter_count[:-1], SCALES[section.parameter_count[-1]]
    decimals = len(re.sub(r"^\d+\.?", "", digits))
    if abs(loaded / scale - float(digits)) > 0.5 * 10**-decimals:
        raise GreenlightError(
            f"model.parameter_count={section.parameter_count}: {section.name} has {loaded:,} parameters; "
            "correct it, or set it to null"
        )


def trainable(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    """Return the parameters that training changes."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def plan(
    scheduler: Scheduler,
    optimizer: Optimizer,
    model: PeftModel,
    budget: graff.Budget,
    *,
    seed: int,
    max_grad_norm: float | None,
) -> graff.planners.Planner:
    """Return the planner of the run file over AdamW on the adapter weights.

    Raises
    ------
    GreenlightError
        If the planner refuses an option.
    """
    adamw = torch.optim.AdamW(
        trainable(model), lr=optimizer.lr_init, betas=optimizer.betas, weight_decay=optimizer.weight_decay
    )
    options = scheduler.options
    if "seed" in graff.planners.options(scheduler.type):
        options.setdefault("seed", seed)
    try:
        return graff.planners.make(
            scheduler.type, optimizer=adamw, model=model, budget=budget, max_grad_norm=max_grad_norm, **options
        )
    except (graff.GraffError, TypeError) as error:
        raise GreenlightError(f"training.scheduler: {error}") from error


def token_losses(model: PeftModel, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the cross-entropy of every answer token in nats, shape (answer tokens,), and their places.

    The head is applied where a token is predicted that counts, and nowhere else: with a vocabulary of 150,000 words the
    logits of prompt and padding would be most of a step's memory. The places are a mask of shape (rows, length - 1).
    """
    base: Any = model.get_base_model()
    decoder = base.get_decoder()
    hidden = decoder(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False).last_hidden_state
    targets = batch.labels[:, 1:]
    counted = targets != IGNORED
    logits = base.get_output_embeddings()(hidden[:, :-1][counted])
    return cross_entropy(logits.float(), targets[counted], reduction="none"), counted


def probe(model: PeftModel, batch: Batch) -> torch.Tensor:
    """Return the losses of a slice of a batch without dropout: two evaluations differ by the weights alone."""
    rows = max(1, len(batch.input_ids) // 4)
    part = Batch(batch.input_ids[:rows], batch.attention_mask[:rows], batch.labels[:rows])
    model.eval()
    try:
        with torch.no_grad():
            return token_losses(model, part.to(device()))[0]
    finally:
        model.train()


@torch.inference_mode()
def answers(
    model: PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    problems: list[Problem],
    *,
    max_new_tokens: int,
    batch_size: int,
    heartbeat: Callable[[], None] = lambda: None,
) -> list[str]:
    """Return the model's greedy continuation for each problem, in order.

    Parameters
    ----------
    model, tokenizer
        Any causal model; prompts are padded on the left.
    problems
        What is asked; questions of like length are answered together.
    max_new_tokens
        Longest answer, tokens.
    batch_size
        Problems answered at once.
    heartbeat
        Called after every batch.
    """
    was_training = model.training
    model.eval()
    result = [""] * len(problems)
    by_length = sorted(range(len(problems)), key=lambda index: len(problems[index].prompt))
    for at in range(0, len(by_length), batch_size):
        indices = by_length[at : at + batch_size]
        inputs = {
            key: value.to(model.device)
            for key, value in collate_prompts([problems[index] for index in indices], tokenizer).items()
        }
        generated = model.generate(
            **inputs,
            max_new_tokens=max_new_tokens,
            do_sample=False,
            temperature=None,
            top_p=None,
            top_k=None,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )[:, inputs["input_ids"].shape[1] :]
        for index, row in zip(indices, generated.tolist(), strict=True):
            result[index] = str(tokenizer.decode(_until(row, tokenizer.eos_token_id)))
        heartbeat()
    model.train(was_training)
    return result


def _until(ids: Iterable[int], end: int) -> list[int]:
    kept = []
    for token in ids:
        if token == end:
            break
        kept.append(token)
    return kept


def save_adapter(model: PeftModel, folder: Path) -> None:
    """Write the adapter weights as safetensors, ready for ``PeftModel.from_pretrained``."""
    model.save_pretrained(str(folder), safe_serialization=True)
