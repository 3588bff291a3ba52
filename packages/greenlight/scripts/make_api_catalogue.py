"""Make the catalogue of what public libraries have, from the releases that are installed.

Run it from the workspace: ``python packages/greenlight/scripts/make_api_catalogue.py``.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import json
import pkgutil
import platform
import re
import types
import warnings
from pathlib import Path

OUT = Path(__file__).resolve().parents[1] / "src" / "greenlight" / "review" / "engines" / "catalogue"

_STANDARD = ("json", "time", "os", "math", "random", "sys", "subprocess", "re", "copy", "shutil", "itertools",
             "functools", "collections")  # fmt: skip

# Import name -> (distribution, modules, classes, functions and classes whose keyword arguments are wanted).
WANTED: dict[str, tuple[str | None, str, str, str]] = {
    "torch": (
        "torch",
        "torch torch.nn torch.nn.functional torch.nn.init torch.nn.utils torch.nn.utils.rnn torch.optim "
        "torch.optim.lr_scheduler torch.utils.data torch.amp torch.cuda torch.cuda.amp torch.autograd torch.linalg "
        "torch.distributions torch.random",
        "torch.Tensor torch.nn.Module",
        "torch.optim.AdamW torch.optim.Adam torch.optim.SGD torch.optim.RMSprop torch.optim.Adagrad torch.save "
        "torch.load "
        "torch.optim.lr_scheduler.* torch.utils.data.* torch.nn.* torch.nn.functional.cross_entropy "
        "torch.nn.functional.softmax torch.nn.functional.log_softmax torch.nn.functional.kl_div "
        "torch.nn.functional.mse_loss torch.nn.functional.dropout torch.nn.functional.normalize "
        "torch.nn.utils.clip_grad_norm_ torch.nn.utils.rnn.pad_sequence torch.autocast torch.amp.GradScaler",
    ),
    "transformers": (
        "transformers",
        "transformers",
        "",
        "transformers.get_scheduler transformers.get_linear_schedule_with_warmup transformers.set_seed "
        "transformers.get_cosine_schedule_with_warmup transformers.TrainingArguments transformers.Trainer "
        "transformers.DataCollatorWithPadding transformers.DataCollatorForLanguageModeling "
        "transformers.DataCollatorForSeq2Seq transformers.default_data_collator",
    ),
    "datasets": ("datasets", "datasets", "",
                 "datasets.concatenate_datasets datasets.load_from_disk datasets.Dataset.map "
                 "datasets.Dataset.train_test_split"),
    "wandb": ("wandb", "wandb wandb.data_types wandb.apis wandb.apis.public", "wandb.Run wandb.Api",
              "wandb.init wandb.log wandb.finish wandb.login wandb.Table wandb.Image wandb.Histogram wandb.watch"),
    "optuna": ("optuna", "optuna optuna.samplers optuna.pruners optuna.trial optuna.study optuna.visualization "
               "optuna.importance optuna.storages optuna.logging", "optuna.study.Study optuna.trial.Trial",
               "optuna.create_study optuna.load_study optuna.study.Study.optimize optuna.samplers.TPESampler "
               "optuna.samplers.RandomSampler optuna.pruners.MedianPruner optuna.trial.Trial.suggest_float "
               "optuna.trial.Trial.suggest_int optuna.trial.Trial.suggest_categorical"),
    "hydra": ("hydra-core", "hydra hydra.utils hydra.core.hydra_config", "",
              "hydra.main hydra.compose hydra.initialize"),
    "omegaconf": ("omegaconf", "omegaconf", "omegaconf.OmegaConf",
                  "omegaconf.OmegaConf.to_container omegaconf.OmegaConf.load omegaconf.OmegaConf.save "
                  "omegaconf.OmegaConf.update omegaconf.OmegaConf.select omegaconf.OmegaConf.set_struct "
                  "omegaconf.OmegaConf.to_yaml omegaconf.OmegaConf.resolve"),
    "peft": ("peft", "peft", "", "peft.LoraConfig peft.get_peft_model peft.prepare_model_for_kbit_training"),
    "accelerate": ("accelerate", "accelerate", "", "accelerate.Accelerator"),
    "numpy": ("numpy", "numpy numpy.random numpy.linalg", "",
              "numpy.mean numpy.std numpy.var numpy.median numpy.percentile numpy.polyfit numpy.savez "
              "numpy.array_split"),
    "pandas": ("pandas", "pandas", "",
               "pandas.concat pandas.read_csv pandas.DataFrame pandas.Series pandas.merge pandas.to_numeric "
               "pandas.DataFrame.to_csv pandas.DataFrame.to_json"),
    "sklearn": ("scikit-learn", "sklearn.metrics sklearn.model_selection sklearn.preprocessing", "",
                "sklearn.metrics.* sklearn.model_selection.train_test_split sklearn.model_selection.KFold "
                "sklearn.model_selection.StratifiedKFold"),
    "scipy": ("scipy", "scipy.stats scipy.special scipy.optimize", "", "scipy.stats.* scipy.optimize.minimize"),
    "matplotlib": ("matplotlib", "matplotlib matplotlib.pyplot", "", ""),
    "tqdm": ("tqdm", "tqdm", "", ""),
    **{name: (None, name, "", "") for name in _STANDARD},
    "pathlib": (None, "pathlib", "", ""),
}  # fmt: skip


def names_of(value: object) -> set[str]:
    """Return what a module or class has, submodules included."""
    found = {name for name in dir(value) if not name.startswith("_")}
    if isinstance(value, types.ModuleType):
        found |= {name for name in vars(value) if not name.startswith("_")}
        found |= {name for name in getattr(value, "__all__", ()) if not name.startswith("_")}
        if hasattr(value, "__path__"):
            found |= {info.name for info in pkgutil.iter_modules(value.__path__) if not info.name.startswith("_")}
    for kind in getattr(value, "__mro__", ()):
        # What a constructor gives its instances.
        try:
            text = inspect.getsource(kind)
        except (OSError, TypeError):
            continue
        found |= set(re.findall(r"self\.([A-Za-z]\w*)\s*(?::[^=\n]*)?=[^=]", text))
        found |= {name for name in getattr(kind, "__annotations__", {}) if not name.startswith("_")}
    return found


def keywords_of(value: object) -> str | None:
    """Return the keyword arguments of a function or class that takes no others."""
    try:
        signature = inspect.signature(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    kinds = {parameter.kind for parameter in signature.parameters.values()}
    if kinds & {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}:
        return None
    return " ".join(
        name
        for name, parameter in signature.parameters.items()
        if parameter.kind is not inspect.Parameter.POSITIONAL_ONLY
    )


def found(dotted: str) -> object:
    """Return the object of a full dotted name."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        try:
            value: object = importlib.import_module(".".join(parts[:length]))
        except ImportError:
            continue
        for part in parts[length:]:
            value = getattr(value, part)
        return value
    raise ImportError(dotted)


def main() -> None:
    """Write one file for each library."""
    warnings.simplefilter("ignore")
    OUT.mkdir(exist_ok=True)
    for top, (distribution, modules, classes, callables) in WANTED.items():
        names = {name: " ".join(sorted(names_of(found(name)))) for name in (*modules.split(), *classes.split())}
        keywords = {}
        for pattern in callables.split():
            if pattern.endswith(".*"):
                around = found(pattern[:-2])
                every = [f"{pattern[:-2]}.{n}" for n in names_of(around) if callable(getattr(around, n, None))]
            else:
                every = [pattern]
            for name in sorted(every):
                words = keywords_of(found(name))
                if words is not None:
                    keywords[name] = words
        version = importlib.metadata.version(distribution) if distribution else platform.python_version()
        text = json.dumps({"version": version, "names": names, "keywords": keywords}, separators=(",", ":"))
        (OUT / f"{top}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
