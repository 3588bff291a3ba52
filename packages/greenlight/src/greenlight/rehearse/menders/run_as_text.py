"""``run=<id>`` sets a text where the code expects the run file's mapping."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import ClassVar

from greenlight.contract.submission import RUN_FOLDERS
from greenlight.rehearse.menders.edits import Change, changed, statement_before, text_of
from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.menders.place import place
from greenlight.rehearse.observer.record import Raised
from greenlight.review.module import Function, Module, parameters


class RunAsText(Mender):
    """``runs@run: a`` among the defaults: the documented command does not choose from the group, it replaces it."""

    name: ClassVar[str] = "run-as-text"

    def mend(self, raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
        """Return the files with applications of Hydra that load the run file which the command names."""
        where = place(raised, files)
        if where is None or not raised.root_message.startswith("'str' object has no attribute "):
            return None
        owners = [n.value for n in where.inside(ast.Attribute) if isinstance(n.value, ast.Attribute)]
        folder = run_folder(files)
        if folder is None or not any(owner.attr == "run" for owner in owners):
            return None
        result = with_loading(files, folder)
        return Mended(result, f"the file of {folder} that run=<id> names is loaded") if result != files else None


def run_folder(files: Mapping[str, bytes]) -> str | None:
    """Return the folder that holds the run files, or None where there are none."""
    return next((f for f in RUN_FOLDERS if any(path.startswith(f"{f}/") for path in files)), None)


def with_loading(files: Mapping[str, bytes], folder: str) -> dict[str, bytes]:
    """Return the files with applications of Hydra in which ``run`` is the content of the file that it named."""
    result = dict(files)
    for path in files:
        if path.endswith(".py"):
            module = Module(path, files[path])
            changes = [c for f in module.functions if is_application(module, f) for c in _loading(module, f, folder)]
            result = changed(result, path, changes) if changes else result
    return result


def is_application(module: Module, function: Function) -> bool:
    """Tell whether a function is started by Hydra with a configuration."""
    named = [d.func if isinstance(d, ast.Call) else d for d in function.decorator_list]
    return bool(parameters(function)) and any(module.dotted(d) == "hydra.main" for d in named)


def _loading(module: Module, function: Function, folder: str) -> list[Change]:
    config = parameters(function)[0].arg
    first = function.body[0]
    if "isinstance(" in text_of(module, first) and f"{config}.run" in text_of(module, first):
        return []
    omegaconf = '__import__("omegaconf").OmegaConf'
    root = f'__import__("pathlib").Path(__file__).resolve().parents[{module.path.count("/")}]'
    text = (
        f"if isinstance({config}.run, str): {omegaconf}.set_struct({config}, False); "
        f'{config}.run = {omegaconf}.load({root} / "{folder}" / f"{{{config}.run}}.yaml")'
    )
    change = statement_before(module, first, text)
    return [] if change is None else [change]
