"""Make the packaged warm start: ``uv run python packages/graff/scripts/make_warm_start.py``.

Trains GRAFF's own network for 300 mini-batches on the embedded tiny Qwen3, on a task of its own: the
pre-training problems with the calculator's ``<<...>>`` annotations taken out of the answers. Nothing that a benchmark
measures is seen here. One run of 300 steps, because three of 100, each from the network of the one before, made
weights so large that the residual jumped. The clock counts steps, so that the same machine makes the same file.
"""

import argparse
import re
from itertools import islice
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer

import graff
from graff.warm_start import WarmStart, read_warm_start, save_warm_start
from greenlight.assets import model_folder
from greenlight.assets.arithmetic import Problem, problems
from greenlight.assets.scoring import prompt

NAME = "graff_pretrain_qwen_tiny.pt"
PACKAGED = Path(__file__).parents[1] / "src" / "graff" / "warm_starts" / NAME
RATE = 1e-3  # a third of the best one, so that there is something to learn
STEPS = 300
BATCH = 16
PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
IGNORED = -100


def rows(tokenizer, count: int) -> list[tuple[list[int], list[int]]]:
    """Return token ids of prompts and of answers."""

    def plain(problem: Problem) -> str:
        return re.sub(r"<<.*?>>", "", problem.answer) + tokenizer.eos_token

    return [
        (tokenizer(prompt(problem))["input_ids"], tokenizer(plain(problem))["input_ids"])
        for problem in problems("pretrain", "train", count)
    ]


def token_losses(model: nn.Module, batch: list[tuple[list[int], list[int]]], padding: int) -> tuple[Tensor, Tensor]:
    """Return losses and the mask of counted tokens, both of shape (rows, tokens - 1)."""
    length = max(len(question) + len(answer) for question, answer in batch)
    ids = torch.full((len(batch), length), padding)
    labels = torch.full((len(batch), length), IGNORED)
    for row, (question, answer) in enumerate(batch):
        whole = torch.tensor(question + answer)
        ids[row, : len(whole)] = whole
        labels[row, len(question) : len(whole)] = whole[len(question) :]
    logits, targets = model(input_ids=ids).logits[:, :-1], labels[:, 1:]
    losses = nn.functional.cross_entropy(
        logits.flatten(0, 1).float(), targets.flatten(), reduction="none", ignore_index=IGNORED
    )
    return losses.view_as(targets), targets != IGNORED


def run(batches, tokenizer) -> WarmStart:
    """Train one adapter and return what GRAFF learned."""
    steps = [0.0]
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_pretrained(model_folder(), dtype=torch.float32)
    model = get_peft_model(base, LoraConfig(r=8, lora_alpha=16, target_modules=PROJECTIONS))
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=RATE)
    budget = graff.Budget(seconds=STEPS + 1, clock=lambda: steps[0])
    planner = graff.Graff(optimizer, model, budget, max_grad_norm=1.0)
    report = None
    for batch in islice(batches, STEPS):
        planner.weigh(*token_losses(model, batch, tokenizer.pad_token_id)).backward()
        steps[0] += 1.0

        def probe(part=batch[: BATCH // 4]) -> Tensor:
            steps[0] += 1 / 12  # a forward is a third of a step, and this is a quarter of the batch
            losses, mask = token_losses(model, part, tokenizer.pad_token_id)
            return losses[mask].mean()

        report = planner.step(probe)
    print(f"loss {report.loss:.3f}, log residual {report.metrics['log_residual']:+.2f}", flush=True)
    return planner.warm_start_weights


def main() -> None:
    """Make the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=PACKAGED, help="where to write (default: %(default)s)")
    out = parser.parse_args().out
    tokenizer = AutoTokenizer.from_pretrained(model_folder())
    pool = rows(tokenizer, BATCH * STEPS)
    batches = (pool[i : i + BATCH] for i in range(0, len(pool), BATCH))
    save_warm_start(out, run(batches, tokenizer))
    read_warm_start(out)
    print(f"{out}: {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
