"""A key of the documented command does not stand in the configuration that Hydra composes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.menders.yaml_text import with_key
from greenlight.rehearse.observer.record import Raised

_REFUSED = re.compile(r"Could not override '(\w+)'")
_CONFIG = "config/config.yaml"


class DocumentedKey(Mender):
    """``results_dir=...`` is typed and ``config.yaml`` has no ``results_dir``."""

    name: ClassVar[str] = "documented-key"

    def mend(self, raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
        """Return the files with the key, empty, in the configuration."""
        found = _REFUSED.search(raised.message) or _REFUSED.search(raised.root_message)
        if found is None or found[1] not in ("run", "results_dir", "mode", "run_ids") or _CONFIG not in files:
            return None
        written = with_key(files[_CONFIG], (found[1],), None)
        if written is None:
            return None
        return Mended({**files, _CONFIG: written}, f"{_CONFIG}: the key {found[1]} of the documented command was added")
