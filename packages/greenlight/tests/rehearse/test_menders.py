"""Crashes of real processes, mended in a scratch copy: the statement behind them is reached, and nothing else moves."""

import os
import subprocess
import sys
import textwrap

import pytest

from greenlight.rehearse.menders import mend
from greenlight.rehearse.observer import record

# One process imports the libraries, and each case is a fork of it: importing torch takes longer than all cases.
HARNESS = """
import os, runpy, sys
import json, omegaconf, pandas, torch
torch.set_num_threads(1)
subjects, notes = sys.argv[1:3]
book = sys.modules["sitecustomize"].book
for name in sys.argv[3:]:
    child = os.fork()
    if child == 0:
        book._path = f"{notes}/{name}/notes.jsonl"
        os.chdir(f"{subjects}/{name}")
        sys.path.insert(0, os.getcwd())
        given = open("argv").read().split("|")
        sys.argv = ["main.py", *filter(None, given)]
        try:
            runpy.run_path(os.path.abspath("src/main.py"), run_name="__main__")
        except SystemExit:
            raise
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    os.waitpid(child, 0)
"""

# Each ends by writing "reached"; what stands before it crashes.
CASES = {
    "pad_sequence as a method": """
        import torch
        rows = [[1, 2, 3], [4, 5]]
        made = torch.tensor([torch.LongTensor(r) for r in rows], dtype=torch.long).pad_sequence(
            batch_first=True, padding_value=0)
        assert made.tolist() == [[1, 2, 3], [4, 5, 0]]
    """,
    "rows of unequal length": """
        import torch
        made = torch.tensor([[1, 2, 3], [4]], dtype=torch.long)
        assert made.tolist() == [[1, 2, 3], [4, 0, 0]]
    """,
    "a function of torch.nn.functional as a method": """
        import torch
        hot = torch.tensor([0, 2]).one_hot(num_classes=3)
        assert hot.shape == (2, 3)
    """,
    "stacked rows of unequal length": """
        import torch
        batch = [{"ids": torch.ones(3)}, {"ids": torch.ones(2)}]
        made = torch.stack([b["ids"] for b in batch])
        assert made.shape == (2, 3)
    """,
    "stacked parts of unequal length": """
        import torch
        layers, tokens = torch.ones(3), torch.ones(7)
        made = torch.stack([layers, tokens, layers.new_full((3,), 0.5)], -1)
        assert made.shape == (3, 3)
    """,
    "a tensor assigned to a parameter": """
        import torch
        class Planner(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.h = torch.nn.Parameter(torch.zeros(2))
            def step(self):
                self.h = self.h + torch.ones(2)
        planner = Planner()
        kept = planner.h
        planner.step()
        assert planner.h is kept and kept.sum() == 2
    """,
    "item of a float": """
        import torch
        eta = torch.tensor(3.0)
        if eta > 1:
            eta = 1.9 / max(eta.item(), 1e-6)
        value = float(eta.item())
        assert 0.6 < value < 0.7
    """,
    "numpy of a tensor with a gradient": """
        import torch
        values = (torch.ones(2, requires_grad=True) * 2).numpy()
        assert values.sum() == 4
    """,
    "bfloat16 into a network of floats": """
        import torch
        import torch.nn as nn
        class Head(nn.Module):
            def __init__(self):
                super().__init__()
                self.out = nn.Linear(2, 1)
            def forward(self, x):
                return self.out(x)
        assert Head()(torch.ones(3, 2, dtype=torch.bfloat16)).shape == (3, 1)
    """,
    "a product of two types": """
        import torch
        made = torch.ones(2, 2) @ torch.ones(2, 2, dtype=torch.bfloat16)
        assert made.dtype == torch.float32
    """,
    "labels of another length than the inputs": """
        import torch
        def model(input_ids, labels):
            scores = torch.zeros(*input_ids.shape, 9)
            return torch.nn.functional.cross_entropy(scores.flatten(0, 1), labels.flatten())
        batch = {"input_ids": torch.ones(2, 5, dtype=torch.long), "labels": torch.ones(2, 3, dtype=torch.long)}
        assert model(**batch) > 0
    """,
    "a mask that nothing makes": """
        import torch
        def evaluate(batch):
            return batch["prompt_ids"].shape, batch["prompt_mask"]
        assert evaluate({"prompt_ids": torch.ones(2, 3), "other_ids": torch.ones(4)})[1].shape == (2, 3)
    """,
    "answers that nothing makes": """
        import torch
        for batch in [{"prompt_ids": torch.ones(2, 3)}]:
            size = batch["prompt_ids"].size(1)
            gold = [a.strip() for a in batch["answers"]]
        assert gold == ["", ""]
    """,
    "too many values": """
        def loaders():
            return 1, 2, 3
        train, test = loaders()
        assert (train, test) == (1, 2)
    """,
    "too few values": """
        def loaders():
            return "train", "test"
        train, dev, test = loaders()
        assert (train, dev, test) == ("train", "test", "test")
    """,
    "a directory that nobody made": """
        from pathlib import Path
        results = Path("results")
        with open(results / "a" / "metrics.json", "w") as file:
            file.write("{}")
    """,
    "a text in a directory that nobody made": """
        import pandas as pd
        pd.DataFrame({"a": [1]}).to_csv("tables/run/a.csv")
    """,
    "a value that JSON does not know": """
        import json
        import numpy as np
        from collections import UserDict
        class Summary(UserDict):
            def __getattr__(self, name):
                return self.__dict__["data"][name]
        def save(value):
            with open("a.json", "w") as file:
                json.dump(value, file, indent=2)
        save({"loss": np.float32(1.5), "nested": UserDict(a=1), "summary": Summary(b=2), "where": Exception})
        assert {"loss": 1.5, "nested": {"a": 1}, "summary": {"b": 2}}.items() <= json.load(open("a.json")).items()
    """,
    "a key that JSON does not know": """
        import json
        text = json.dumps({(1, 2): 3, "a": 4})
        assert text == '{"a": 4}'
    """,
    "an argument that is not taken": """
        def schedule(optimizer, factor=0.1):
            return factor
        assert schedule(
            None,
            verbose=True,
            factor=0.5,
        ) == 0.5
    """,
    "a run that is None": """
        run = None
        run.log(
            {"loss": 1.0},
            step=1,
        )
        run.summary["loss"] = 1.0
        address = run.url
        run.finish()
        assert address is None
    """,
    "an import that is missing": """
        def folder():
            return Path("results") / "a"
        assert folder().name == "a"
    """,
    "a module that is missing": """
        assert json.loads("[1]") == [1]
    """,
    "rows joined with their labels": """
        import pandas as pd
        frames = [pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": [3, 4]})]
        rows = pd.concat(frames)
        rows = rows["a"].reindex([0, 1, 2, 3])
        assert rows.tolist() == [1, 2, 3, 4]
    """,
    "keys that a structured configuration refuses": """
        from omegaconf import OmegaConf
        cfg = OmegaConf.create({"a": 1})
        OmegaConf.set_struct(cfg, True)
        cfg = OmegaConf.merge(cfg, OmegaConf.create({"run_id": "x"}))
        assert cfg.run_id == "x"
    """,
    "a key that is written to a structured configuration": """
        import omegaconf
        cfg = omegaconf.OmegaConf.create({"training": {"steps": 1}})
        omegaconf.OmegaConf.set_struct(cfg, True)
        def shorten(cfg):
            cfg.training.most = 2
        shorten(cfg)
        assert cfg.training.most == 2
    """,
    "a run that is a text where its file is expected": """
        import hydra
        @hydra.main(version_base=None, config_path="../config", config_name="config")
        def main(cfg):
            assert cfg.run.training.steps == 2
            open("reached", "w").close()
        main()
        import os
        assert os.path.exists("reached")
    """,
    "a list that Hydra parsed": """
        import json
        from omegaconf import OmegaConf
        cfg = OmegaConf.create({"run_ids": ["a", "b"]})
        run_ids = json.loads(cfg.run_ids)
        assert run_ids == ["a", "b"]
    """,
    "positional arguments": """
        import argparse, json
        parser = argparse.ArgumentParser()
        parser.add_argument("results_dir", type=str)
        parser.add_argument("run_ids", type=str)
        args = parser.parse_args()
        run_ids = json.loads(args.run_ids)
        assert (args.results_dir, run_ids) == ("r", ["a", "b"])
    """,
    "options": """
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--results-dir", required=True)
        parser.add_argument("--run_ids", nargs="+")
        args = parser.parse_args()
        assert (args.results_dir, args.run_ids) == ("r", ["a", "b"])
    """,
    "the command line itself": """
        import json, sys
        run_ids = json.loads(sys.argv[2])
        assert run_ids == ["a", "b"]
    """,
}
ARGUMENTS = dict.fromkeys(
    ("positional arguments", "options", "the command line itself"), 'results_dir=r|run_ids=["a", "b"]'
) | {"a run that is a text where its file is expected": "run=a"}
# Mistakes of which nobody knows what was meant, and messages that only resemble the ones above.
UNKNOWN = {
    "its own error": 'raise ValueError("the budget is over")',
    "a pair from a text": """
        for a, b in ["abc"]:
            print(a)
    """,
    "a variable of the environment": """
        import os
        home = os.environ["NOBODYS_VARIABLE"]
    """,
    "a package that is not installed": "import nobodys_package",
    "an attribute of None that no run has": """
        model = None
        model.forward(1)
    """,
    "a run that is None under another name": """
        model = None
        model.config["a"] = 1
    """,
    "a file that is read": 'print(open("nobody/wrote/this.json").read())',
    "a name without an origin": "print(nobodys_name)",
    "an argument of a call that stands elsewhere": """
        given = {"verbose": True}
        def schedule(factor=0.1):
            return factor
        schedule(**given)
    """,
    "a file that is no JSON, in a program that parses arguments": """
        import argparse, json
        parser = argparse.ArgumentParser()
        parser.add_argument("--results_dir", default="r")
        args = parser.parse_args()
        summary = json.loads("")
    """,
    "a key of results that a run file has as well": """
        results = {"evaluation": {}}
        print(results["training"]["evaluation"])
    """,
    "a column of nothing": """
        row = {}
        print(row["prompt_mask"])
    """,
}


