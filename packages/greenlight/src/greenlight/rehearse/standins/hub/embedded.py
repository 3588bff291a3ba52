"""The embedded default as repositories: the tiny model and the arithmetic data set."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

from greenlight.rehearse.standins.hub.repository import Part, Repository

MODEL = "greenlight/tiny-qwen3"
DATASET = "greenlight/arithmetic"


def _recipe(package: Path) -> str:
    """Return a short hash of the generator's sources: another generator writes another folder."""
    digest = hashlib.sha256()
    for source in sorted(package.rglob("*.py")):
        digest.update(f"{source.relative_to(package).as_posix()}\0".encode() + source.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def embedded(cache_dir: Path) -> list[Repository]:
    """Return ``greenlight/tiny-qwen3`` and ``greenlight/arithmetic``.

    Parameters
    ----------
    cache_dir
        Where the data set is generated at first use. It appears there whole or not at all, also when several processes
        start at once.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    from greenlight import assets

    assert assets.__file__ is not None
    folder = cache_dir / f"arithmetic-{_recipe(Path(assets.__file__).parent)}"
    if not folder.is_dir():
        cache_dir.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=".arithmetic-", dir=cache_dir))
        try:
            assets.write_dataset(unfinished)
            unfinished.chmod(0o755)
            unfinished.rename(folder)
        except OSError:
            if not folder.is_dir():  # no other process was first
                raise
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return [
        Repository("model", MODEL, (Part(assets.model_folder().resolve()),)),
        Repository("dataset", DATASET, (Part(folder.resolve()),)),
    ]
