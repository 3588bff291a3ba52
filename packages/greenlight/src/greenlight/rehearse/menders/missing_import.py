"""A name is used that was never imported, and that has one obvious origin."""

from __future__ import annotations

import ast
import re
import sys
import typing
from collections.abc import Mapping
from typing import ClassVar

from greenlight.rehearse.menders.edits import Change, changed
from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.menders.place import place
from greenlight.rehearse.observer.record import Raised
from greenlight.review.module import Module

_UNDEFINED = re.compile(r"^name '(\w+)' is not defined")
_KNOWN = {
    "np": "import numpy as np", "pd": "import pandas as pd", "plt": "import matplotlib.pyplot as plt",
    "sns": "import seaborn as sns", "nn": "import torch.nn as nn", "F": "import torch.nn.functional as F",
    "optim": "import torch.optim as optim", "dist": "import torch.distributed as dist",
    "mp": "import multiprocessing as mp",
    "torch": "import torch", "wandb": "import wandb", "hydra": "import hydra", "optuna": "import optuna",
    "numpy": "import numpy", "pandas": "import pandas", "transformers": "import transformers",
    "datasets": "import datasets", "yaml": "import yaml", "scipy": "import scipy", "stats": "from scipy import stats",
    "OmegaConf": "from omegaconf import OmegaConf", "DictConfig": "from omegaconf import DictConfig",
    "ListConfig": "from omegaconf import ListConfig", "open_dict": "from omegaconf import open_dict",
    "get_original_cwd": "from hydra.utils import get_original_cwd",
    "to_absolute_path": "from hydra.utils import to_absolute_path", "tqdm": "from tqdm import tqdm",
    "DataLoader": "from torch.utils.data import DataLoader", "Dataset": "from torch.utils.data import Dataset",
    "TensorDataset": "from torch.utils.data import TensorDataset", "Subset": "from torch.utils.data import Subset",
    "random_split": "from torch.utils.data import random_split", "Tensor": "from torch import Tensor",
    "pad_sequence": "from torch.nn.utils.rnn import pad_sequence", "AdamW": "from torch.optim import AdamW",
    "Adam": "from torch.optim import Adam", "SGD": "from torch.optim import SGD",
    "load_dataset": "from datasets import load_dataset", "Path": "from pathlib import Path",
    "defaultdict": "from collections import defaultdict", "Counter": "from collections import Counter",
    "deque": "from collections import deque", "OrderedDict": "from collections import OrderedDict",
    "partial": "from functools import partial", "reduce": "from functools import reduce",
    "lru_cache": "from functools import lru_cache", "deepcopy": "from copy import deepcopy",
    "dataclass": "from dataclasses import dataclass", "field": "from dataclasses import field",
    "asdict": "from dataclasses import asdict", "contextmanager": "from contextlib import contextmanager",
    "nullcontext": "from contextlib import nullcontext", "datetime": "from datetime import datetime",
    "AutoTokenizer": "from transformers import AutoTokenizer", "AutoModel": "from transformers import AutoModel",
    "AutoModelForCausalLM": "from transformers import AutoModelForCausalLM",
    "AutoConfig": "from transformers import AutoConfig", "LoraConfig": "from peft import LoraConfig",
    "get_peft_model": "from peft import get_peft_model",
    "get_linear_schedule_with_warmup": "from transformers import get_linear_schedule_with_warmup",
    "get_cosine_schedule_with_warmup": "from transformers import get_cosine_schedule_with_warmup",
    "accuracy_score": "from sklearn.metrics import accuracy_score", "f1_score": "from sklearn.metrics import f1_score",
    "confusion_matrix": "from sklearn.metrics import confusion_matrix",
}  # fmt: skip


class MissingImport(Mender):
    """``np.mean`` without ``import numpy as np``."""

    name: ClassVar[str] = "missing-import"

    def mend(self, raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
        """Return the files with the import."""
        found = _UNDEFINED.search(raised.root_message)
        where = place(raised, files)
        if raised.root_type != "NameError" or found is None or where is None:
            return None
        name = found[1]
        line = _KNOWN.get(name) or _own(name, where.module, files)
        if line is None and name in typing.__all__:
            line = f"from typing import {name}"
        if line is None and name in sys.stdlib_module_names:
            line = f"import {name}"
        if line is None:
            return None
        change = _first_line(where.module, line)
        return Mended(changed(files, where.module.path, [change]), f"{where.module.path}: {line}")


def _own(name: str, module: Module, files: Mapping[str, bytes]) -> str | None:
    """Return the import of what one other file of the experiment defines, unless that one imports this one."""
    homes = []
    for path, content in files.items():
        if path.startswith("src/") and path.endswith(".py") and path != module.path:
            other = Module(path, content)
            if name in other.top_level and not any(s.startswith(module.name) for s in other.imports.values()):
                homes.append(other.name)
    return f"from {homes[0]} import {name}" if len(homes) == 1 else None


def _first_line(module: Module, line: str) -> Change:
    """Return the insertion behind the docstring and the imports from the future."""
    at = 1
    for statement in module.tree.body:
        is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if not is_text and not (isinstance(statement, ast.ImportFrom) and statement.module == "__future__"):
            at = min([statement.lineno, *(d.lineno for d in getattr(statement, "decorator_list", ()))])
            break
        at = (statement.end_lineno or 0) + 1
    return Change(at, 0, at, 0, f"{line}\n")
