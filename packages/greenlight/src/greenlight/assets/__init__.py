"""The embedded default: a tiny Qwen3 checkpoint and the arithmetic word problems that it was trained for."""

from __future__ import annotations

from pathlib import Path

from greenlight.assets.dataset import write_dataset

__all__ = ["model_folder", "write_dataset"]


def model_folder() -> Path:
    """Return the folder of the embedded checkpoint: a Hugging Face model repository with its card."""
    return Path(__file__).parent / "tiny_qwen3"