def at_once(folder, cases):
    """Perform some cases, text or files by name; return what each raised and whether its last line was reached."""
    subjects, notes = folder / "subjects", folder / "notes"
    for name, files in cases.items():
        (notes / name).mkdir(parents=True)
        for path, content in files.items():
            target = subjects / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    (folder / "harness.py").write_text(HARNESS, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "harness.py", str(subjects), str(notes), *cases],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
        | record.environment(notes),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {
        name: (record.read(notes / name, subjects / name).raised, (subjects / name / "reached").exists(), done.stderr)
        for name in cases
    }


def as_files(name, code):
    files = {"src/main.py": (textwrap.dedent(code) + "\nopen('reached', 'w').close()\n").encode()}
    files["config/config.yaml"] = b"defaults:\n  - runs@run: a\nhydra:\n  output_subdir: null\n  run:\n    dir: .\n"
    files["config/runs/a.yaml"] = b"training:\n  steps: 2\nevaluation:\n  interval: 3\n"
    return files | {"argv": ARGUMENTS.get(name, "").encode()}


@pytest.fixture(scope="module")
def crashes(tmp_path_factory):
    return at_once(
        tmp_path_factory.mktemp("before"), {name: as_files(name, code) for name, code in (CASES | UNKNOWN).items()}
    )


