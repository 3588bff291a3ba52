"""What the training half of an experiment does with W&B: where it starts runs, logs, and writes summaries."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property

from greenlight.review.engines.flow import Flow
from greenlight.review.engines.unseen import words, works_elsewhere
from greenlight.review.module import Module, argument
from greenlight.review.subject import Subject

# Whoever uses one of these has W&B written by a library.
_LIBRARIES = """
    trainer seq2seqtrainer sfttrainer dpotrainer report_to wandblogger wandbcallback wandbmetricslogger init_trackers
    log_with sync_tensorboard trainingarguments lightningmodule get_tracker wandbmodelcheckpoint
"""
_INTEGRATIONS = frozenset(_LIBRARIES.split())


@dataclass(frozen=True)
class Place:
    """A node of a file."""

    module: Module
    node: ast.AST


class Training:
    """Every file but src/evaluate.py, as far as it deals with W&B.

    Attributes
    ----------
    modules
        The files; a file that is missing, blank or broken is not among them.
    is_seen
        Whether src/train.py can be read and nothing else that may track is hidden from a review.
    """

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.flow = subject.derived(Flow)
        everything = [m for m in subject.code if m.path != "src/evaluate.py"]
        self.modules = tuple(m for m in everything if m.error is None and not m.is_blank)
        self.train = subject.module("src/train.py")
        self.is_seen = (
            self.train is not None
            and all(m.error is None for m in everything)
            and not works_elsewhere(subject, *self.modules)
            and not any(words(m) & _INTEGRATIONS for m in self.modules)
        )

    @cached_property
    def inits(self) -> tuple[Place, ...]:
        """The calls of ``wandb.init``."""
        return tuple(Place(m, call) for m in self.modules for call in m.calls("wandb.init", "wandb.sdk.init"))

    @cached_property
    def logs(self) -> tuple[Place, ...]:
        """The calls that log a row: ``wandb.log``, ``run.log``, ``self.run.log``; those of loggers are left out."""
        found = []
        for module in self.modules:
            for call in module.method_calls("log"):
                dotted = module.dotted(call.func)
                if dotted in ("wandb.log", "wandb.run.log") or (dotted is None and self._may_be_a_row(module, call)):
                    found.append(Place(module, call))
        return tuple(found)

    def _may_be_a_row(self, module: Module, call: ast.Call) -> bool:
        receiver = ast.unparse(call.func.value).lower() if isinstance(call.func, ast.Attribute) else ""
        if "logger" in receiver or receiver in ("log", "logging", "math", "torch", "np", "self"):
            return False
        given = call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "data"), None)
        return not isinstance(given, ast.Constant) and not (
            given is not None and isinstance(module.dotted(given), str) and module.dotted(given) == "logging.INFO"
        )

    @cached_property
    def summaries(self) -> tuple[Place, ...]:
        """Everything that touches a summary: an attribute ``.summary`` of anything."""
        return tuple(
            Place(m, node)
            for m in self.modules
            for node in m.nodes
            if isinstance(node, ast.Attribute) and node.attr in ("summary", "summarise", "summarize")
        )

    @cached_property
    def optimize(self) -> tuple[Place, ...]:
        """The calls ``study.optimize(...)`` of files that import Optuna."""
        return tuple(
            Place(m, call)
            for m in self.modules
            if any(name.partition(".")[0] == "optuna" for name in m.imports.values())
            for call in m.method_calls("optimize")
            if call.args or call.keywords
        )

    @cached_property
    def objectives(self) -> tuple[tuple[Place, Module, ast.AST], ...]:
        """Each start of a search with the own function that it runs, seen through a lambda or ``functools.partial``."""
        found = []
        harness = [Place(m, call) for m in self.modules for call in m.calls("greenlight.harness.search.search")]
        for place in (*self.optimize, *harness):
            call = place.node
            assert isinstance(call, ast.Call)
            if place in harness:
                given = argument(call, "objective", 2)
            else:
                given = call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "func"), None)
            if isinstance(given, ast.Name) and self.flow.function(place.module, given) is None:
                given = place.module.assigned(given) or given
            if isinstance(given, ast.Call) and place.module.dotted(given.func) == "functools.partial" and given.args:
                given = given.args[0]
            if isinstance(given, ast.Lambda) and isinstance(given.body, ast.Call):
                given = given.body.func
            if given is None:
                continue
            target = self.flow.function(place.module, given)
            if target is not None:
                found.append((place, target[0], target[1]))
        return tuple(found)
