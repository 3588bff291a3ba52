"""Answer questions once more with nothing of the experiment: ``python -m answer_again JSON``, answers as JSON lines.

One question at a time, token by token, the likeliest each time; the number after ``####`` is the answer.
"""

import json
import re
import sys

import torch
from datasets import load_dataset
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer


def number(text: str) -> float | None:
    """Return the number after the mark, or None."""
    found = re.search(r"####[ $]*(-?[\d,]*\.?\d+)", text)
    return float(found[1].replace(",", "")) if found else None


@torch.inference_mode()
def continuation(model, tokenizer, prompt: str, longest: int) -> str:
    """Return the greedy continuation of a prompt."""
    ids = tokenizer(prompt, return_tensors="pt").input_ids
    written, seen, past = [], ids, None
    while len(written) < longest:
        output = model(seen, past_key_values=past, use_cache=True)
        token = int(output.logits[0, -1].argmax())
        if token == tokenizer.eos_token_id:
            break
        written.append(token)
        seen, past = torch.tensor([[token]]), output.past_key_values
    return tokenizer.decode(written)


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    tokenizer = AutoTokenizer.from_pretrained(asked["model"], cache_dir=asked["cache"])
    model = AutoModelForCausalLM.from_pretrained(asked["model"], cache_dir=asked["cache"], dtype=torch.float32).eval()
    for adapter, split in asked["wanted"]:
        answering = PeftModel.from_pretrained(model, adapter).eval() if adapter else model
        rows = load_dataset(asked["dataset"], asked["config"], split=split, cache_dir=asked["cache"])
        answers = []
        for row in rows:
            text = continuation(
                answering, tokenizer, asked["prompt"].replace("{question}", row["question"]), asked["longest"]
            )
            answers.append({"gold": number(row["answer"]), "answer": number(text)})
        print("answers " + json.dumps(answers))
