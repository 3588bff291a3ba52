"""Pre-trained weights of the planner's own network: tensors only, from a file or from the package."""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graff.errors import GraffError

_FORMAT = "graff-warm-start-1"
_SUFFIX = ".pt"
_MADE_ON = {"tiny-qwen3": "graff_pretrain_qwen_tiny"}


@dataclass(frozen=True)
class WarmStart:
    """What a planner's network knows: weights by name, and the statistics of the features they were learned on."""

    encoder: dict[str, Tensor]
    decoder: dict[str, Tensor]
    statistics: dict[str, Tensor]


def packaged() -> tuple[str, ...]:
    """Return the names of the warm starts that come with the package."""
    folder = resources.files("graff") / "warm_starts"
    if not folder.is_dir():
        return ()
    return tuple(sorted(entry.name.removesuffix(_SUFFIX) for entry in folder.iterdir() if entry.name.endswith(_SUFFIX)))


def read_warm_start(source: str | Path) -> WarmStart:
    """Read a warm start; nothing is unpickled but tensors and plain values.

    Parameters
    ----------
    source
        A path, the name of a packaged file with or without ``.pt``, or the model it was made on, ``tiny-qwen3``.

    Raises
    ------
    GraffError
        When there is no such file or it is not a warm start.
    """
    path = Path(source)
    if not path.is_file():
        name = str(source).removesuffix(_SUFFIX)
        name = _MADE_ON.get(name, name)
        if name not in packaged():
            known = ", ".join([*_MADE_ON, *packaged()])
            raise GraffError(f"warm start {str(source)!r}: no such file; the packaged ones are {known}; give a path")
        path = Path(str(resources.files("graff") / "warm_starts" / f"{name}{_SUFFIX}"))
    try:
        read: Any = torch.load(path, map_location="cpu", weights_only=True)
        if read["format"] != _FORMAT:
            raise KeyError(read["format"])
        return WarmStart(dict(read["encoder"]), dict(read["decoder"]), dict(read["statistics"]))
    except Exception as error:
        raise GraffError(f"warm start {path}: not a file of format {_FORMAT}; make it with save_warm_start") from error


def save_warm_start(path: str | Path, weights: WarmStart) -> None:
    """Write a warm start as a file of tensors."""
    torch.save(
        {
            "format": _FORMAT,
            "encoder": weights.encoder,
            "decoder": weights.decoder,
            "statistics": weights.statistics,
        },
        path,
    )
