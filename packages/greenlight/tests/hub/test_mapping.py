"""Mappings of the command line: what they mean, and one line for each that means nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from greenlight.errors import GreenlightError
from greenlight.rehearse.standins import hub, loopback
from greenlight.rehearse.standins.hub.repository import why_not_an_id


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}", "utf-8")
    return folder


@pytest.fixture
def data_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "train.jsonl").write_text('{"a": 1}\n', "utf-8")
    return folder


def _line(function: object, text: str) -> str:
    with pytest.raises(GreenlightError) as caught:
        function(text)  # type: ignore[operator]
    line = str(caught.value)
    assert "\n" not in line
    assert text.partition("=")[0] in line
    return line


def test_a_mapping_names_id_and_folder(model_folder: Path, data_folder: Path) -> None:
    found = hub.model(f"Qwen/Qwen3-0.6B={model_folder}")
    assert (found.kind, found.id, found.parts[0].folder) == ("model", "Qwen/Qwen3-0.6B", model_folder)
    named = hub.dataset(f"openai/gsm8k:main={data_folder}")
    assert (named.kind, named.id, named.parts[0].configuration) == ("dataset", "openai/gsm8k", "main")


def test_a_folder_may_hold_an_equals_sign_and_a_colon(tmp_path: Path) -> None:
    folder = tmp_path / "a=b:c"
    folder.mkdir()
    (folder / "config.json").write_text("{}", "utf-8")
    assert hub.model(f"gpt2={folder}").parts[0].folder == folder


@pytest.mark.parametrize("text", ["Qwen/Qwen3-0.6B", "=/x", "a/b=", "a/b"])
def test_a_text_without_id_or_folder_is_refused(text: str) -> None:
    assert "a mapping is ID=FOLDER; write for instance --model" in _line(hub.model, text)
    assert "a mapping is ID=FOLDER; write for instance --dataset" in _line(hub.dataset, text)


@pytest.mark.parametrize(
    "identifier",
    [
        *("..", "../x", "x/..", "a/b/c", "/a", "a/", "a b/c", "a/b--c", "a..b/c", "a/b.git", "-a/b", "a/-b", "a./b"),
        *("a/b.", ".a/b", "api/x", "datasets/x", "spaces/x", "a" * 97, "ä/b", "a/b\n", "a%2fb"),
    ],
)
def test_what_is_no_id_is_refused(identifier: str, model_folder: Path) -> None:
    assert why_not_an_id(identifier)
    with pytest.raises(GreenlightError, match="is no"):
        hub.model(f"{identifier}={model_folder}")


@pytest.mark.parametrize("identifier", ["gpt2", "openai/gsm8k", "Qwen/Qwen3-0.6B", "a_b/c.d-e", "0/1", "a" * 96])
def test_what_is_an_id_for_the_client_is_one_here(identifier: str) -> None:
    from huggingface_hub.utils import validate_repo_id

    validate_repo_id(identifier)
    assert why_not_an_id(identifier) is None


def test_a_folder_that_is_not_there_or_no_folder_or_empty_is_refused(tmp_path: Path, model_folder: Path) -> None:
    assert "does not exist" in _line(hub.model, f"a/b={tmp_path / 'nope'}")
    assert "is a file" in _line(hub.model, f"a/b={model_folder / 'config.json'}")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".hidden").touch()
    assert "holds no file that may be served" in _line(hub.dataset, f"a/b={tmp_path / 'empty'}")


def test_a_model_needs_a_configuration_an_adapter_or_gguf(tmp_path: Path, data_folder: Path) -> None:
    assert "has no config.json" in _line(hub.model, f"a/b={data_folder}")
    for name in ("model-q8.gguf", "adapter_config.json"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).touch()
        assert hub.model(f"a/b={folder}").id == "a/b"


def test_the_parent_of_a_model_is_refused_with_the_folder_that_is_meant(tmp_path: Path, model_folder: Path) -> None:
    assert f"map {model_folder}" in _line(hub.model, f"a/b={tmp_path}")


def test_the_cache_around_snapshots_is_refused_with_the_snapshot_that_is_meant(tmp_path: Path) -> None:
    snapshot = tmp_path / "models--a--b" / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}", "utf-8")
    assert f"map {snapshot}" in _line(hub.model, f"a/b={tmp_path / 'models--a--b'}")


def test_a_data_set_needs_a_data_file(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("# notes", "utf-8")
    (tmp_path / "dataset_info.json").write_text("{}", "utf-8")
    assert "holds no data file; a data file is JSONL" in _line(hub.dataset, f"a/b={tmp_path}")


def test_a_model_has_no_configurations_and_a_name_is_no_path(model_folder: Path, data_folder: Path) -> None:
    assert "a model has no configurations" in _line(hub.model, f"a/b:main={model_folder}")
    for name in ("", "..", "a/b", ".x", "a*"):
        assert "a configuration's name" in _line(hub.dataset, f"a/b:{name}={data_folder}")


def test_configurations_of_one_id_are_joined(tmp_path: Path, data_folder: Path) -> None:
    found = hub.merge([hub.dataset(f"a/b:{name}={data_folder}") for name in ("one", "two")])
    assert [[part.configuration for part in repository.parts] for repository in found] == [["one", "two"]]


def test_an_id_or_a_configuration_mapped_twice_is_refused(model_folder: Path, data_folder: Path) -> None:
    whole, one = hub.dataset(f"a/b={data_folder}"), hub.dataset(f"a/b:one={data_folder}")
    for pair in ([whole, whole], [whole, one], [one, whole], [hub.model(f"a/b={model_folder}")] * 2):
        with pytest.raises(GreenlightError, match="a/b is mapped already"):
            hub.merge(pair)
    with pytest.raises(GreenlightError, match="this configuration is mapped already"):
        hub.merge([one, one])


def test_a_model_and_a_data_set_may_share_an_id(model_folder: Path, data_folder: Path) -> None:
    assert len(hub.merge([hub.model(f"a/b={model_folder}"), hub.dataset(f"a/b={data_folder}")])) == 2


def test_configurations_in_different_formats_are_refused_because_the_client_reads_one(
    tmp_path: Path, data_folder: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "train.csv").write_text("a\n1\n", "utf-8")
    with pytest.raises(GreenlightError, match=r"one is JSON, two is CSV; .* one format"):
        hub.merge([hub.dataset(f"a/b:one={data_folder}"), hub.dataset(f"a/b:two={other}")])
    for name, text in (("easy/train.jsonl", "{}"), ("hard/train.csv", "a\n1\n")):
        target = tmp_path / "both" / name
        target.parent.mkdir(parents=True)
        target.write_text(text, "utf-8")
    with pytest.raises(GreenlightError, match="easy is JSON, hard is CSV"):
        hub.dataset(f"a/b={tmp_path / 'both'}")


def test_mappings_are_read_without_the_server_libraries(data_folder: Path) -> None:
    code = (
        "import json, sys; from greenlight.rehearse.standins import hub; hub.dataset(sys.argv[1]); "
        "print(json.dumps(sorted({'starlette', 'uvicorn', 'torch', 'datasets', 'pyarrow'} & set(sys.modules))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, f"a/b={data_folder}"], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == []


def test_a_taken_port_is_one_line(model_folder: Path) -> None:
    with loopback.bind(0) as taken, pytest.raises(GreenlightError, match="pass --port 0"):
        hub.serve([hub.model(f"a/b={model_folder}")], port=taken.getsockname()[1])


@pytest.mark.parametrize("token", ["", " a", "a\n", "ä", "a\x00"])
def test_a_token_that_no_header_carries_is_refused_without_repeating_it(token: str) -> None:
    with pytest.raises(GreenlightError, match=f"a token of {len(token)} characters: a token is visible ASCII"):
        hub.app([], token=token)


def test_an_application_has_hashed_everything_when_it_answers(tmp_path: Path) -> None:
    store = tmp_path / "digests.json"
    large = tmp_path / "model" / "model.safetensors"
    large.parent.mkdir()
    (large.parent / "config.json").write_text("{}", "utf-8")
    large.write_bytes(b"x" * (10 * 2**20 + 1))
    os.utime(large, (1, 1))
    with loopback.background(hub.app([hub.model(f"a/b={large.parent}")], digests=store)):
        assert list(json.loads(store.read_text("utf-8"))) == [str(large)]
