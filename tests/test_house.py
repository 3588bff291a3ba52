"""The house itself: style, types, one-way imports, the lock file."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GREENLIGHT = ROOT / "packages" / "greenlight" / "src" / "greenlight"


def run(*command, cwd=ROOT):
    done = subprocess.run([sys.executable, "-m", *command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("command", [("ruff", "check"), ("ruff", "format", "--check")], ids=" ".join)
def test_the_code_has_the_style_of_the_project(command):
    run(*command, ".")


def test_the_types_of_the_packages_hold():
    run("mypy")


@pytest.mark.parametrize("experiment", ["gsm8k", "chipseq"])
def test_the_types_of_the_experiment_hold(experiment):
    run(
        "mypy",
        "--config-file",
        str(ROOT / "pyproject.toml"),
        "--cache-dir",
        str(ROOT / ".mypy_cache"),
        "-p",
        "src",
        cwd=ROOT / "experiments" / experiment,
    )


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("greenlight.cli", {"torch", "wandb", "transformers", "starlette", "pandas", "matplotlib", "hydra", "pyarrow"}),
        ("greenlight.contract.experiment", {"torch", "wandb", "rich"}),
        ("greenlight.gate", {"torch", "wandb", "hydra", "omegaconf", "numpy", "pandas", "http.client", "pydantic"}),
        ("greenlight.assets", {"torch", "transformers", "tokenizers", "numpy"}),
        ("greenlight.rehearse.standins.tracker", {"torch", "wandb", "pyarrow"}),
        ("greenlight.rehearse.standins.hub", {"torch", "datasets", "transformers", "huggingface_hub"}),
        ("graff", {"transformers", "peft", "greenlight", "zeus", "pandas", "lightning", "accelerate", "schedulefree"}),
    ],
)
def test_a_room_imports_nothing_heavy_before_it_is_needed(module, heavy):
    program = f"import sys, {module}; print(*sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


# A room may import the rooms named here, the plain modules of the package, and itself.
ALLOWED = {
    "contract": set(),
    "harness": set(),
    "compare": set(),
    "assets": set(),
    "review": {"contract"},
    "report": {"review"},
    "judge": {"contract", "review"},
    "scaffold": {"contract"},
    "rehearse": {"assets", "contract", "review"},
    "launch": {"contract", "rehearse"},
}


@pytest.mark.parametrize("room", ALLOWED)
def test_imports_between_rooms_point_one_way(room):
    others = {path.name for path in GREENLIGHT.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert others == set(ALLOWED), "a new room needs a row here"
    forbidden = others - ALLOWED[room] - {room}
    for path in (GREENLIGHT / room).rglob("*.py"):
        for name in imports(path):
            parts = name.split(".")
            assert not (parts[0] == "greenlight" and len(parts) > 1 and parts[1] in forbidden), f"{path}: {name}"


def test_graff_knows_nothing_of_greenlight_and_of_trainers_only_in_their_callbacks():
    for path in (ROOT / "packages" / "graff" / "src").rglob("*.py"):
        others = {"greenlight", "peft"}
        if path.parent.name != "integrations":
            others |= {"transformers", "accelerate", "lightning"}
        assert not others & {name.split(".")[0] for name in imports(path)}, path


def test_the_lock_file_holds_nothing_but_the_package_index():
    text = (ROOT / "uv.lock").read_text(encoding="utf-8")
    assert {address.split("/")[2] for address in re.findall(r"https?://[^\"\s]+", text)} == {
        "pypi.org",
        "files.pythonhosted.org",
    }
    assert "file://" not in text
    assert not re.search(r'path = "/', text)