@pytest.fixture(scope="module")
def went_on(tmp_path_factory, crashes):
    """Each case as its mender left it, performed again."""
    found = {name: mend(crashes[name][0][0], as_files(name, code)) for name, code in CASES.items() if crashes[name][0]}
    again = at_once(tmp_path_factory.mktemp("after"), {name: m.files for name, m in found.items() if m is not None})
    return found, again


@pytest.mark.parametrize("name", CASES)
def test_the_statement_behind_the_crash_is_reached(name, crashes, went_on):
    raised, reached, said = crashes[name]
    assert raised, said
    assert not reached, "the case itself is to crash"
    found, again = went_on
    assert found[name] is not None, raised[0]
    raised, reached, _ = again[name]
    assert reached, (raised, found[name].files["src/main.py"].decode())


@pytest.mark.parametrize("name", CASES)
def test_what_was_changed_is_said_in_one_line_and_no_other_file_is_touched(name, went_on):
    mended = went_on[0][name]
    before = as_files(name, CASES[name])
    assert mended.said
    assert "\n" not in mended.said
    assert set(mended.files) == set(before)
    assert [path for path in before if mended.files[path] != before[path]] == ["src/main.py"]


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_mistake_that_no_mender_knows_is_left_alone(name, crashes):
    raised, reached, said = crashes[name]
    assert raised, said
    assert not reached
    found = mend(raised[0], as_files(name, UNKNOWN[name]))
    assert found is None, found.said


@pytest.mark.parametrize("name", CASES)
def test_mending_the_same_crash_again_ends(name, crashes):
    files = as_files(name, CASES[name])
    seen = [files]
    for _ in range(6):
        found = mend(crashes[name][0][0], files)
        if found is None:
            return
        assert dict(found.files) not in seen, found.said
        files = dict(found.files)
        seen.append(files)
