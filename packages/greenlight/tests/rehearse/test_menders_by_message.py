"""Menders of crashes whose exception is known word for word, and what all of them have in common."""

import textwrap

import pytest
import yaml

from greenlight.rehearse.menders import all_menders, mend
from greenlight.rehearse.menders.review_edits import EDITING
from greenlight.rehearse.observer import record
from greenlight.rehearse.observer.record import Raised
from greenlight.review.engine import run_rule
from greenlight.review.registry import all_rules
from greenlight.review.subject import Subject


def crash(kind, message, path="", line=0, code=""):
    return Raised(kind, message, kind, message, path, line, code)


def text_after(raised, files, path):
    found = mend(raised, {p: textwrap.dedent(t).lstrip("\n").encode() for p, t in files.items()})
    assert found is not None
    return found.files[path].decode()


def test_a_child_process_is_started_where_its_module_is_found():
    main = """
        import subprocess, sys
        subprocess.run([sys.executable, "-m", "src.train", "mode=trial"], check=True)
    """
    raised = crash("ModuleNotFoundError", "No module named 'src'")
    text = text_after(raised, {"src/main.py": main, "src/train.py": "print('here')\n"}, "src/main.py")
    assert 'check=True, cwd=__import__("pathlib").Path(__file__).resolve().parents[1])' in text
    assert mend(raised, {"src/main.py": text.encode(), "src/train.py": b"print('here')\n"}) is None
    assert mend(crash("ModuleNotFoundError", "No module named 'torch'"), {"src/main.py": main.encode()}) is None


def test_a_file_of_the_experiment_that_hydra_hid_is_found_again():
    train = """
        import hydra
        @hydra.main(config_path="../config", config_name="config")
        def main(cfg):
            raise FileNotFoundError(f"Run config not found: {cfg.run}")
    """
    raised = crash("FileNotFoundError", "Run config not found: /w/outputs/1/config/runs/a.yaml", "src/train.py", 4)
    files = {"src/train.py": train, "config/runs/a.yaml": "a: 1\n"}
    assert 'config_name="config", version_base=None)' in text_after(raised, files, "src/train.py")
    other = crash("FileNotFoundError", "Run config not found: /w/outputs/1/config/runs/b.yaml", "src/train.py", 4)
    assert mend(other, {p: textwrap.dedent(t).encode() for p, t in files.items()}) is None


def test_a_data_set_named_without_its_owner_is_loaded_by_its_whole_id():
    said = "Invalid HF URI 'hf://datasets/gsm8k@fe/a.yaml'. Repository id must be 'namespace/name', got 'gsm8k'."
    raised = crash("HfUriError", said, "src/preprocess.py", 2)
    reading = """
        from datasets import load_dataset
        rows = load_dataset("gsm8k", "main", split="train")
        name = "gsm8k"
    """
    files = {
        "src/preprocess.py": reading,
        "config/runs/a.yaml": "run_id: a-gsm8k\ndataset:\n  name: gsm8k  # words\n  other: gsm8k-hard\n",
    }
    assert text_after(raised, files, "src/preprocess.py").splitlines()[1:] == [
        'rows = load_dataset(\'openai/gsm8k\', "main", split="train")',
        'name = "gsm8k"',
    ]
    assert text_after(raised, files, "config/runs/a.yaml") == files["config/runs/a.yaml"].replace(
        "name: gsm8k ", "name: openai/gsm8k "
    )
    unknown = crash("HfUriError", said.replace("gsm8k", "unheard-of"), "src/preprocess.py", 2)
    assert mend(unknown, {"src/preprocess.py": b"import datasets\ndatasets.load_dataset('unheard-of')\n"}) is None


