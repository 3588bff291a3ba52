"""The uv workspace that greenlight and graff are developed in: an experiment written there uses these very packages."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

PACKAGES = ("graff", "greenlight")


def find(start: Path) -> Path | None:
    """Return the root of the workspace that `start` lies in, or None where it lies in none that has both packages."""
    for place in [start, *start.parents]:
        if _members(place) and all((place / "packages" / name / "pyproject.toml").is_file() for name in PACKAGES):
            return place
    return None


def sources(root: Path, folder: Path) -> str:
    """Return the section of a pyproject.toml in `folder` that tells uv where the packages are.

    A folder that the workspace takes for a member shares its lock file and its environment, and uv insists on
    ``workspace = true`` there; any other folder gets paths relative to itself.
    """
    is_member = any(folder in root.glob(pattern) or _matches(folder, root, pattern) for pattern in _members(root))
    lines = ["", "[tool.uv.sources]"]
    for name in PACKAGES:
        path = Path(os.path.relpath(root / "packages" / name, folder)).as_posix()
        place = "workspace = true" if is_member else f'path = "{path}", editable = true'
        lines.append(f"{name} = {{ {place} }}")
    return "\n".join(lines) + "\n"


def _members(root: Path) -> list[str]:
    try:
        content = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    members = content.get("tool", {}).get("uv", {}).get("workspace", {}).get("members", [])
    return [str(member) for member in members]


def _matches(folder: Path, root: Path, pattern: str) -> bool:
    return folder.is_relative_to(root) and folder.relative_to(root).match(pattern)
