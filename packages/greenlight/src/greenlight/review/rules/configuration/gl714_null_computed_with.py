"""GL714: a value that is null is computed with."""

from __future__ import annotations

from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.config_flow import ConfigFlow
from greenlight.review.engines.config_values import dotted_key
from greenlight.review.finding import Finding, Severity
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_MAIN = """
    import hydra

    from src.train import train


    @hydra.main(version_base=None, config_path="../config", config_name="config")
    def main(cfg):
        train(cfg)


    if __name__ == "__main__":
        main()
"""
_CONFIG = """
    defaults:
      - _self_
      - run: ???
    results_dir: ???
    mode: ???
    training:
      minutes: null
      patience: null
"""
_SHORT = """
    # @package _global_
    run_id: a
    training:
      minutes: 30
"""
_OPEN = """
    # @package _global_
    run_id: b
    training:
      patience: 3
"""


class NullComputedWith(Rule):
    """A value that is null is computed with."""

    id = "GL714"
    name = "null-computed-with"
    criterion = Criterion.CONFIGURATION
    severity = Severity.BLOCKER
    sentences = ("7.3",)
    summary = "A run leaves a value null that the code multiplies or compares: TypeError."
    why = (
        "null in YAML is None in Python. 60 * cfg.training.minutes and step >= cfg.training.max_steps raise TypeError "
        "for every run that does not set the key, often after minutes of loading."
    )
    remedy = "Give the key a number in the run file, or ask for None before computing with it."
    valid = (
        {
            "src/main.py": _MAIN,
            "src/train.py": """
                import time


                def train(cfg):
                    started = time.monotonic()
                    limit = None if cfg.training.minutes is None else 60 * cfg.training.minutes
                    for step, batch in enumerate(batches()):
                        learn(batch)
                        if cfg.training.patience is not None and step > cfg.training.patience:
                            break
                        if limit is not None and time.monotonic() - started > limit:
                            break
            """,
            "config/config.yaml": _CONFIG,
            "config/run/a.yaml": _SHORT,
            "config/run/b.yaml": _OPEN,
        },
        {
            "src/main.py": _MAIN,
            "src/train.py": """
                def train(cfg):
                    seconds = 60 * (cfg.training.minutes or 10)
                    try:
                        rounds = 2 * cfg.training.patience
                    except TypeError:
                        rounds = 10
                    fit(seconds, rounds)
            """,
            "config/config.yaml": _CONFIG,
            "config/run/a.yaml": _SHORT,
            "config/run/b.yaml": _OPEN,
        },
    )
    invalid = (
        {
            "src/main.py": _MAIN,
            "src/train.py": """
                def train(cfg):
                    fit(seconds=60 * cfg.training.minutes)
            """,
            "config/config.yaml": _CONFIG,
            "config/run/a.yaml": _SHORT,
            "config/run/b.yaml": _OPEN,
        },
        {
            "src/main.py": _MAIN,
            "src/train.py": """
                def train(cfg):
                    fit(lambda step: True, waits(cfg.training))


                def waits(section):
                    bad = 0
                    for loss in losses():
                        bad += 1
                        if bad > section.patience:
                            return bad
                    return 0
            """,
            "config/config.yaml": _CONFIG,
            "config/run/a.yaml": _SHORT,
            "config/run/b.yaml": _OPEN,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each key, at the first place that computes with it."""
        flow = subject.derived(ConfigFlow)
        if not flow.known:
            raise NotApplicable("how the configuration is composed cannot be told from the files")
        told: set[tuple[str, ...]] = set()
        for null in flow.nulls.values():
            if null.path in told:
                continue
            told.add(null.path)
            runs = flow.runs_of(null.scenarios)
            key = dotted_key(null.path)
            more = f" and {len(runs) - 1} more" if runs[1:] else ""
            text = f"{key} is null in {runs[0]}{more} and is computed with here: TypeError"
            yield self.at(null.module, null.node, text, f"set {key} in {subject.runs[runs[0]].path}")