@pytest.mark.parametrize(
    "said",
    [
        "Client error '404 Not Found' for url 'http://127.0.0.1:33003/Llama-2-7B/resolve/main/config.json'",
        "Llama-2-7B is not a local folder and is not a valid model identifier listed on 'https://huggingface.co/models'",
    ],
)
def test_a_model_named_without_its_owner_is_loaded_by_the_id_that_is_meant(said):
    code = """
        from transformers import AutoTokenizer
        tokenizer = AutoTokenizer.from_pretrained("Llama-2-7B")
    """
    files = {"src/model.py": code, "config/runs/a.yaml": "model:\n  name: Llama-2-7B\n"}
    raised = crash("OSError", said, "src/model.py", 2)
    assert "from_pretrained('meta-llama/Llama-2-7b')" in text_after(raised, files, "src/model.py")
    assert text_after(raised, files, "config/runs/a.yaml") == "model:\n  name: meta-llama/Llama-2-7b\n"
    other = crash("OSError", said.replace("Llama-2-7B", "Unheard-7B"), "src/model.py", 2)
    assert mend(other, {"src/model.py": b"from_pretrained('Unheard-7B')\n"}) is None


def test_a_table_of_dependencies_is_written_as_installers_read_it():
    project = '[project]\nname = "a"\nversion = "1"\n\n[project.dependencies]\ntorch = "^2.2"\n'
    raised = crash("InstallFailure", "TOML parse error at line 5", "pyproject.toml", 5)
    assert '"torch>=2.2,<3"' in text_after(raised, {"pyproject.toml": project}, "pyproject.toml")


@pytest.mark.parametrize(
    ("said", "line", "wanted"),
    [
        ("Config name is missing.\nPlease pick one among the available configs: ['cola', 'sst2']", 3, "name='cola'"),
        ("Config name is missing.\nPlease pick one among the available configs: ['socratic', 'main']", 3, "'main'"),
        ("BuilderConfig 'en' not found. Available: ['default']", 3, "'default'"),
    ],
)
def test_a_data_set_is_loaded_under_a_name_that_it_has(said, line, wanted):
    code = """
        from datasets import load_dataset
        second = load_dataset("lab/own", "en", split="test")
        rows = load_dataset("lab/own", split="train")
    """
    raised = crash("ValueError", said, "src/preprocess.py", line)
    assert wanted in text_after(raised, {"src/preprocess.py": code}, "src/preprocess.py")


def test_a_split_that_is_not_there_is_replaced_in_the_configuration():
    raised = crash("ValueError", "Unknown split \"validation\". Should be one of ['train', 'test'].", "src/a.py", 1)
    files = {
        "config/runs/a.yaml": "dataset:\n  eval_split: validation  # dev\n  name: validation-set\n",
        "src/a.py": "x = 1\n",
    }
    text = text_after(raised, files, "config/runs/a.yaml")
    assert text == "dataset:\n  eval_split: test  # dev\n  name: validation-set\n"


def test_a_key_is_found_where_it_is_read():
    run = "training:\n  steps: 5\nevaluation:\n  interval: 7\n  rate: 1e-05\n"
    raised = crash(
        "ConfigAttributeError", "Missing key evaluation\n    full_key: training.evaluation\n    object_type=dict"
    )
    text = text_after(raised, {"config/runs/a.yaml": run}, "config/runs/a.yaml")
    assert text.splitlines()[1] == '  evaluation: {"interval": 7, "rate": 1.0e-05}'
    near = crash("ConfigAttributeError", "Missing key step\n    full_key: training.step\n    object_type=dict")
    assert "  step: 5\n" in text_after(near, {"config/runs/a.yaml": run}, "config/runs/a.yaml")


def test_a_name_is_not_taken_from_what_belongs_to_something_else():
    files = {"config/runs/a.yaml": b"dataset:\n  name: openai/gsm8k\nmodel:\n  dtype: float32\n"}
    raised = crash("ConfigAttributeError", "Missing key name\n    full_key: model.name\n    object_type=dict")
    assert mend(raised, files) is None


