"""The defaults list chooses the run from a group that does not exist, or by an interpolation that Hydra cannot make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import yaml

from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.menders.run_as_text import run_folder, with_loading
from greenlight.rehearse.menders.yaml_text import with_key
from greenlight.rehearse.observer.record import Raised

_CONFIG = "config/config.yaml"
_AT_THE_TOP = b"@package _global_"
_KINDS = ("ConfigCompositionException", "MissingConfigException", "InterpolationKeyError")


class RunGroup(Mender):
    """``- run: ???`` without a folder ``config/run``, or ``- runs@run: ${run}``.

    ``run`` becomes a plain key, which takes what the documented command says, and every application puts the content of
    that run file in its place, as the group would have.
    """

    name: ClassVar[str] = "run-group"

    def mend(self, raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
        """Return the files with ``run`` as a key of the configuration and no entry of the defaults list."""
        folder = run_folder(files)
        if raised.root_type not in _KINDS or _CONFIG not in files or folder is None:
            return None
        if any(path.startswith(f"{folder}/") and _AT_THE_TOP in content for path, content in files.items()):
            return None  # there it is not what stands under `run`
        text = files[_CONFIG].decode("utf-8-sig")
        entries = _defaults(text)
        lines = text.splitlines(keepends=True)
        has_group = any(path.startswith("config/run/") for path in files)
        useless = [
            entry
            for entry in entries
            if isinstance(entry, yaml.MappingNode)
            and len(entry.value) == 1
            and _is_useless(str(entry.value[0][0].value), str(entry.value[0][1].value), has_group=has_group)
            and entry.start_mark.line == entry.value[0][1].end_mark.line
        ]
        if not useless:
            return None
        for entry in useless:
            line = entry.start_mark.line
            indent = lines[line][: len(lines[line]) - len(lines[line].lstrip())]
            lines[line] = f"{indent}- _self_\n" if len(entries) == len(useless) else ""
        written = "".join(lines).encode()
        if "run" not in (yaml.safe_load(written) or {}):
            written = with_key(written, ("run",), None) or written
        said = (
            f"the file of {folder} that run=<id> names is loaded; the entry of run in the defaults of {_CONFIG} is gone"
        )
        return Mended(with_loading(files, folder) | {_CONFIG: written}, said)


def _defaults(text: str) -> list[yaml.Node]:
    """Return the entries of the defaults list."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(node, yaml.MappingNode):
        return []
    value = next((v for k, v in node.value if k.value == "defaults"), None)
    return list(value.value) if isinstance(value, yaml.SequenceNode) else []


def _is_useless(key: str, value: str, *, has_group: bool) -> bool:
    group, _, package = key.removeprefix("optional ").removeprefix("override ").partition("@")
    if package:
        return package == "run" and ("${" in value or value == "???")
    return group == "run" and not has_group
