"""A key of the run file is read in an application that never loads the run file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from greenlight.rehearse.menders.edits import changed, statement_before
from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.menders.place import places
from greenlight.rehearse.menders.run_as_text import is_application, run_folder
from greenlight.rehearse.observer.record import Raised
from greenlight.review.module import parameters
from greenlight.review.yaml_file import YamlFile

_MISSING = re.compile(r"(?:Missing key|Key) '?(\w+)'?.*?full_key: (\w+)\s", re.DOTALL)
_KINDS = ("ConfigAttributeError", "ConfigKeyError")


class UnloadedRunFile(Mender):
    """``cfg.dataset`` in ``main.py`` where ``run`` is a name and nothing was merged yet."""

    name: ClassVar[str] = "unloaded-run-file"
    rank: ClassVar[int] = 65  # after the one that knows a key that stands elsewhere

    def mend(self, raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
        """Return the files with an application that loads the file which the command names."""
        found = _MISSING.search(raised.root_message + "\n") if raised.root_type in _KINDS else None
        config = YamlFile("config/config.yaml", files.get("config/config.yaml", b""))
        if found is None or found[1] != found[2] or found[1] in config.data or "run" not in config.data:
            return None
        folder = run_folder(files)
        runs = [YamlFile(p, c) for p, c in files.items() if folder is not None and p.startswith(f"{folder}/")]
        if not runs or not all(found[1] in run.data for run in runs):
            return None
        for where in places(raised, files):
            for function in where.module.functions:
                last = function.end_lineno or 0
                if not is_application(where.module, function) or not function.lineno <= where.line <= last:
                    continue
                cfg = parameters(function)[0].arg
                omegaconf = '__import__("omegaconf").OmegaConf'
                up = where.module.path.count("/")
                root = f'__import__("pathlib").Path(__file__).resolve().parents[{up}]'
                text = (
                    f"{omegaconf}.set_struct({cfg}, False); "
                    f'{cfg}.merge_with({omegaconf}.load({root} / "{folder}" / f"{{{cfg}.run}}.yaml"))'
                )
                change = statement_before(where.module, function.body[0], text)
                if change is not None:
                    said = f"{where.module.path}:{function.lineno}: the run file is loaded before its keys are read"
                    return Mended(changed(files, where.module.path, [change]), said)
        return None