def test_a_key_of_the_documented_command_is_added():
    said = "Could not override 'results_dir'.\nTo append to your config use +results_dir=/r"
    text = text_after(
        crash("ConfigCompositionException", said), {"config/config.yaml": "mode: null\n"}, "config/config.yaml"
    )
    assert text == "results_dir: null\nmode: null\n"


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ("hydra:\n  job:\n    a: 1\n    b:\n      c: true\nmode: x\n", "hydra:\n  job:\n    a: 1\nmode: x\n"),
        ("hydra:\n  job:\n    b: true\nmode: x\n", "hydra:\n  job:\n    {}\nmode: x\n"),
    ],
)  # fmt: skip
def test_a_key_that_a_schema_has_not_is_left_out(config, wanted):
    raised = crash("ConfigKeyError", "Key 'b' not in 'JobConf'\n    full_key: hydra.job.b")
    assert text_after(raised, {"config/config.yaml": config}, "config/config.yaml") == wanted


def test_an_argument_with_a_new_name_keeps_its_value():
    code = """
        from transformers import TrainingArguments
        given = TrainingArguments(output_dir="a", evaluation_strategy="steps")
    """
    raised = crash(
        "TypeError", "__init__() got an unexpected keyword argument 'evaluation_strategy'", "src/train.py", 2
    )
    assert 'TrainingArguments(output_dir="a", eval_strategy="steps")' in text_after(
        raised, {"src/train.py": code}, "src/train.py"
    )


def test_a_tokenizer_without_a_padding_token_pads_with_the_last_one():
    code = """
        from transformers import AutoTokenizer
        def build(name):
            tokenizer = AutoTokenizer.from_pretrained(name)  # fast
            return tokenizer
    """
    raised = crash("ValueError", "Asking to pad but the tokenizer does not have a padding token.")
    text = text_after(raised, {"src/model.py": code}, "src/model.py")
    assert text.splitlines()[3] == "    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token"


def test_a_network_on_the_cpu_is_given_what_lies_there():
    code = """
        import torch.nn as nn
        class Planner(nn.Module):
            def __init__(self):
                super().__init__()
                self.out = nn.Linear(1, 1)
            def forward(self, x):
                return self.out(x)
    """
    raised = crash(
        "RuntimeError",
        "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!",
        "src/model.py",
        7,
    )
    text = text_after(raised, {"src/model.py": code}, "src/model.py")
    assert "self.out((x).to(next(self.out.parameters()).device))" in text


@pytest.mark.parametrize(
    ("statement", "message", "wanted"),
    [
        ("from preprocess import build", "No module named 'preprocess'", "from src.preprocess import build"),
        ("from transformers import AdamW, AutoModel", "cannot import name 'AdamW' from 'transformers' (x)",
         "from transformers import AutoModel\nfrom torch.optim import AdamW"),
    ],
)  # fmt: skip
def test_an_import_finds_its_module(statement, message, wanted):
    raised = crash("ImportError", message, "src/train.py", 1)
    files = {"src/train.py": f"{statement}\n", "src/preprocess.py": "def build(): ...\n"}
    assert wanted in text_after(raised, files, "src/train.py")


@pytest.mark.parametrize(
    ("message", "statement", "wanted"),
    [
        ("'Run' object has no attribute 'get_url'", "print('at', run.get_url())", "print('at', run.url)"),
        ("module 'numpy' has no attribute 'float'", "made = np.float(1)", "made = float(1)"),
        ("'DataFrame' object has no attribute 'applymap'", "made = rows.applymap(str)", "made = rows.map(str)"),
        ("T5Tokenizer has no attribute as_target_tokenizer", "with tok.as_target_tokenizer(): pass",
         'with __import__("contextlib").nullcontext(): pass'),
        ("T5Tokenizer has no attribute batch_encode_plus", "made = tok.batch_encode_plus(a, padding=True)",
         "made = tok(a, padding=True)"),
    ],
)  # fmt: skip
def test_a_name_that_a_newer_version_dropped_has_a_successor(message, statement, wanted):
    raised = crash("AttributeError", message, "src/train.py", 2)
    assert wanted in text_after(raised, {"src/train.py": f"import numpy as np\n{statement}\n"}, "src/train.py")


