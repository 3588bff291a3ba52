"""The files of one stand-in model, as the hub of the real one holds them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from greenlight.errors import GreenlightError
from greenlight.rehearse.standins.models.architecture import Architecture, TokenizerKind
from greenlight.rehearse.standins.models.pieces import build, learned

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MARK = "greenlight_stand_in"
_SEED = 20240229
_ROUND = 64  # rows of embeddings come in multiples of this where the real model has more than it has tokens

_CARD = """\
---
{mark}: true
library_name: transformers
tags:
- greenlight-stand-in
---

# Stand-in for {model_id}

Not the model of that name: random weights in a small `{model_class}`, and a tokenizer of the same kind with a small
vocabulary. greenlight made it so that code that loads `{model_id}` can be rehearsed without a network. Nothing that ran
on it is a result. Ids of tokens, number and sizes of layers and every output differ from the real model's; names of
modules, added tokens, the default side of padding and the keys of the configuration are the real ones.
"""


def write(model_id: str, architecture: Architecture, sentences: Sequence[str], folder: Path) -> None:
    """Write the stand-in's files into a folder.

    Parameters
    ----------
    model_id
        The id of the real model.
    architecture
        What it is like.
    sentences
        What its tokenizer learns from.
    folder
        An empty folder.

    Raises
    ------
    GreenlightError
        If torch, transformers or tokenizers is not installed.
    """
    try:
        import safetensors  # noqa: F401
        import tokenizers  # noqa: F401
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError as error:
        raise GreenlightError(
            f"--model {model_id}: a stand-in for it is made with torch and transformers, and {error.name} is not "
            f"installed; run `pip install 'greenlight[pretrain]'`, or map a folder: --model {model_id}=FOLDER"
        ) from error
    tokenizer = build(architecture.tokenizer, sentences) if architecture.tokenizer else None
    if tokenizer is not None and architecture.tokenizer is not None:
        _write_tokenizer(tokenizer, architecture.tokenizer, folder)
    config = _config(architecture, tokenizer)
    _write_json(folder / "config.json", config)
    if architecture.generation is not None and tokenizer is not None:
        _write_json(folder / "generation_config.json", _with_ids(architecture.generation, tokenizer))
    if architecture.processor is not None:
        _write_json(folder / "preprocessor_config.json", architecture.processor)
    _write_weights(architecture, folder)
    card = _CARD.format(mark=MARK, model_id=model_id, model_class=architecture.model_class)
    (folder / "README.md").write_text(card, "utf-8")


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")


def _with_ids(settings: Mapping[str, Any], tokenizer: Tokenizer) -> dict[str, Any]:
    """Return the settings with the id in place of every token that a key ``..._token_id`` names."""

    def number(token: str) -> int:
        found = tokenizer.token_to_id(token)
        assert found is not None, token
        return found

    filled: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            filled[key] = _with_ids(value, tokenizer)
        elif key.endswith("_token_id"):
            filled[key] = [number(token) for token in value] if isinstance(value, list) else number(value)
        else:
            filled[key] = value
    return filled


def _config(architecture: Architecture, tokenizer: Tokenizer | None) -> dict[str, Any]:
    if tokenizer is None:
        return {**architecture.config, MARK: True}
    tokens = tokenizer.get_vocab_size(with_added_tokens=True)
    rows = (tokens // _ROUND + 1) * _ROUND if architecture.padded_vocabulary else tokens
    config = _with_ids(architecture.config, tokenizer)
    if "text_config" in config:
        config["text_config"]["vocab_size"] = rows
    else:
        config["vocab_size"] = rows
    return {**config, MARK: True}


def _write_tokenizer(tokenizer: Tokenizer, kind: TokenizerKind, folder: Path) -> None:
    tokenizer.save(str(folder / "tokenizer.json"))
    named = [value for key, value in kind.settings.items() if key.endswith("_token") and isinstance(value, str)]
    added = {
        str(number): {
            "content": token.content,
            "lstrip": token.lstrip,
            "normalized": token.normalized,
            "rstrip": token.rstrip,
            "single_word": token.single_word,
            "special": token.special,
        }
        for number, token in sorted(tokenizer.get_added_tokens_decoder().items())
    }
    assert {*named} <= {entry["content"] for entry in added.values()}, named
    _write_json(folder / "tokenizer_config.json", {"added_tokens_decoder": added, **kind.settings})
    special = {key: value for key, value in kind.settings.items() if key.endswith("_token") and isinstance(value, str)}
    _write_json(folder / "special_tokens_map.json", special)
    if kind.pieces in ("byte-pairs", "lower-case-pairs"):  # what the classes without a fast backend read
        vocabulary, merges = learned(tokenizer)
        (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), "utf-8")
        (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), "utf-8")
    elif kind.pieces == "word-pieces":
        ordered = sorted(tokenizer.get_vocab().items(), key=lambda row: row[1])
        (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece, _ in ordered), "utf-8")


def _write_weights(architecture: Architecture, folder: Path) -> None:
    """Write ``model.safetensors`` with the initial weights of the class, drawn with one seed."""
    import tempfile

    import torch
    import transformers

    config = transformers.AutoConfig.from_pretrained(folder)
    dtype = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(
        str(architecture.config.get("torch_dtype")), torch.float32
    )
    with torch.random.fork_rng(devices=[]), tempfile.TemporaryDirectory(dir=folder) as scratch, _no_progress():
        torch.manual_seed(_SEED)
        model = getattr(transformers, architecture.model_class)(config)
        model.to(dtype).save_pretrained(scratch)
        weights = Path(scratch) / "model.safetensors"
        if architecture.own_output:
            _untie(weights)
        weights.chmod(0o644)  # safetensors writes for the owner alone
        weights.replace(folder / "model.safetensors")


def _untie(weights: Path) -> None:
    """Add output embeddings, as the file of the real model has them; the class keeps what differs."""
    import torch
    from safetensors.torch import load_file, save_file

    held = load_file(weights)
    shared = held["shared.weight"]
    held["lm_head.weight"] = torch.randn_like(shared) * shared.shape[1] ** -0.5
    save_file(held, weights, metadata={"format": "pt"})


@contextmanager
def _no_progress() -> Iterator[None]:
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
