"""GL120: a name is taken from a library that does not have it."""

from __future__ import annotations

import ast
import difflib
import sys
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.library import Library
from greenlight.review.engines.library_uses import LibraryUses
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

# What later Pythons than the catalogue's have.
_NEWER = frozenset({"batched", "process_cpu_count", "monitoring", "sumprod", "fma", "binomialvariate", "replace",
                    "UnsupportedOperation", "Placeholder", "setns", "unshare"})  # fmt: skip


# What plug-ins add to torch; constants in capitals depend on the operating system.
_PLUGINS = frozenset({"npu", "mlu", "musa", "sdaa", "hpu", "xla", "xpu", "gcu", "tpu"})


class MissingLibraryName(Rule):
    """A function, class or method that the library does not have in the release that would be installed."""

    id = "GL120"
    name = "missing-library-name"
    criterion = Criterion.COMPLETE
    severity = Severity.BLOCKER
    sentences = ("1.2", "4.6", "5.4")
    summary = "A function, class or method is used that the library does not have."
    why = (
        "Generated code calls what a library could have (OmegaConf.deepcopy), had once (scipy.stats.binom_test), or "
        "has elsewhere. It is an ImportError or AttributeError when the line is reached; inside of a handler that "
        "passes, the code is dead. Names are compared with the catalogue of an installed release, and only where "
        "pyproject.toml admits that release."
    )
    remedy = "Use a name that the library has."
    valid = (
        {
            "pyproject.toml": '[project]\nname = "a"\nversion = "1"\ndependencies = ["scipy>=1.9,<1.12", "torch"]\n',
            "src/evaluate.py": """
                import torch
                import torch.nn.functional as F
                from scipy.stats import binom_test
                from transformers import AutoModelForCausalLM

                def tell(p):
                    torch.cuda.synchronize()
                    if hasattr(torch, "accelerator_of_tomorrow"):
                        torch.accelerator_of_tomorrow()
                    return F.softmax(torch.zeros(3), -1).cpu(), binom_test(p)
            """,
        },
    )
    invalid = (
        {
            "src/train.py": """
                from omegaconf import OmegaConf

                def copy_of(config):
                    return OmegaConf.copy_deeply(config)
            """
        },
        {
            "src/preprocess.py": """
                import torch

                def pad(rows):
                    batch = torch.stack(rows)
                    return batch.pad_to(8)
            """
        },
        {"src/evaluate.py": "from scipy.stats import binom_test\n\nprint(binom_test(3, 5))\n"},
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each name and file."""
        library = subject.derived(Library)
        told: set[tuple[str, str, str]] = set()
        for use in subject.derived(LibraryUses).uses:
            names = library.attributes(use.owner)
            if not names or use.name in names or use.name.startswith("_") or use.name in _NEWER:
                continue
            if use.name in _PLUGINS or (use.name.isupper() and use.top in sys.stdlib_module_names):
                continue
            if library.attributes(f"{use.owner}.{use.name}") or (use.module.path, use.owner, use.name) in told:
                continue
            if not library.is_declared_new(use.top):
                continue
            told.add((use.module.path, use.owner, use.name))
            close = difflib.get_close_matches(use.name, names, n=1, cutoff=0.75)
            dead = any(isinstance(around, ast.Try) for around in use.module.ancestors(use.node))
            what = f"{use.owner} has no {use.name} (release {library.version(use.top)})"
            yield self.at(
                use.module,
                use.node,
                what + (": the handler hides that this code never runs" if dead else ""),
                f"{use.owner} has {close[0]}" if close else f"use what {use.owner} has",
                severity=Severity.MINOR if dead else Severity.BLOCKER,
            )