def test_a_set_that_is_asked_for_its_length_is_loaded_whole():
    raised = crash("TypeError", "object of type 'IterableDataset' has no len()", "src/a.py", 1)
    files = {"config/runs/a.yaml": "dataset:\n  streaming: true  # big\n", "src/a.py": "x = 1\n"}
    assert text_after(raised, files, "config/runs/a.yaml") == "dataset:\n  streaming: false  # big\n"


def test_text_that_is_no_python_or_not_utf_8_is_left_alone():
    raised = crash("KeyError", "'a'", "src/a.py", 1, "x['a']")
    for content in (b"x[", b"\xff\xfe", b"", b"x['a']\n" * 3 + b"\0"):
        assert mend(raised, {"src/a.py": content, "config/config.yaml": b"a: [\n", "pyproject.toml": b"\xff"}) is None


def test_places_are_counted_in_bytes_and_other_line_ends_are_kept():
    code = "grün = 'ä'\r\nimport json\r\nx = ('ü', json.dumps({'a': {1}}))\r\n".encode()
    raised = crash("TypeError", "Object of type set is not JSON serializable", "src/a.py", 3)
    text = mend(raised, {"src/a.py": b"\xef\xbb\xbf" + code}).files["src/a.py"]
    assert text.startswith(
        b"\xef\xbb\xbf" + "grün = 'ä'\r\nimport json\r\nx = ('ü', json.dumps({'a': {1}}, default=".encode()
    )
    assert text.endswith(b"))\r\n")


def test_every_rule_of_the_review_that_writes_edits_is_asked():
    editing = {
        finding.rule
        for rule in all_rules()
        for fragment in rule.invalid
        for finding in run_rule(rule, Subject.of(fragment)).findings
        if finding.edits
    }
    assert editing <= set(EDITING)


def test_each_mender_says_what_it_knows_and_has_a_name_of_its_own():
    names = [mender.name for mender in all_menders()]
    assert len(names) == len(set(names)) > 20
    assert names[0] == "review-edits"
    assert all(type(mender).__doc__ for mender in all_menders())


def test_an_override_that_a_child_is_given_adds_its_key():
    code = """
        command = ["python", "-m", "src.train", f"run={run}"]
        command += ["optuna.n_trials=0", f"training.max_steps={steps}", "mode=trial"]
    """
    raised = crash(
        "ConfigCompositionException", "Could not override 'optuna.n_trials'.\nTo append use +optuna.n_trials=0"
    )
    text = text_after(raised, {"src/main.py": code}, "src/main.py")
    assert text.splitlines()[1] == 'command += ["++optuna.n_trials=0", f"++training.max_steps={steps}", "mode=trial"]'
    plain = """
        command = ["python", "src/train.py", f"run_id={run}", f"results_dir={place}", "mode=trial"]
    """
    raised = crash("ConfigCompositionException", "Could not override 'run_id'.\nTo append use +run_id=a")
    text = text_after(raised, {"src/main.py": plain}, "src/main.py")
    assert text == 'command = ["python", "src/train.py", f"++run_id={run}", f"results_dir={place}", "mode=trial"]\n'


def test_a_run_file_is_loaded_before_its_keys_are_read():
    code = """
        import hydra
        @hydra.main(config_path="../config", config_name="config")
        def main(cfg):
            cfg.dataset.rows = 2
    """
    said = "Key 'dataset' is not in struct\n    full_key: dataset\n    object_type=dict"
    place = (record.Frame("src/main.py", 4, "", "main", 4, 4, 15),)
    raised = Raised("ConfigAttributeError", said, "ConfigAttributeError", said, "src/main.py", 4, "", place)
    files = {"src/main.py": code, "config/config.yaml": "run: null\n", "config/runs/a.yaml": "dataset:\n  rows: 9\n"}
    text = text_after(raised, files, "src/main.py")
    assert 'cfg.merge_with(__import__("omegaconf").OmegaConf.load(' in text.splitlines()[3]
    assert '"config/runs" / f"{cfg.run}.yaml"))' in text.splitlines()[3]


