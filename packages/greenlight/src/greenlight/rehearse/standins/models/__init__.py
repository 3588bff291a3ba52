"""Stand-in models: for an id of the public hub, a tiny model of the same architecture with random weights.

Unmodified code finds what it relies on: classes, names of modules, added tokens, chat templates, limits of length. It
finds no knowledge; configuration and card carry the mark ``greenlight_stand_in: true``.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from functools import cache
from pathlib import Path

from greenlight.errors import GreenlightError
from greenlight.rehearse.standins.models.architecture import Architecture, TokenizerKind
from greenlight.rehearse.standins.models.files import MARK, write
from greenlight.rehearse.standins.models.table import architecture_of, whole_id

__all__ = ["MARK", "Architecture", "TokenizerKind", "architecture_of", "folder", "whole_id"]


@cache
def _recipe() -> str:
    """Return a short hash of the sources that decide what is written: others write another folder."""
    from greenlight.rehearse.standins.datasets import phrases, sentences

    named = [Path(__file__).parent / name for name in ("architecture.py", "causal.py", "chat.py", "encoders.py")]
    named += [Path(__file__).parent / name for name in ("files.py", "pieces.py", "tokenizer_kinds.py", "vision.py")]
    digest = hashlib.sha256()
    for source in (*named, Path(phrases.__file__), Path(sentences.__file__)):
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def folder(model_id: str, cache: Path, layers: int | None = None) -> Path:
    """Return the folder of a stand-in for a model, made at first use.

    Parameters
    ----------
    model_id
        The id on the public hub, for instance ``Qwen/Qwen3-0.6B``.
    cache
        Where stand-ins are kept. One appears there whole or not at all, also when several processes start at once.
    layers
        How many layers it has; two by default.

    Raises
    ------
    GreenlightError
        If the architecture of the id is not known, or torch or transformers is not installed.
    OSError
        If the cache cannot be written.
    """
    architecture = architecture_of(model_id)
    if architecture is None:
        raise GreenlightError(
            f"--model {model_id}: no stand-in is known for this id; map a folder with a model that `transformers` "
            f"loads: --model {model_id}=FOLDER"
        )
    size = ""
    if layers is not None:
        architecture, size = architecture.of_layers(layers), f"-{layers}-layers"
    place = cache / f"{model_id.replace('/', '--')}{size}-{_recipe()}"
    if not place.is_dir():
        from greenlight.rehearse.standins.datasets.sentences import corpus

        cache.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=".model-", dir=cache))
        try:
            write(model_id, architecture, corpus(), unfinished)
            unfinished.chmod(0o755)
            unfinished.rename(place)
        except OSError:
            if not place.is_dir():  # no other process was first
                raise
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return place
