"""A configuration file sets a key that a library's schema does not have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.observer.record import Raised
from greenlight.review.yaml_file import YamlFile

_REFUSED = re.compile(r"Key '(\w+)' not in '\w+'\s+full_key: ([\w.]+)")


class RefusedKey(Mender):
    """``hydra.job.raise_on_error``, which Hydra never had."""

    name: ClassVar[str] = "refused-key"

    def mend(self, raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
        """Return the files without the key."""
        found = _REFUSED.search(raised.root_message) or _REFUSED.search(raised.message)
        if found is None:
            return None
        path = tuple(found[2].split("."))
        for name, content in files.items():
            if not name.startswith("config/") or not name.endswith((".yaml", ".yml")):
                continue
            file = YamlFile(name, content)
            parent = file.get(*path[:-1])
            if file.error is None and isinstance(parent, dict) and path[-1] in parent:
                text = _without(content.decode("utf-8").splitlines(keepends=True), file.line(*path), len(parent) == 1)
                return Mended(
                    {**files, name: text.encode()}, f"{name}: {found[2]}, which the schema has not, is left out"
                )
        return None


def _without(lines: list[str], line: int, is_alone: bool) -> str:
    """Return the text without a key and what is indented below it; a mapping that gets empty is one all the same."""
    indent = len(lines[line - 1]) - len(lines[line - 1].lstrip())
    last = line
    while last < len(lines) and (not lines[last].strip() or len(lines[last]) - len(lines[last].lstrip()) > indent):
        last += 1
    kept = [f"{' ' * indent}{{}}\n"] if is_alone else []
    return "".join([*lines[: line - 1], *kept, *lines[last:]])