def test_a_broken_project_file_is_not_answered_with_a_change_elsewhere():
    files = {
        "pyproject.toml": b"[project\n",
        "config/config.yaml": b"wandb:\n  entity: lab\n  project: 251109\n",
    }
    assert mend(crash("InstallFailure", "TOML parse error: project", "pyproject.toml", 1), files) is None


def test_null_bytes_are_left_out_of_code():
    raised = crash("SyntaxError", "source code string cannot contain null bytes")
    found = mend(raised, {"src/train.py": b"x = 1\0\n", "data.bin": b"\0"})
    assert found is not None
    assert found.files == {"src/train.py": b"x = 1\n", "data.bin": b"\0"}


@pytest.mark.parametrize(
    ("config", "kind", "message", "expected"),
    [
        (
            "defaults:\n  - run: ???  # chosen\n  - _self_\nmode: full\n",
            "ConfigCompositionException",
            "You must specify 'run', e.g, run=<OPTION>\nAvailable options:",
            {"defaults": ["_self_"], "run": None, "mode": "full"},
        ),
        (
            "defaults:\n  - _self_\n  - runs@run: ${run}\nrun: ???\n",
            "InterpolationKeyError",
            "Interpolation key 'run' not found",
            {"defaults": ["_self_"], "run": "???"},
        ),
        (
            "defaults:\n- run: base\n",
            "MissingConfigException",
            "In 'config': Could not find 'run/base'",
            {"defaults": ["_self_"], "run": None},
        ),
    ],
    ids=["a group without a folder", "an interpolation of itself", "the only entry"],
)
def test_a_run_that_no_group_offers_is_loaded_from_its_file(config, kind, message, expected):
    main = (
        "import hydra\n@hydra.main(config_path='../config', config_name='config')\ndef main(cfg):\n    use(cfg.run)\n"
    )
    files = {"config/config.yaml": config, "src/main.py": main, "config/runs/a.yaml": "run_id: a\n"}
    assert yaml.safe_load(text_after(crash(kind, message), files, "config/config.yaml")) == expected
    text = text_after(crash(kind, message), files, "src/main.py")
    assert '"config/runs" / f"{cfg.run}.yaml")\n    use(cfg.run)' in text
    at_the_top = {**files, "config/runs/a.yaml": "# @package _global_\nmodel: {}\n"}
    assert mend(crash(kind, message), {path: content.encode() for path, content in at_the_top.items()}) is None


def test_a_group_of_runs_that_exists_is_left_alone():
    files = {"config/config.yaml": b"defaults:\n  - run: ???\n", "config/run/a.yaml": b"x: 1\n"} | {
        "config/runs/a.yaml": b"x: 1\n"
    }
    assert mend(crash("ConfigCompositionException", "You must specify 'run', e.g, run=<OPTION>"), files) is None


@pytest.mark.parametrize(
    ("code", "expected"), [("f(cfg.model.name)", None), ('f(cfg["model"]["name"])', None), ("f(cfg.model)", "full")]
)
def test_a_text_does_not_stand_for_what_has_keys_below_it(code, expected):
    raised = crash("ConfigAttributeError", "Missing key model\nfull_key: model", "src/a.py", 1, code)
    found = mend(raised, {"config/config.yaml": b"mode: full\n", "src/a.py": f"{code}\n".encode()})
    assert (None if found is None else yaml.safe_load(found.files["config/config.yaml"])["model"]) == expected
