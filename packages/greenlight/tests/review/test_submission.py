import json
import os

import pytest

from greenlight.contract.submission import submission
from greenlight.errors import GreenlightError

TRAIN = 'def f() -> str:\n    return "\\n->"\n'
PROMPT = """LLM Name: some-model
Input:
# Instructions
Check it.
# Hypothesis
open_problems='one'
# Current Research Method
words
# Experiment Runs

- Run ID: proposed-a
  Method: proposed
  Config Content:
  ```yaml
  run_id: proposed-a
model:
  name: m
  ```

- Run ID: comparative-1-a
  Config Content:
  ```yaml
  run_id: comparative-1-a
  ```

# Generated Experiment Code (To be validated)
%s

Output:
{"is_code_ready": true}
"""


def test_a_bundles_strings_are_decoded_as_json_once(tmp_path):
    file = tmp_path / "bundle.json"
    file.write_text(json.dumps({"train_py": TRAIN}).replace(">", "\\u003e"), encoding="utf-8")
    assert "\\u003e" in file.read_text(encoding="utf-8")
    assert submission(file).files == {"src/train.py": TRAIN.encode()}


def test_a_recorded_prompt_holds_code_runs_and_hypothesis(tmp_path):
    file = tmp_path / "prompt.txt"
    file.write_text(PROMPT % json.dumps({"train_py": TRAIN, "main_py": ""}), encoding="utf-8")
    found = submission(file)
    assert found.form == "prompt"
    assert found.files["src/train.py"] == TRAIN.encode()
    assert found.files["src/main.py"] == b""
    assert found.files["config/runs/proposed-a.yaml"] == b"run_id: proposed-a\nmodel:\n  name: m\n"
    assert list(found.run_files) == ["comparative-1-a", "proposed-a"]
    assert found.hypothesis == "open_problems='one'"


def test_runs_of_a_bundle_are_text_or_objects_in_a_list_or_by_id(tmp_path):
    file = tmp_path / "bundle.json"
    as_list = [{"run_id": "a", "config": "x: 1\n"}, {"run_id": "b", "config": {"x": 2}}]
    for runs in (as_list, {"a": "x: 1\n", "b": {"x": 2}}):
        file.write_text(json.dumps({"train_py": "", "runs": runs}), encoding="utf-8")
        assert submission(file).files["config/runs/a.yaml"] == b"x: 1\n"
        assert submission(file).files["config/runs/b.yaml"] == b"x: 2\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "no folder, no JSON bundle"),
        ("[1]", "no field of a bundle"),
        ('{"train_py": 3}', "train_py is a int"),
        ('{"train_py": "", "runs": 3}', "runs is a int"),
        ('{"train_py": "", "runs": [{}]}', r"runs\[0\] has no run_id"),
        ('{"train_py": "", "runs": [{"run_id": "../../a", "config": ""}]}', "'../../a' is no file name"),
        ('{"train_py": "", "runs": [{"run_id": "a", "config": 3}]}', "the config of run a is a int"),
        ("# Generated Experiment Code\nnothing", "holds no JSON object"),
        ("[" * 100_000, "no folder, no JSON"),
    ],
)
def test_what_is_no_submission_is_told_in_one_line(tmp_path, content, says):
    file = tmp_path / "given"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(GreenlightError, match=says) as told:
        submission(file)
    assert "\n" not in str(told.value)
    with pytest.raises(GreenlightError, match="no such folder or file"):
        submission(tmp_path / "absent")


def test_links_out_of_the_folder_and_huge_files_are_named_and_not_read(tmp_path):
    secret = tmp_path / "secret.py"
    secret.write_text("KEY = 1\n", encoding="utf-8")
    folder = tmp_path / "experiment"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "train.py").symlink_to(secret)
    (folder / "src" / "model.py").symlink_to(folder / "src" / "model.py")
    (folder / "src" / "main.py").symlink_to(folder / "src" / "gone.py")
    os.mkfifo(folder / "src" / "evaluate.py")
    with (folder / "src" / "preprocess.py").open("wb") as file:
        file.truncate(17 * 2**20)
    (folder / "src" / "outer").symlink_to(tmp_path)
    (folder / "notes.md").write_text("words", encoding="utf-8")
    found = submission(folder)
    assert found.files == {}
    assert set(found.unread) == {f"src/{name}.py" for name in ("train", "model", "main", "evaluate", "preprocess")}
    assert "leads out of the folder" in found.unread["src/train.py"]
    assert found.others == ("notes.md",)


def test_hidden_folders_environments_and_results_are_not_read(tmp_path):
    for place in (".venv/lib", "outputs/a", "src/__pycache__", "wandb", "src"):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / place / "x.py").write_text("", encoding="utf-8")
    assert list(submission(tmp_path).files) == ["src/x.py"]


def test_the_older_folder_of_run_files_is_read_and_the_contracts_wins(tmp_path):
    for folder, ids in (("run", "ab"), ("runs", "bc")):
        (tmp_path / "config" / folder).mkdir(parents=True)
        for name in ids:
            (tmp_path / "config" / folder / f"{name}.yaml").write_text("", encoding="utf-8")
    assert submission(tmp_path).run_files == {
        "a": "config/run/a.yaml", "b": "config/runs/b.yaml", "c": "config/runs/c.yaml"
    }  # fmt: skip
