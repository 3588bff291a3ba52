"""GL713: PyYAML reads a number with an exponent as text."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import walk
from greenlight.review.rule import NotApplicable, Rule
from greenlight.review.subject import Subject

_VALUE = re.compile(r"^\s*(?P<key>[A-Za-z_]\w*):\s+(?P<value>[-+]?\d+[eE][-+]?\d+)\s*(?:#.*)?$")


def _pointed(value: str) -> str:
    mantissa, exponent = re.split("[eE]", value)
    return f"{mantissa}.0e{exponent if exponent[0] in '+-' else '+' + exponent}"


class ExponentReadAsText(Rule):
    """PyYAML reads a number with an exponent as text."""

    id = "GL713"
    name = "exponent-read-as-text"
    criterion = Criterion.CONFIGURATION
    severity = Severity.BLOCKER
    sentences = ("7.3",)
    summary = "PyYAML reads 2e-4 as the text '2e-4', so the learning rate is no number."
    why = (
        "YAML 1.1 wants a point in a float: yaml.safe_load gives a number for 2.0e-4 and a text for 2e-4, "
        "while Hydra and OmegaConf.load give a number for both."
    )
    remedy = "Load the file with OmegaConf.load, or write 2.0e-4."
    valid = (
        {
            "src/train.py": """
                import yaml


                def train(run_id):
                    with open(f"config/runs/{run_id}.yaml") as file:
                        settings = yaml.safe_load(file)
                    return 2 * settings["training"]["lr"]
            """,
            "config/runs/a.yaml": """
                training:
                  lr: 2.0e-4
            """,
        },
        {
            "src/train.py": """
                import yaml


                def train(run_id):
                    with open(f"config/runs/{run_id}.yaml") as file:
                        settings = yaml.safe_load(file)
                    return 2 * float(settings["training"]["lr"])
            """,
            "config/runs/a.yaml": """
                training:
                  lr: 2e-4
            """,
        },
        {
            "src/main.py": """
                from pathlib import Path

                import hydra
                from omegaconf import OmegaConf

                from src.train import train


                @hydra.main(version_base=None, config_path="../config", config_name="config")
                def main(cfg):
                    OmegaConf.set_struct(cfg, False)
                    run_file = Path(__file__).parents[1] / "config" / "runs" / f"{cfg.run}.yaml"
                    cfg = OmegaConf.merge(cfg, OmegaConf.load(run_file))
                    train(cfg)


                if __name__ == "__main__":
                    main()
            """,
            "src/train.py": """
                def train(cfg):
                    model = build(cfg.model)
                    optimizer = make(model, cfg.training.lr, cfg.training.warmup_steps)
                    fit(model, optimizer, load(cfg.dataset.name))


                def build(model):
                    return Net(model.name, model["hidden"])
            """,
            "config/config.yaml": """
                run: ???
                results_dir: ???
                mode: ???
            """,
            "config/runs/a.yaml": """
                run_id: a
                method: proposed
                model:
                  name: resnet18
                  hidden: 64
                dataset:
                  name: cifar10
                training:
                  lr: 1e-1
                  warmup_steps: 100
            """,
        },
    )
    invalid = (
        {
            "src/train.py": """
                import yaml


                def train(run_id):
                    with open(f"config/runs/{run_id}.yaml") as file:
                        settings = yaml.safe_load(file)
                    return 2 * settings["training"]["lr"]
            """,
            "config/runs/a.yaml": """
                training:
                  lr: 2e-4
            """,
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each run file that a PyYAML loader misreads, at the first such value."""
        loaders = []
        for module in subject.code:
            if module.path == "src/evaluate.py":
                continue
            for call in module.calls("yaml.safe_load", "yaml.load", "yaml.full_load", "yaml.unsafe_load"):
                around = module.function_around(call)
                constants = [n.value for n in walk(around or call) if isinstance(n, ast.Constant)]
                strings = [text for text in constants if isinstance(text, str)]
                if any("runs" in text.split("/") or "config/run" in text for text in strings):
                    loaders.append((module, call))
        if not loaders:
            raise NotApplicable("no run file is read with PyYAML")
        text = "".join(module.text for module in subject.code)
        for file in subject.runs.values():
            for number, line in enumerate(file.lines, start=1):
                match = _VALUE.match(line)
                if match is None or re.search(rf"float\([^()]*\b{re.escape(match['key'])}\b", text):
                    continue
                if re.search(rf"\b{re.escape(match['key'])}\b", text):
                    where = f"{loaders[0][0].path}:{loaders[0][1].lineno}"
                    message = f"{match['key']}: {match['value']} is a text for the PyYAML loader at {where}"
                    remedy = f"load the file with OmegaConf.load, or write {_pointed(match['value'])}"
                    yield self.on(file, number, message, remedy)
                    break
