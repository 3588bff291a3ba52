"""GL622: evaluate.py downloads a file of the run that training never uploads."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.engines.readback import Readback
from greenlight.review.engines.training import Training
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module, argument
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

# Files that W&B or a logged object uploads by itself.
_OWN = re.compile(
    r"^(media|artifact|code)/|^wandb-|^(output\.log|config\.yaml|requirements\.txt|diff\.patch|conda-environment\.yaml)$"
)
_UPLOADS = frozenset(
    {
        "save",
        "log_artifact",
        "log_code",
        "log_model",
        "upsert_artifact",
        "upload_file",
        "finish_artifact",
        "use_artifact",
    }
)


def _uploads(module: Module) -> bool:
    """Return whether anything in a file may upload a file: what cannot be told apart counts as such."""
    for node in module.nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _UPLOADS:
            name = module.dotted(node.func)
            if name is None or name.startswith("wandb."):
                return True
        elif isinstance(node, ast.Attribute) and node.attr == "dir" and "run" in ast.unparse(node.value).lower():
            return True  # what lies in the run's own folder is uploaded
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "WANDB_DIR" in node.value:
            return True
    return False


class FileNeverUploaded(Rule):
    """evaluate.py downloads a file from a run, but nothing in training hands W&B a file."""

    id = "GL622"
    name = "file-never-uploaded"
    criterion = Criterion.TRACKING
    severity = Severity.BLOCKER
    sentences = ("6.4", "8.4")
    summary = "evaluate.py downloads a file from a run, but nothing in training hands W&B a file."
    why = (
        "A file that lies on the training machine alone is not in W&B: run.file(name).download() raises an error for "
        "every run, and the evaluation writes nothing."
    )
    remedy = "Upload the file at the end of training with run.save or as an artifact."
    valid = (
        {
            "src/train.py": """
            import json
            import wandb

            def train(cfg, folder, answers):
                run = wandb.init(id=cfg.run_id, project=cfg.wandb.project)
                path = folder / "answers.json"
                path.write_text(json.dumps(answers), encoding="utf-8")
                run.save(str(path), base_path=str(folder), policy="now")
        """,
            "src/evaluate.py": """
            import wandb

            def answers(path, folder):
                return wandb.Api().run(path).file("answers.json").download(root=folder)
        """,
        },
        {
            "src/train.py": """
            import wandb

            def train(cfg):
                run = wandb.init(id=cfg.run_id, project=cfg.wandb.project)
                run.log({"answers": wandb.Table(columns=["answer"], data=[["4"]])})
        """,
            "src/evaluate.py": """
            import wandb

            def answers(path, folder):
                run = wandb.Api().run(path)
                return run.file("media/table/answers_0.table.json").download(root=folder), run.file("output.log")
        """,
        },
    )
    invalid = (
        {
            "src/train.py": """
            import json
            import torch
            import wandb

            def train(cfg, folder, model, answers):
                run = wandb.init(id=cfg.run_id, project=cfg.wandb.project)
                for step in range(10):
                    run.log({"step": step})
                torch.save(model.state_dict(), folder / "model.pt")
                (folder / "answers.json").write_text(json.dumps(answers), encoding="utf-8")
        """,
            "src/evaluate.py": """
            import wandb

            def answers(path, folder):
                run = wandb.Api().run(path)
                return run.file("answers.json").download(root=folder)
        """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong."""
        readback, training = subject.derived(Readback), subject.derived(Training)
        module = readback.module
        if module is None or not training.is_seen or not training.inits:
            return
        for call in module.method_calls("file"):
            if not (isinstance(call.func, ast.Attribute) and readback.kind(call.func.value) == "run"):
                continue
            name = module.value(argument(call, "name", 0))
            if not isinstance(name, str) or _OWN.search(name):
                continue
            around = list(module.ancestors(call))
            if any(isinstance(a, ast.Try | ast.If | ast.IfExp) for a in around):
                continue
            if not any(_uploads(m) for m in training.modules):
                yield self.at(
                    module,
                    call,
                    f"{name!r} is downloaded from the run, but training uploads no file to W&B: this raises an error",
                    f"write run.save(path of {name}, policy='now') at the end of training",
                )
            return
