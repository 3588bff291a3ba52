"""What a trial changes in the configuration, and what it leaves as long as a full run."""

from __future__ import annotations

import ast
import re
from typing import Any

from greenlight.review.engines.config_events import Write
from greenlight.review.engines.config_flow import ConfigFlow
from greenlight.review.engines.config_values import Path
from greenlight.review.module import UNKNOWN, Module, walk
from greenlight.review.subject import Subject

_MEASURES = re.compile(r"(^|_)(dev|val|valid|validation|test|eval|evaluation)(_|$)")
_EPOCHS = re.compile(r"^(num_|n_|max_|total_)?(train_|training_)?epochs$")
_STEPS = re.compile(r"^(num_|n_|max_|total_)?(train_|training_)?(steps|iterations|iters|updates|batches)$")
_QUESTIONS = re.compile(
    r"^(num_|n_|max_)?(dev|val|valid|validation|test|eval)_(examples|samples|batches|questions|problems|rows|subset)$"
)
_HARMLESS = re.compile(
    r"accum|batch_(size|bins|tokens|rows|examples)|interval|every|log_|logging|workers|checkpoint|save_|verbose|seed|"
    r"warmup"
)
_SMALL = 50
_KNOWN_WORDS = frozenset({"trial", "n_trials", "Trial", "best_trial", "trials", "FrozenTrial", "TRIAL", "get_trials"})


class TrialSettings:
    """The keys that a trial sets where a full run does not.

    Attributes
    ----------
    known
        Whether the whole of what the trial mode does is known: it only sets keys of the configuration.
    place
        The first place that sets one.
    epochs, steps, questions
        Keys that say how long is trained and how much is evaluated, that the code reads, and that a trial leaves as
        they are, with the value of a full run.
    sets_steps, sets_epochs, sets_questions, sets_others
        Whether the trial sets keys of that kind; `sets_others` are keys of which nobody knows what they limit.
    """

    def __init__(self, subject: Subject) -> None:
        self.flow = flow = subject.derived(ConfigFlow)
        self.place: Write | None = None
        self.epochs: dict[Path, Any] = {}
        self.steps: dict[Path, Any] = {}
        self.questions: dict[Path, Any] = {}
        self.sets_epochs = self.sets_steps = self.sets_questions = self.sets_others = False
        self.known = flow.known and flow.followed and not flow.gave_up
        self.known = self.known and all(module.error is None for module in subject.code)
        if not self.known:
            return
        trials = {s for s, scenario in enumerate(flow.scenarios) if scenario.mode == "trial"}
        writes = [
            w
            for w in flow.writes.values()
            if w.path and w.root.composed and w.scenarios and w.scenarios <= trials and not w.computed_key
        ]
        if not writes or any(w.guarded or w.scenarios != trials for w in writes):
            self.known = False
            return
        self.place = min(writes, key=lambda w: w.order)
        self.known = all(self._is_plain(module) for module in subject.code if "evaluate" not in module.path)
        for write in writes:
            self._sort(write)
        written = {w.path for w in writes}
        for path in flow.leaves - written:
            self._note_left(path)

    def _sort(self, write: Write) -> None:
        path, name = write.path, write.path[-1]
        if path[0] in ("wandb", "optuna") or (write.added and not self.flow.is_read(path)):
            return
        if _QUESTIONS.match(name):
            self.sets_questions = True
        elif _EPOCHS.match(name):
            self.sets_epochs = True
        elif _STEPS.match(name):
            self.sets_steps = True
        elif not (_HARMLESS.search(name) or _MEASURES.search(name) or path[0] in ("evaluation", "eval")):
            self.sets_others = True

    def _note_left(self, path: Path) -> None:
        if not path or path[0] in ("wandb", "optuna", "hydra", "defaults") or not self.flow.is_read(path):
            return
        values = [self._value(run, path) for run in self.flow.run_ids]
        if _QUESTIONS.match(path[-1]) and all(v is None or (_is_number(v) and v > _SMALL) for v in values):
            self.questions[path] = values[0]
        elif (path[0] in ("training", "train") or len(path) == 1) and all(v is None or _is_number(v) for v in values):
            if _EPOCHS.match(path[-1]) and all(v is None or v > 1 for v in values):
                self.epochs[path] = values[0]
            elif _STEPS.match(path[-1]) and all(v is not None and v > _SMALL for v in values):
                self.steps[path] = values[0]

    def _value(self, run_id: str, path: Path) -> Any:
        found = self.flow.subject.runs[run_id].get(*path, default=UNKNOWN)
        config = self.flow.subject.config
        return config.get(*path, default=UNKNOWN) if found is UNKNOWN and config is not None else found

    # -- what else the mode decides ----------------------------------------------------------------------------

    def _is_plain(self, module: Module) -> bool:
        """Return whether the code of a file does nothing for a trial but set keys."""
        for node in module.nodes:
            name = getattr(node, "id", getattr(node, "attr", ""))
            if isinstance(name, str) and "trial" in name.lower() and name not in _KNOWN_WORDS:
                return False
            if isinstance(node, ast.arg | ast.keyword) and "trial" in (node.arg or "") and node.arg not in _KNOWN_WORDS:
                return False
            if isinstance(node, ast.Constant) and node.value == "trial" and not self._only_sets(module, node):
                return False
        return True

    def _only_sets(self, module: Module, node: ast.Constant) -> bool:
        statement = module.statement(node)
        if isinstance(statement, ast.Assign | ast.AnnAssign | ast.Raise):
            # A list of the modes, a typed field, a message.
            return isinstance(statement, ast.Raise) or not any(
                isinstance(a, ast.Compare | ast.IfExp) for a in module.ancestors(node)
            )
        if not isinstance(statement, ast.If) or not isinstance(statement.test, ast.Compare):
            return False
        body = statement.body
        if all(self._sets(module, inner) for inner in body):
            return True
        return not any(self._may_limit(module, statement, part) for inner in body for part in walk(inner))

    @staticmethod
    def _sets(module: Module, statement: ast.stmt) -> bool:
        if isinstance(statement, ast.Assign):
            return all(isinstance(t, ast.Attribute | ast.Subscript) for t in statement.targets)
        call = statement.value if isinstance(statement, ast.Expr) else None
        if not isinstance(call, ast.Call):
            return isinstance(statement, ast.Pass)
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        return module.dotted(call.func) == "omegaconf.OmegaConf.update" or name in ("print", "info", "warning", "debug")

    @staticmethod
    def _may_limit(module: Module, branch: ast.If, node: ast.AST) -> bool:
        """Return whether something in a branch for the trial may make it shorter in another way."""
        if isinstance(node, ast.Break | ast.Continue | ast.Slice | ast.Assign | ast.AugAssign):
            return True
        if isinstance(node, ast.Constant):
            return isinstance(node.value, int | float) and not isinstance(node.value, bool)
        if not isinstance(node, ast.Call):
            return False
        name = module.dotted(node.func)
        if name is None or not name.startswith("src."):
            return name is None and not isinstance(node.func, ast.Name)
        outside = [c for c in module.calls(name) if branch not in module.ancestors(c)]
        return not outside  # a function that is called for trials alone


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
