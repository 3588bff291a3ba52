"""GL602: the W&B run has another id than the experiment's run."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.readback import Readback
from greenlight.review.engines.training import Training
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, argument, has_open_arguments, walk
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_RANDOM = {
    "wandb.util.generate_id", "wandb.sdk.lib.runid.generate_id", "uuid.uuid4", "uuid.uuid1", "time.time",
    "time.strftime", "datetime.datetime.now", "datetime.datetime.utcnow", "secrets.token_hex",
}  # fmt: skip


def _settings(module: Module) -> set[str]:
    """Return in which other ways a file names the id: the environment, or wandb.Settings(run_id=...)."""
    found = {"wandb_run_id"} if "WANDB_RUN_ID" in module.text else set()
    for call in module.calls("wandb.Settings"):
        found |= {"run_id" for k in call.keywords if k.arg in ("run_id", None)}
    return found


def _random(module: Module, node: ast.expr, depth: int = 4) -> str | None:
    for inner in walk(node):
        if isinstance(inner, ast.Call) and module.dotted(inner.func) in _RANDOM:
            return module.dotted(inner.func)
        if isinstance(inner, ast.Name) and depth:
            value = module.assigned(inner)
            if value is not None and (made := _random(module, value, depth - 1)):
                return made
    return None


class RunIdNotGiven(Rule):
    """The W&B run gets a random id, so evaluate.py cannot find it by the run's id."""

    id = "GL602"
    name = "run-id-not-given"
    criterion = Criterion.TRACKING
    severity = Severity.BLOCKER
    sentences = ("6.1", "8.4")
    summary = "The W&B run gets a random id, so evaluate.py cannot find it by the run's id."
    why = (
        "api.run('entity/project/<run_id>') finds a run by its id alone; name= is only what the web page "
        "shows. Without id= W&B invents eight letters."
    )
    remedy = "Pass id=cfg.run_id to wandb.init."
    valid = (
        {
            "src/train.py": """
            import wandb

            def start(cfg):
                return wandb.init(project=cfg.wandb.project, entity=cfg.wandb.entity, id=cfg.run_id, name=cfg.run_id)
        """,
        },
        {
            "src/train.py": """
            import wandb

            def start(cfg):
                return wandb.init(project=cfg.wandb.project, entity=cfg.wandb.entity, name=cfg.run_id)
        """,
            "src/evaluate.py": """
            import wandb

            def find(path, run_id):
                return wandb.Api().runs(path, filters={"display_name": run_id})[0]
        """,
        },
    )
    invalid = (
        {
            "src/train.py": """
            import wandb

            def start(cfg):
                return wandb.init(project=cfg.wandb.project, entity=cfg.wandb.entity, name=cfg.run_id)
        """,
        },
        {
            "src/train.py": """
            import time
            import wandb

            def start(cfg):
                stamp = time.strftime("%Y%m%d-%H%M%S")
                wandb.init(project=cfg.wandb.project, entity=cfg.wandb.entity, id=f"{cfg.run_id}-{stamp}")
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        training = subject.derived(Training)
        readback = subject.derived(Readback)
        is_hidden = readback.module is not None and not readback.is_seen
        if is_hidden or "display_name" in readback.words or "runs" in readback.words:
            return
        if any({"wandb_run_id", "run_id"} & _settings(m) for m in training.modules):
            return
        given = [(p.module, p.node, argument(p.node, "id")) for p in training.inits if isinstance(p.node, ast.Call)]
        if any(isinstance(node, ast.Call) and has_open_arguments(node) for _, node, _ in given):
            return
        if given and all(value is None for _, _, value in given):
            module, node, _ = given[0]
            yield self.at(
                module,
                node,
                f"{module.source(node)} has no id: evaluate.py looks for the run under its run_id and finds none",
                "add id=cfg.run_id",
            )
        for module, node, value in given:
            made = None if value is None else _random(module, value)
            if value is not None and made is not None and len(given) == 1:
                yield self.at(
                    module,
                    node,
                    f"the W&B id {module.source(value)} comes from {made}: evaluate.py cannot know it",
                    "pass id=cfg.run_id as it is",
                )
