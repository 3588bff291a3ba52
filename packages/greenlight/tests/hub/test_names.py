"""Names of files become configurations and splits, a card says so, and an address is taken apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from greenlight.rehearse.standins.hub import card, catalogue, layout
from greenlight.rehearse.standins.hub.address import Address, parse
from greenlight.rehearse.standins.hub.repository import Part


@pytest.mark.parametrize(
    ("files", "known", "expected"),
    [
        (["train.jsonl", "test.jsonl"], ("main",), {"main": {"train": ["train.jsonl"], "test": ["test.jsonl"]}}),
        (
            ["train.jsonl", "train_socratic.jsonl", "test.jsonl", "test_socratic.jsonl"],
            ("main", "socratic"),
            {
                "main": {"train": ["train.jsonl"], "test": ["test.jsonl"]},
                "socratic": {"train": ["train_socratic.jsonl"], "test": ["test_socratic.jsonl"]},
            },
        ),
        (
            ["socratic/train.jsonl", "main/train.jsonl", "main/test/part.jsonl"],
            ("main", "socratic"),
            {
                "main": {"train": ["main/train.jsonl"], "test": ["main/test/part.jsonl"]},
                "socratic": {"train": ["socratic/train.jsonl"]},
            },
        ),
        (["b/x.csv", "a/y.csv"], (), {"a": {"train": ["a/y.csv"]}, "b": {"train": ["b/x.csv"]}}),
        (["data/a/train.csv", "data/b/train.csv"], (), {n: {"train": [f"data/{n}/train.csv"]} for n in ("a", "b")}),
        (["train.csv", "train_old.csv", "notes.txt"], (), {"default": {"train": ["train.csv"]}}),
        (
            ["train.parquet", "train.jsonl", "test.parquet"],
            (),
            {"default": {"train": ["train.parquet"], "test": ["test.parquet"]}},
        ),
        (
            ["all/dev-00000-of-00001.csv", "all/validation-00000-of-00001.csv"],
            (),
            {"all": {"validation": ["all/validation-00000-of-00001.csv"], "dev": ["all/dev-00000-of-00001.csv"]}},
        ),
    ],
)  # fmt: skip
def test_files_become_configurations_and_splits(files: list[str], known: tuple[str, ...], expected: object) -> None:
    found = layout.configurations(files, known)
    assert found == expected
    assert list(found) == list(expected)  # type: ignore[call-overload]


def test_splits_in_two_formats_are_left_for_the_client_to_refuse() -> None:
    assert layout.configuration(["train.jsonl", "test.csv"]) == {"train": ["train.jsonl"], "test": ["test.csv"]}


def _configs(text: bytes | None) -> Any:
    assert text is not None
    return yaml.safe_load(text.split(b"---\n")[1])["configs"]


PARTS = (Part(Path("/nowhere")),)


def test_a_card_is_composed_only_where_the_client_cannot_find_out_by_itself() -> None:
    flat = ("test.jsonl", "train.jsonl")
    assert card.compose("acme/unknown", PARTS, flat, None) is None
    assert [block["config_name"] for block in _configs(card.compose("openai/gsm8k", PARTS, flat, None))] == ["main"]
    assert _configs(card.compose("gsm8k", PARTS, flat, None))[0]["config_name"] == "main"
    found = _configs(card.compose("acme/unknown", PARTS, ("x/train.csv", "y/train.csv"), None))
    assert [block["config_name"] for block in found] == ["x", "y"]


def test_a_card_with_configurations_is_served_as_it_is() -> None:
    readme = b"---\nconfigs:\n- config_name: mine\n---\n"
    assert card.compose("openai/gsm8k", PARTS, ("train.jsonl",), readme) is None
    assert card.compose("openai/gsm8k", PARTS, (".huggingface.yaml", "train.jsonl"), None) is None


@pytest.mark.parametrize(
    "readme", [b"---\nlicense: mit # kept\n---\n# text\n", b"---\r\nlicense: mit # kept\r\n---\r\n# text\n"]
)
def test_a_card_without_configurations_keeps_what_it_says(readme: bytes) -> None:
    text = card.compose("openai/gsm8k", PARTS, ("train.jsonl",), readme)
    assert text is not None
    found = card.read(text)
    assert found.metadata["license"] == "mit"
    assert found.metadata["configs"][0]["config_name"] == "main"
    assert b"# kept" in text
    assert found.text == "# text\n"
    bare = card.compose("openai/gsm8k", PARTS, ("train.jsonl",), b"# only text\n")
    assert bare is not None
    assert card.read(bare).text.strip() == "# only text"


def test_a_card_that_cannot_be_read_is_left_to_the_client() -> None:
    assert card.compose("openai/gsm8k", PARTS, ("train.jsonl",), b"---\na: [\n---\n") is None


def test_shards_are_one_pattern_and_special_names_are_escaped() -> None:
    shards = tuple(f"x/train-{shard:05}-of-00040.parquet" for shard in range(40))
    found = _configs(card.compose("a/b", PARTS, (*shards, "x/test-[1].parquet"), None))
    splits = {block["split"]: block["path"] for block in found[0]["data_files"]}
    assert splits == {"train": ["x/train-*-of-00040.parquet"], "test": ["x/test-[[]1].parquet"]}


def test_former_names_lead_to_known_configurations() -> None:
    assert all(catalogue.configuration_names(name) for name in catalogue._FORMER)
    assert catalogue.configuration_names("acme/nope") == ()


KNOWN = {("model", "a/b"), ("model", "gpt2"), ("dataset", "a/b"), ("dataset", "squad"), ("model", "a")}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", Address("home")),
        ("/datasets", Address("home")),
        ("/api/whoami-v2", Address("whoami")),
        ("/api/models", Address("list", "model")),
        ("/api/models/a/b", Address("repository", "model", "a/b", "info")),
        ("/api/models/gpt2/revision/main", Address("repository", "model", "gpt2", "revision")),
        ("/api/datasets/squad/tree/main", Address("repository", "dataset", "squad", "tree")),
        ("/api/datasets/a/b/tree/abc/x/y/", Address("repository", "dataset", "a/b", "tree", "abc", "x/y")),
        ("/api/models/a/b/revision/refs%2Fpr%2F1", Address("repository", "model", "a/b", "revision", "refs/pr/1")),
        ("/gpt2/resolve/main/x.json", Address("repository", "model", "gpt2", "resolve", "main", "x.json")),
        ("/a/b/raw/v1/x%20y/z", Address("repository", "model", "a/b", "resolve", "v1", "x y/z")),
        ("/datasets/a/b/resolve/refs/pr/1/x", Address("repository", "dataset", "a/b", "resolve", "refs/pr/1", "x")),
        ("/a", Address("page", "model", "a")),
        ("/datasets/a/b", Address("page", "dataset", "a/b")),
        ("/api/models/no/such/tree/main", Address("repository", "model", "no/such", "tree")),
        ("/no/such/resolve/main/x", Address("repository", "model", "no/such", "resolve", "main", "x")),
        ("/api/spaces/a/b", Address("elsewhere", id="spaces/a/b")),
        ("/api/telemetry", None),
        ("/%ff", None),
    ],
)
def test_an_address_is_taken_apart(path: str, expected: Address | None) -> None:
    assert parse(path.encode(), KNOWN) == expected


@given(
    st.lists(
        st.sampled_from(
            ["api", "models", "datasets", "a", "b", "..", ".", "", "resolve", "main", "%2e%2e", "%2f", "%00", "tree"]
        )
    )
)
def test_no_path_is_an_exception(parts: list[str]) -> None:
    found = parse(("/" + "/".join(parts)).encode(), KNOWN)
    assert found is None or isinstance(found, Address)


@given(st.text(max_size=200))
def test_no_text_is_an_exception_in_a_card(text: str) -> None:
    for content in (text.encode(errors="replace"), f"---\n{text}\n---\n".encode(errors="replace")):
        assert isinstance(card.read(content), card.Card)
