"""Every architecture: it loads, computes, has the modules that LoRA names, and survives saving."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from greenlight.errors import GreenlightError
from greenlight.rehearse.standins import models

TEXTS = (
    "Qwen/Qwen3-0.6B",
    "Qwen/Qwen2.5-0.5B-Instruct",
    "meta-llama/Llama-2-7b-hf",
    "meta-llama/Llama-3.2-1B-Instruct",
    "TinyLlama/TinyLlama-1.1B-Chat-v1.0",
    "HuggingFaceTB/SmolLM2-135M",
    "mistralai/Mistral-7B-v0.1",
    "google/gemma-2b",
    "google/gemma-2-2b-it",
    "google/gemma-3-1b-it",
    "gpt2",
    "EleutherAI/pythia-70m",
    "facebook/opt-125m",
    "facebook/opt-350m",
    "microsoft/phi-2",
    "microsoft/Phi-3-mini-4k-instruct",
    "bert-base-uncased",
    "google-bert/bert-base-cased",
    "FacebookAI/roberta-base",
    "distilbert/distilbert-base-uncased",
    "microsoft/deberta-v3-base",
    "microsoft/deberta-v2-xlarge",
    "google-t5/t5-small",
    "google/flan-t5-base",
    "facebook/bart-base",
    "facebook/bart-large-cnn",
)
PICTURES = (
    "google/vit-base-patch16-224",
    "google/vit-base-patch16-224-in21k",
    "microsoft/resnet-18",
    "microsoft/resnet-50",
)
CLIP = "openai/clip-vit-base-patch32"
GATED = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
OF_BERT = {"query", "key", "value", "dense"}
OF_BART = {"q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"}
# What LoRA configurations name. The module names of ViT are those of the installed transformers, of today or before.
ADAPTED = {
    **dict.fromkeys(("qwen3", "qwen2", "llama", "mistral", "gemma", "gemma2", "gemma3_text"), GATED),
    "gpt2": {"c_attn", "c_proj", "c_fc"},
    "gpt_neox": {"query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"},
    "opt": OF_BART,
    "phi": {"q_proj", "k_proj", "v_proj", "dense", "fc1", "fc2"},
    "phi3": {"qkv_proj", "o_proj", "gate_up_proj", "down_proj"},
    "bert": OF_BERT,
    "roberta": OF_BERT,
    "distilbert": {"q_lin", "k_lin", "v_lin", "out_lin", "lin1", "lin2"},
    "deberta-v2": {"query_proj", "key_proj", "value_proj", "dense"},
    "t5": {"q", "k", "v", "o", "wo"},
    "bart": OF_BART,
    "vit": {"q_proj", "k_proj", "v_proj"} if transformers.__version__ >= "5" else OF_BERT,
    "resnet": {"convolution"},
}
TEXT = "Ada's sum: 1,234 + x² = “5”.\nHow many? 日本"


def loaded(name: str, cache: Path) -> Any:
    architecture = models.architecture_of(name)
    assert architecture is not None
    return getattr(transformers, architecture.model_class).from_pretrained(models.folder(name, cache))


def output(model: Any, name: str, cache: Path) -> torch.Tensor:
    """What the model computes from one text or image."""
    with torch.no_grad():
        if name in TEXTS:
            batch = transformers.AutoTokenizer.from_pretrained(models.folder(name, cache))(TEXT, return_tensors="pt")
            if model.config.model_type == "t5":
                batch["decoder_input_ids"] = batch["input_ids"]
            return next(iter(model(**batch).values()))
        size = getattr(model.config, "image_size", 64)
        return next(iter(model(pixel_values=torch.linspace(-1, 1, 3 * size * size).reshape(1, 3, size, size)).values()))


@pytest.mark.parametrize("name", [*TEXTS, *PICTURES])
def test_the_model_computes_has_the_modules_that_lora_names_and_survives_saving(
    name: str, cache: Path, tmp_path: Path
) -> None:
    architecture = models.architecture_of(name)
    assert architecture is not None
    model = loaded(name, cache).eval()
    first = output(model, name, cache)
    assert torch.isfinite(first).all()
    assert ADAPTED[architecture.name] <= {path.rpartition(".")[2] for path, _ in model.named_modules()}
    assert 100_000 < sum(parameter.numel() for parameter in model.parameters()) < 600_000
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path).eval()
    assert again.config.greenlight_stand_in is True
    assert torch.equal(output(again, name, cache), first)


@pytest.mark.parametrize("name", TEXTS)
def test_any_text_encodes_within_the_vocabulary_and_the_tokenizer_survives_saving(
    name: str, cache: Path, tmp_path: Path
) -> None:
    folder = models.folder(name, cache)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(TEXT)["input_ids"]
    assert max(ids) < json.loads((folder / "config.json").read_text())["vocab_size"]
    plain = tokenizer.decode(ids, skip_special_tokens=True)
    unknown = isinstance(
        tokenizer, transformers.BertTokenizer | transformers.T5Tokenizer | transformers.DebertaV2Tokenizer
    )
    assert plain == TEXT or unknown
    tokenizer.save_pretrained(tmp_path)
    assert transformers.AutoTokenizer.from_pretrained(tmp_path)(TEXT)["input_ids"] == ids


@pytest.mark.parametrize(
    ("name", "end", "pad", "side"),
    [
        ("Qwen/Qwen3-0.6B", "<|im_end|>", "<|endoftext|>", "right"),
        ("Qwen/Qwen3-0.6B-Base", "<|endoftext|>", "<|endoftext|>", "right"),
        ("meta-llama/Llama-2-7b-hf", "</s>", None, "right"),
        ("meta-llama/Llama-3.2-1B", "<|end_of_text|>", None, "right"),
        ("google/gemma-2b", "<eos>", "<pad>", "left"),
        ("gpt2", "<|endoftext|>", None, "right"),
        ("microsoft/phi-2", "<|endoftext|>", None, "right"),
        ("facebook/opt-125m", "</s>", "<pad>", "right"),
        ("bert-base-uncased", None, "[PAD]", "right"),
        ("t5-small", "</s>", "<pad>", "right"),
    ],
)
def test_added_tokens_and_the_side_of_padding_are_the_real_ones(
    name: str, end: str | None, pad: str | None, side: str, cache: Path
) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(models.folder(name, cache))
    assert (tokenizer.eos_token, tokenizer.pad_token, tokenizer.padding_side) == (end, pad, side)


def test_bert_has_the_real_ids_of_its_added_tokens(cache: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(models.folder("bert-base-uncased", cache))
    assert [tokenizer.convert_tokens_to_ids(f"[{name}]") for name in ("PAD", "UNK", "CLS", "SEP", "MASK")] == [
        0, 100, 101, 102, 103,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Qwen/Qwen3-0.6B", "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"),
        ("meta-llama/Llama-2-7b-chat-hf", "<s>[INST] Hi [/INST]"),
        ("google/gemma-2-2b-it", "<bos><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n"),
        ("TinyLlama/TinyLlama-1.1B-Chat-v1.0", "<|user|>\nHi</s>\n<|assistant|>\n"),
    ],
)
def test_a_chat_has_the_real_form(name: str, expected: str, cache: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(models.folder(name, cache))
    turn = [{"role": "user", "content": "Hi"}]
    assert tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True) == expected


@pytest.mark.parametrize("name", ["gpt2", "meta-llama/Llama-2-7b-hf"])
def test_a_base_model_without_a_chat_template_has_none(name: str, cache: Path) -> None:
    assert transformers.AutoTokenizer.from_pretrained(models.folder(name, cache)).chat_template is None


@pytest.mark.parametrize(
    ("name", "tied"),
    [("Qwen/Qwen3-4B", True), ("Qwen/Qwen3-8B", False), ("gpt2", True), ("EleutherAI/pythia-70m", False),
     ("t5-small", True), ("google/flan-t5-small", False), ("meta-llama/Llama-3.1-8B", False)],
)  # fmt: skip
def test_output_and_input_embeddings_are_tied_as_in_the_real_one(name: str, tied: bool, cache: Path) -> None:
    model = loaded(name, cache)
    assert (model.get_output_embeddings().weight is model.get_input_embeddings().weight) is tied


def test_clip_compares_a_text_with_an_image(cache: Path) -> None:
    folder = models.folder(CLIP, cache)
    batch = transformers.AutoTokenizer.from_pretrained(folder)(["a dog", "two cats"], padding=True, return_tensors="pt")
    model = transformers.CLIPModel.from_pretrained(folder).eval()
    with torch.no_grad():
        found = model(**batch, pixel_values=torch.zeros(1, 3, 224, 224))
    assert found.logits_per_image.shape == (1, 2)
    assert torch.isfinite(found.logits_per_image).all()


def test_loading_a_model_does_not_report_a_weight_that_is_missing_or_too_much(cache: Path) -> None:
    for name in (*TEXTS, *PICTURES, CLIP):
        architecture = models.architecture_of(name)
        assert architecture is not None
        kind = getattr(transformers, architecture.model_class)
        _, found = kind.from_pretrained(models.folder(name, cache), output_loading_info=True)
        assert not found["missing_keys"], name
        assert not found["unexpected_keys"], name


def test_the_same_id_gives_the_same_files_whatever_was_drawn_before(tmp_path: Path) -> None:
    for name in ("gpt2", "t5-small", "microsoft/resnet-18"):
        torch.manual_seed(1)
        one = models.folder(name, tmp_path / "one")
        torch.manual_seed(2)
        state = torch.random.get_rng_state()
        other = models.folder(name, tmp_path / "other")
        assert torch.equal(torch.random.get_rng_state(), state)
        assert one.name == other.name
        assert {path.name: path.read_bytes() for path in one.iterdir()} == {
            path.name: path.read_bytes() for path in other.iterdir()
        }


def test_a_second_call_writes_nothing(cache: Path) -> None:
    weights = models.folder("gpt2", cache) / "model.safetensors"
    before = weights.stat().st_mtime_ns
    models.folder("gpt2", cache)
    assert weights.stat().st_mtime_ns == before


def test_the_card_says_that_it_is_a_stand_in(cache: Path) -> None:
    card = (models.folder("gpt2", cache) / "README.md").read_text()
    assert card.startswith("---\ngreenlight_stand_in: true\n")
    assert "Nothing that ran on it is a result." in " ".join(card.split())


@pytest.mark.parametrize("name", ["acme/unheard-of", "Qwen/Qwen3-30B-A3B", "gpt2/../../etc", ""])
def test_an_id_without_a_stand_in_is_refused_with_the_remedy(name: str, cache: Path) -> None:
    assert models.architecture_of(name) is None
    with pytest.raises(GreenlightError, match=r"--model .*=FOLDER"):
        models.folder(name, cache)


@pytest.mark.parametrize(
    ("name", "model_class"),
    [
        ("Qwen/Qwen3-1.7B-Base", "Qwen3ForCausalLM"),
        ("Qwen/Qwen2.5-Math-1.5B", "Qwen2ForCausalLM"),
        ("Qwen/Qwen1.5-0.5B-Chat", "Qwen2ForCausalLM"),
        ("meta-llama/Meta-Llama-3-8B-Instruct", "LlamaForCausalLM"),
        ("TinyLlama/TinyLlama-1.1B-intermediate-step-1431k-3T", "LlamaForCausalLM"),
        ("openai-community/gpt2-xl", "GPT2LMHeadModel"),
        ("distilgpt2", "GPT2LMHeadModel"),
        ("EleutherAI/pythia-1.4b-deduped", "GPTNeoXForCausalLM"),
        ("microsoft/phi-1_5", "PhiForCausalLM"),
        ("bert-base-multilingual-cased", "BertForMaskedLM"),
        ("distilbert-base-uncased-finetuned-sst-2-english", "DistilBertForSequenceClassification"),
        ("facebook/bart-large-mnli", "BartForSequenceClassification"),
        ("google/vit-large-patch32-384", "ViTForImageClassification"),
        ("openai/clip-vit-large-patch14-336", "CLIPModel"),
    ],
)
def test_the_table_knows_the_relatives(name: str, model_class: str) -> None:
    architecture = models.architecture_of(name)
    assert architecture is not None
    assert architecture.model_class == model_class
