"""GL512: a call needs a package that is neither declared nor imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.distributions import providers
from greenlight.review.engines.requirements import Requirements
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import UNKNOWN, Module, argument
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class UndeclaredBackend(Rule):
    """An argument or function that loads another package when it is used."""

    id = "GL512"
    name = "undeclared-backend"
    criterion = Criterion.FILES
    severity = Severity.BLOCKER
    sentences = ("5.4", "5.5")
    summary = "A call loads a package that is not declared, and fails where it is not there."
    why = (
        "device_map needs accelerate, quantised loading needs bitsandbytes, a metric of `evaluate` needs the package "
        "that computes it. No import statement shows it, and the author's machine had it."
    )
    remedy = "Add the package to project.dependencies."
    valid = (
        {
            "pyproject.toml": """
                [project]
                name = "study"
                version = "0.1.0"
                dependencies = ["torch", "transformers>=4.51", "accelerate>=1.0"]
            """,
            "src/model.py": """
                from transformers import AutoModelForCausalLM

                def build(name):
                    return AutoModelForCausalLM.from_pretrained(name, device_map="auto")
            """,
        },
        {
            "pyproject.toml": '[project]\nname = "a"\nversion = "1"\ndependencies = ["transformers"]\n',
            "src/model.py": """
                from transformers import AutoModelForCausalLM

                model = AutoModelForCausalLM.from_pretrained("gpt2", device_map=None, load_in_8bit=False)
            """,
        },
    )
    invalid = (
        {
            "pyproject.toml": '[project]\nname = "a"\nversion = "1"\ndependencies = ["torch", "transformers"]\n',
            "src/model.py": """
                from transformers import AutoModelForCausalLM, BitsAndBytesConfig

                def build(name):
                    four = BitsAndBytesConfig(load_in_4bit=True)
                    return AutoModelForCausalLM.from_pretrained(name, quantization_config=four, device_map="auto")
            """,
        },
        {
            "pyproject.toml": '[project]\nname = "a"\nversion = "1"\ndependencies = ["evaluate"]\n',
            "src/evaluate.py": "import evaluate\n\nrouge = evaluate.load('rouge')\n",
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each package that is needed so."""
        requirements = subject.derived(Requirements)
        file = requirements.file
        if file is None or requirements.is_open or not requirements.names:
            return
        imported = {origin.partition(".")[0] for module in subject.code for origin in module.imports.values()}
        told = set()
        for module in subject.code:
            for node, names, what in _needs(module):
                if names[0] in told or any(name in requirements.names for name in names):
                    continue
                if any(name in imported or providers(top) == (name,) for name in names for top in imported):
                    continue  # told by the rule about imports
                told.add(names[0])
                along = any(name in requirements.brought for name in names)
                sure = requirements.all_known and not along
                yield self.at(
                    module,
                    node,
                    f"{what} needs {names[0]}, which pyproject.toml does not declare"
                    + ("" if sure else "; it comes along with another package at best"),
                    f'add "{names[0]}" to project.dependencies',
                    severity=Severity.BLOCKER if sure else Severity.MINOR,
                )


_METRICS = {
    "rouge": ("rouge-score",), "sacrebleu": ("sacrebleu",), "meteor": ("nltk",), "bertscore": ("bert-score",),
    "seqeval": ("seqeval",), "accuracy": ("scikit-learn",), "f1": ("scikit-learn",), "precision": ("scikit-learn",),
    "recall": ("scikit-learn",), "matthews_correlation": ("scikit-learn",), "roc_auc": ("scikit-learn",),
    "wer": ("jiwer",), "cer": ("jiwer",), "spearmanr": ("scipy",), "pearsonr": ("scipy",),
}  # fmt: skip


def _needs(module: Module) -> Iterator[tuple[ast.AST, tuple[str, ...], str]]:
    """Yield calls with the distributions of which one is needed, and what in the call needs it."""
    for call in module.method_calls("from_pretrained"):
        dotted = module.dotted(call.func) or ""
        if not dotted.startswith("transformers."):
            continue
        device_map = argument(call, "device_map")
        if device_map is not None and _is_given(module, device_map):
            yield call, ("accelerate",), f"device_map={module.source(device_map)}"
        for name in ("load_in_8bit", "load_in_4bit"):
            if module.value(argument(call, name)) is True:
                yield call, ("bitsandbytes",), f"{name}=True"
    for call in module.calls("transformers.BitsAndBytesConfig"):
        for name in ("load_in_8bit", "load_in_4bit"):
            if module.value(argument(call, name)) is True:
                yield call, ("bitsandbytes",), f"BitsAndBytesConfig({name}=True)"
    for call in module.calls("transformers.Trainer", "transformers.TrainingArguments", "transformers.Seq2SeqTrainer"):
        yield call, ("accelerate",), f"{module.source(call.func)} with PyTorch"
    for call in module.calls("evaluate.load"):
        metric = module.value(argument(call, "path", 0))
        if isinstance(metric, str) and metric in _METRICS:
            yield call, _METRICS[metric], f"evaluate.load({metric!r})"
    for call in module.calls("pandas.read_parquet"):
        yield call, ("pyarrow", "fastparquet"), "pandas.read_parquet"
    for call in module.calls("pandas.read_excel"):
        yield call, ("openpyxl", "xlrd", "python-calamine", "odfpy"), "pandas.read_excel"
    for call in module.calls("optuna.visualization.*"):
        if not (module.dotted(call.func) or "").startswith("optuna.visualization.matplotlib"):
            yield call, ("plotly",), module.source(call.func)
    for node in module.nodes:
        if isinstance(node, ast.ImportFrom) and node.module == "torch.utils.tensorboard":
            yield node, ("tensorboard", "tensorboardx"), "torch.utils.tensorboard"


def _is_given(module: Module, node: ast.expr) -> bool:
    value = module.value(node)
    return value is not UNKNOWN and value is not None and not (isinstance(value, dict) and not value)
