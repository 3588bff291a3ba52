"""Values are written as JSON that JSON does not know."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import ClassVar

from greenlight.rehearse.menders.edits import changed, over, with_keyword
from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.menders.place import places
from greenlight.rehearse.observer.record import Raised

# Numbers stay numbers: what is read back later is of the kind that was written. The type is asked, because an object
# may look up attributes among its own values, as a summary of wandb does, and raise KeyError.
_DEFAULT = "lambda o: o.tolist() if hasattr(type(o), 'tolist') else dict(o) if hasattr(type(o), 'keys') else str(o)"


class JsonValues(Mender):
    """``json.dump({"loss": numpy.float32(1)})``."""

    name: ClassVar[str] = "json-values"

    def mend(self, raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
        """Return the files with numbers, mappings and texts in place of those values."""
        keys = raised.root_message.startswith("keys must be str")
        if not keys and "is not JSON serializable" not in raised.root_message:
            return None
        for where in places(raised, files):
            for call in [n for n in where.in_statement() if isinstance(n, ast.Call)]:
                if where.module.dotted(call.func) not in ("json.dump", "json.dumps"):
                    continue
                name, value = ("skipkeys", "True") if keys else ("default", _DEFAULT)
                given = next((k.value for k in call.keywords if k.arg == name), None)
                change = with_keyword(call, f"{name}={value}") if given is None else over(given, value)
                if change is not None:
                    said = f"{where.module.path}:{where.line}: values that JSON does not know are converted"
                    return Mended(changed(files, where.module.path, [change]), said)
        return None
