"""Sets of instructions, of conversations and of preferences."""

from __future__ import annotations

from greenlight.rehearse.standins.datasets import phrases
from greenlight.rehearse.standins.datasets.schema import (
    BOOL,
    INT32,
    TEXT,
    Column,
    Configuration,
    DataSet,
    Group,
    Groups,
    Many,
    Place,
    Row,
    Value,
)
from greenlight.rehearse.standins.datasets.sentences import Draw

_CATEGORIES = (
    "brainstorming", "classification", "closed_qa", "creative_writing", "general_qa", "information_extraction",
    "open_qa", "summarization",
)  # fmt: skip
_TOXIC = (
    "toxicity", "severe_toxicity", "obscene", "identity_attack", "insult", "threat", "sexual_explicit",
)  # fmt: skip


def _task(draw: Draw) -> tuple[str, str]:
    about = draw.subject()
    return f"{draw.one(phrases.TASKS)} {about}.", draw.passage(draw.length(3), about)


def _alpaca(draw: Draw, at: Place) -> Row:
    instruction, output = _task(draw)
    given = "" if at.index % 5 else draw.passage(2)
    text = (
        f"### Instruction:\n{instruction}\n\n"
        + (f"### Input:\n{given}\n\n" if given else "")
        + f"### Response:\n{output}"
    )
    return {"instruction": instruction, "input": given, "output": "" if at.index % 31 == 30 else output, "text": text}


def _cleaned(draw: Draw, at: Place) -> Row:
    return {name: value for name, value in _alpaca(draw, at).items() if name != "text"}


def _dolly(draw: Draw, at: Place) -> Row:
    instruction, response = _task(draw)
    context = draw.passage(draw.length(4)) if at.index % 3 == 0 else ""
    return {"instruction": instruction, "context": context, "response": response, "category": draw.one(_CATEGORIES)}


def _oasst(draw: Draw, at: Place) -> Row:
    asks = at.index % 2 == 0
    instruction, answer = _task(draw)
    tree = at.index // 2
    return {
        "message_id": f"message-{at.index}",
        "parent_id": None if asks else f"message-{at.index - 1}",
        "user_id": f"user-{draw.number(1, 9)}",
        "created_date": "2023-02-05T14:23:50.983374+00:00",
        "text": instruction if asks else answer,
        "role": "prompter" if asks else "assistant",
        "lang": draw.one(("en", "en", "es", "de")),
        "review_count": 3,
        "review_result": True,
        "deleted": False,
        "rank": None if asks else 0,
        "synthetic": False,
        "model_name": None,
        "detoxify": None if at.index % 8 == 6 else dict.fromkeys(_TOXIC, 0.0004),
        "message_tree_id": f"message-{tree * 2}",
        "tree_state": "ready_for_export",
        "emojis": {"name": ["+1"], "count": [draw.number(1, 9)]},
        "labels": {"name": ["spam", "quality"], "value": [0.0, 0.75], "count": [3, 3]},
    }


def _guanaco(draw: Draw, _at: Place) -> Row:
    instruction, answer = _task(draw)
    return {"text": f"### Human: {instruction}### Assistant: {answer}"}


def _ultrachat(draw: Draw, at: Place) -> Row:
    messages: list[dict[str, str]] = []
    for _ in range(draw.number(1, 4)):
        instruction, answer = _task(draw)
        messages += [{"content": instruction, "role": "user"}, {"content": answer, "role": "assistant"}]
    return {"prompt": messages[0]["content"], "prompt_id": f"{at.index:064x}", "messages": messages}


def _preference(draw: Draw, at: Place) -> Row:
    instruction, answer = _task(draw)
    start = f"\n\nHuman: {instruction}\n\nAssistant:"
    return {"chosen": f"{start} {answer}", "rejected": start if at.index % 16 == 9 else f"{start} {draw.sentence()}"}


def _strings(*names: str) -> dict[str, Value]:
    return dict.fromkeys(names, TEXT)


_TRAIN = ("train",)
_FLOAT = Value("float64")
_MESSAGE: dict[str, Column] = {
    **_strings("message_id", "parent_id", "user_id", "created_date", "text", "role", "lang"),
    "review_count": INT32,
    "review_result": BOOL,
    "deleted": BOOL,
    "rank": INT32,
    "synthetic": BOOL,
    "model_name": TEXT,
    "detoxify": Group(dict.fromkeys(_TOXIC, _FLOAT)),
    **_strings("message_tree_id", "tree_state"),
    "emojis": Groups({"name": TEXT, "count": INT32}),
    "labels": Groups({"name": TEXT, "value": _FLOAT, "count": INT32}),
}
_CHAT: dict[str, Column] = {"prompt": TEXT, "prompt_id": TEXT, "messages": Many(Group(_strings("content", "role")))}

SETS = (
    DataSet(
        "tatsu-lab/alpaca",
        {"default": Configuration(_strings("instruction", "input", "output", "text"), _TRAIN, _alpaca)},
    ),
    DataSet(
        "yahma/alpaca-cleaned", {"default": Configuration(_strings("output", "input", "instruction"), _TRAIN, _cleaned)}
    ),
    DataSet(
        "databricks/databricks-dolly-15k",
        {"default": Configuration(_strings("instruction", "context", "response", "category"), _TRAIN, _dolly)},
    ),
    DataSet("OpenAssistant/oasst1", {"default": Configuration(_MESSAGE, ("train", "validation"), _oasst)}),
    DataSet(
        "timdettmers/openassistant-guanaco", {"default": Configuration({"text": TEXT}, ("train", "test"), _guanaco)}
    ),
    DataSet(
        "HuggingFaceH4/ultrachat_200k",
        {"default": Configuration(_CHAT, ("train_sft", "test_sft", "train_gen", "test_gen"), _ultrachat)},
    ),
    DataSet(
        "Anthropic/hh-rlhf", {"default": Configuration(_strings("chosen", "rejected"), ("train", "test"), _preference)}
    ),
)
