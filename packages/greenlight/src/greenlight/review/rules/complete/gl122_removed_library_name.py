"""GL122: a name is used that the library had once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from greenlight.review.criteria import Criterion
from greenlight.review.engines.library import Library
from greenlight.review.engines.library_uses import LibraryUses
from greenlight.review.engines.requirements import Requirements, samples
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

# Owner, name, distribution, the first release without it, what to use.
_REMOVED = (
    ("wandb.Run", "get_url", "wandb", "0.31.0", "the property url"),
    ("wandb.Run", "get_project_url", "wandb", "0.31.0", "the property project_url"),
    ("scipy.stats", "binom_test", "scipy", "1.12.0", "scipy.stats.binomtest(...).pvalue"),
    ("datasets", "load_metric", "datasets", "3.0.0", "evaluate.load"),
    ("numpy", "float", "numpy", "1.24.0", "float"),
    ("numpy", "int", "numpy", "1.24.0", "int"),
    ("numpy", "object", "numpy", "1.24.0", "object"),
    ("numpy", "float_", "numpy", "2.0.0", "numpy.float64"),
    ("numpy", "Inf", "numpy", "2.0.0", "numpy.inf"),
    ("numpy", "NaN", "numpy", "2.0.0", "numpy.nan"),
    ("numpy", "product", "numpy", "2.0.0", "numpy.prod"),
    ("matplotlib.cm", "get_cmap", "matplotlib", "3.9.0", "matplotlib.colormaps[name]"),
    ("matplotlib.pyplot.cm", "get_cmap", "matplotlib", "3.9.0", "matplotlib.colormaps[name]"),
    ("sklearn.metrics", "plot_confusion_matrix", "scikit-learn", "1.2", "ConfusionMatrixDisplay.from_predictions"),
    ("sklearn.metrics", "plot_roc_curve", "scikit-learn", "1.2", "RocCurveDisplay.from_predictions"),
    ("sklearn.datasets", "load_boston", "scikit-learn", "1.2", "another data set"),
)


class RemovedLibraryName(Rule):
    """A name that the releases which pyproject.toml asks for no longer have."""

    id = "GL122"
    name = "removed-library-name"
    criterion = Criterion.COMPLETE
    severity = Severity.BLOCKER
    sentences = ("1.2", "5.4")
    summary = "A name is used that the library had once and has removed."
    why = (
        "Much of what is written about a library is about an older release. Where every release that is asked for "
        "lacks the name, the line fails; where the requirement cannot be read at all, it fails with today's release."
    )
    remedy = "Use what has replaced it."
    valid = (
        {
            "pyproject.toml": '[project]\nname = "a"\nversion = "1"\ndependencies = ["numpy<2", "wandb"]\n',
            "src/train.py": """
                import numpy as np
                import wandb

                run = wandb.init()
                print(run.url, np.Inf)
            """,
        },
    )
    invalid = (
        {
            "pyproject.toml": '[project]\nname = "a"\nversion = "1"\ndependencies = ["numpy==2.1.3"]\n',
            "src/train.py": "import numpy as np\n\nbest = -np.Inf\n",
        },
        {
            "pyproject.toml": '[project]\nname = "a"\nversion = "1"\ndependencies = ["wandb^0.16"]\n',
            "src/train.py": "import wandb\n\nrun = wandb.init()\nprint(run.get_url())\n",
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each name and file."""
        requirements, library = subject.derived(Requirements), subject.derived(Library)
        removed = {(owner, name): rest for owner, name, *rest in _REMOVED}
        told: set[tuple[str, str]] = set()
        for use in subject.derived(LibraryUses).uses:
            entry = removed.get((use.owner, use.name))
            if entry is None or (use.module.path, use.name) in told:
                continue
            distribution, since, better = entry
            names = library.attributes(use.owner)
            if names and use.name not in names and library.is_declared_new(use.top):
                continue  # told by the rule about names that a library does not have
            declared = requirements.of(distribution)
            readable = all(one.valid for one in declared)
            ranges = [one.allowed for one in declared if one.allowed is not None]
            if readable and (not ranges or _admits_older(ranges, since)):
                continue
            told.add((use.module.path, use.name))
            yield self.at(
                use.module,
                use.node,
                f"{use.owner} has no {use.name} as of {distribution} {since}",
                f"use {better}",
                severity=Severity.BLOCKER if readable else Severity.MINOR,
                confidence="proven" if readable else "likely",
            )


def _admits_older(ranges: Sequence[SpecifierSet], since: str) -> bool:
    tried = [version for version in samples(*ranges, SpecifierSet(f"<{since}")) if version < Version(since)]
    return any(all(one.contains(version, prereleases=True) for one in ranges) for version in tried)
