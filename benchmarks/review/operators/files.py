"""Criterion 5, files and packaging: what is missing, what is too much, what cannot be installed."""

from __future__ import annotations

from benchmarks.review.operators._operator import Operator, append, chain, either, remove, swap, write

_PYPROJECT, _TRAIN, _MODEL = "pyproject.toml", "src/train.py", "src/model.py"
_TABLE = """[project]
name = "wall-clock-trapezoid"
version = "0.1.0"
requires-python = ">=3.11"

[project.dependencies]
datasets = ">=3.0"
hydra-core = ">=1.3"
matplotlib = ">=3.9"
numpy = ">=2.0"
omegaconf = ">=2.3"
optuna = ">=4.0"
pandas = ">=2.2"
peft = ">=0.17"
scipy = ">=1.13"
torch = ">=2.6"
transformers = ">=4.56"
wandb = ">=0.21"
"""
_POETRY = (
    _TABLE.replace("[project]", "[tool.poetry]")
    .replace("[project.dependencies]", "[tool.poetry.dependencies]")
    .replace('requires-python = ">=3.11"\n', "")
)

OPERATORS = (
    Operator("missing-file", "One of the seven files is not there.", ("GL501",), remove("src/model.py")),
    Operator("missing-config", "config/config.yaml is not there.", ("GL501",), remove("config/config.yaml")),
    Operator("blank-python-file", "One of the five Python files is empty.", ("GL503",), write("src/train.py", "")),
    Operator("blank-pyproject", "pyproject.toml is empty.", ("GL503",), write(_PYPROJECT, "")),
    Operator("blank-config", "config/config.yaml is empty.", ("GL503",), write("config/config.yaml", "\n")),
    Operator(
        "package-file", "src/__init__.py is there beside the seven files.", ("GL502",), write("src/__init__.py", "")
    ),
    Operator(
        "setup-script",
        "setup.py is there beside the seven files.",
        ("GL502",),
        write("setup.py", "from setuptools import setup\n\nsetup()\n"),
    ),
    Operator(
        "further-module",
        "A further module is there beside the five.",
        ("GL502",),
        write("src/schedules.py", '"""Schedules."""\n\nSHAPES = ("trapezoid", "cosine")\n'),
    ),
    Operator(
        "dependencies-as-table",
        "[project.dependencies] is a table: no tool of the standard can read it.",
        ("GL506",),
        write(_PYPROJECT, _TABLE),
    ),
    Operator(
        "poetry-only",
        "The package is declared for Poetry alone: uv sees a project without a name and dependencies.",
        ("GL508",),
        write(_PYPROJECT, _POETRY),
    ),
    Operator(
        "caret-version",
        "A version has Poetry's caret, which PEP 508 does not know.",
        ("GL507",),
        swap(
            _PYPROJECT, ('"transformers>=4.56"', '"transformers^4.56"'), ('"transformers>=5.23"', '"transformers^5.23"')
        ),
    ),
    Operator(
        "invalid-requirement",
        "A requirement is written as for pip's command line.",
        ("GL507",),
        swap(_PYPROJECT, ('"scipy>=1.13"', '"scipy = 1.13"'), ('"safetensors>=0.8"', '"safetensors = 0.8"')),
    ),
    Operator(
        "invalid-toml",
        "A quotation mark is missing in pyproject.toml.",
        ("GL505",),
        swap(_PYPROJECT, ('version = "0.1.0"', 'version = "0.1.0')),
    ),
    Operator(
        "no-version",
        "The project has no version, which PEP 621 requires.",
        ("GL508",),
        swap(_PYPROJECT, ('version = "0.1.0"\n', "")),
    ),
    Operator(
        "no-name",
        "The project has no name, which PEP 621 requires.",
        ("GL508",),
        either(swap(_PYPROJECT, ('name = "wall-clock-trapezoid"\n', ""), ('name = "gsm8k"\n', ""))),
    ),
    Operator(
        "undeclared-import",
        "A library is imported that the package does not declare.",
        ("GL511",),
        swap(
            _PYPROJECT,
            ('  "scipy>=1.13",\n', ""),
            ('  "datasets>=5.2",\n', ""),
        ),
        seen_at=("src/evaluate.py",),
    ),
    Operator(
        "new-undeclared-import",
        "A plotting library is imported that the package does not declare.",
        ("GL511",),
        either(
            swap(
                "src/evaluate.py",
                ("import pandas as pd\n", "import pandas as pd\nimport seaborn as sns\n\nsns.set_theme()\n"),
            ),
        ),
        seen_at=(_PYPROJECT,),
    ),
    Operator(
        "contradictory-pins",
        "One distribution is required twice, in ranges that do not overlap.",
        ("GL510",),
        swap(_PYPROJECT, ('  "numpy>=2.0",\n', '  "numpy>=2.0",\n  "numpy<2.0",\n')),
    ),
    Operator(
        "floor-below-the-model",
        "The declared floor of transformers admits versions that do not know Qwen3.",
        ("GL513",),
        swap(
            _PYPROJECT,
            ('"transformers>=4.56"', '"transformers>=4.38"'),
            ('"transformers>=5.23"', '"transformers>=4.38"'),
        ),
        seen_at=(_MODEL,),
    ),
    Operator(
        "device-map-without-accelerate",
        "device_map needs accelerate, which the package does not declare.",
        ("GL512",),
        chain(
            swap(
                _MODEL,
                (
                    "cache_dir=cache, dtype=DTYPES[section.dtype])\n",
                    'cache_dir=cache, dtype=DTYPES[section.dtype], device_map="auto")\n',
                ),
            ),
            swap(
                _MODEL,
                ("    return model.to(device), tokenizer", "    return model, tokenizer"),
                ("    return model.to(device()), tokenizer", "    return model, tokenizer"),
            ),
        ),
        seen_at=(_PYPROJECT,),
    ),
    Operator(
        "python-older-than-the-syntax",
        "requires-python admits versions that cannot parse the code.",
        ("GL509",),
        chain(
            swap(_PYPROJECT, ('requires-python = ">=3.11"', 'requires-python = ">=3.9"')),
            append(
                _MODEL,
                '\n\ndef describe(kind: str) -> str:\n    """Return what a schedule is called in figures."""\n'
                "    match kind:\n"
                '        case "cosine":\n'
                '            return "cosine"\n'
                "        case _:\n"
                "            return kind\n",
            ),
        ),
        seen_at=(_MODEL,),
    ),
    Operator("unreadable-encoding", "A Python file is no UTF-8 text.", ("GL101",), append(_TRAIN, "\n# \udcff\n")),
)
