"""The model with its LoRA adapters, its answers, and the learning-rate schedules over the wall-clock budget."""

# mypy: disable-error-code="import-not-found"
from __future__ import annotations

import math
from collections.abc import Callable

import torch
from omegaconf import DictConfig
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from src.preprocess import CACHE, Question, prompt_batch

# All self-attention and MLP projections.
ADAPTED = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


def build_model(
    section: DictConfig, device: torch.device, *, gradient_checkpointing: bool
) -> tuple[PeftModel, PreTrainedTokenizerBase]:
    """Return the adapted model on its device and its tokenizer; only adapter weights are trainable."""
    cache = str(CACHE / "models")
    tokenizer = AutoTokenizer.from_pretrained(section.name, cache_dir=cache)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    base = AutoModelForCausalLM.from_pretrained(section.name, cache_dir=cache, dtype=DTYPES[section.dtype])
    lora = LoraConfig(
        r=section.lora.r,
        lora_alpha=section.lora.alpha,
        lora_dropout=section.lora.dropout,
        target_modules=ADAPTED,
        task_type="CAUSAL_LM",
    )
    model = get_peft_model(base, lora)
    if gradient_checkpointing:
        model.enable_input_require_grads()
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    return model.to(device), tokenizer


def trapezoid(share: float, *, warmup: float, cooldown: float) -> float:
    """Return the proposed multiplier at a share of the time: up, level, then down as one minus the square root."""
    if share < warmup:
        return share / warmup
    left = 1.0 - share
    if left >= cooldown:
        return 1.0
    return 1.0 - math.sqrt(1.0 - left / cooldown)


def cosine(share: float, *, warmup: float, floor: float) -> float:
    """Return the comparative multiplier at a share of the time: up, then half a cosine down to the floor."""
    if share < warmup:
        return share / warmup
    turned = math.pi * (share - warmup) / (1.0 - warmup)
    return floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(turned))


def make_schedule(section: DictConfig) -> Callable[[float], float]:
    """Return the multiplier of the learning rate as a function of the share of the training time that is over.

    Raises
    ------
    ValueError
        For a schedule that is not implemented.
    """
    if section.type == "trapezoid":
        return lambda share: trapezoid(share, warmup=section.warmup_share, cooldown=section.cooldown_share)
    if section.type == "cosine":
        return lambda share: cosine(share, warmup=section.warmup_share, floor=section.floor)
    raise ValueError(f"training.scheduler.type={section.type}: say trapezoid or cosine")


@torch.inference_mode()
def answer(
    model: PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    questions: list[Question],
    *,
    max_new_tokens: int,
    batch_size: int,
) -> list[str]:
    """Return the model's greedy continuation for every question, in order."""
    was_training = model.training
    model.eval()
    texts: list[str] = []
    for start in range(0, len(questions), batch_size):
        inputs = prompt_batch(questions[start : start + batch_size], tokenizer).to(model.device)
        generated = model.generate(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            max_new_tokens=max_new_tokens,
            do_sample=False,
            pad_token_id=tokenizer.pad_token_id,
        )
        texts.extend(tokenizer.batch_decode(generated[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True))
    model.train(was_training)
    return texts
