"""What a sandbox shows of the machine."""

from __future__ import annotations

import importlib.util
import os
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

# What any program needs of the system, and nothing that belongs to a person.
_SYSTEM = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/ssl/certs",
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
)


@dataclass(frozen=True)
class View:
    """The paths that a sandbox shows, read-only, under their own names.

    Attributes
    ----------
    shown
        Existing absolute paths.
    devices
        Device files that are passed through, for a GPU.
    """

    shown: tuple[Path, ...]
    devices: tuple[Path, ...] = ()

    @classmethod
    def of_python(cls, interpreter: Path | None = None, also: Iterable[Path] = (), *, gpu: bool = False) -> View:
        """Return the system's programs and libraries with a Python and its packages.

        Parameters
        ----------
        interpreter
            A virtual environment's ``bin/python``; the running one's by default, with the folders of packages that
            are installed as links to their sources.
        also
            More paths to show.
        gpu
            Whether NVIDIA's device files are passed through.
        """
        pythons = _of_running() if interpreter is None else _of_environment(interpreter)
        shown = [Path(p) for p in _SYSTEM] + [*pythons, *also]
        devices = sorted(Path("/dev").glob("nvidia*")) if gpu else []
        return cls(tuple(dict.fromkeys(p for p in shown if p.exists())), tuple(devices))

    def also(self, *paths: Path) -> View:
        """Return a view that shows more paths."""
        return View(tuple(dict.fromkeys((*self.shown, *(p for p in paths if p.exists())))), self.devices)


def _of_running() -> Iterator[Path]:
    yield from (Path(sys.prefix), Path(sys.base_prefix).resolve())
    yield Path(os.path.realpath(sys.executable)).parents[1]
    yield from map(Path, sysconfig.get_paths().values())
    yield from map(Path, site.getsitepackages())
    for name in ("greenlight", "graff"):
        found = importlib.util.find_spec(name)
        if found is not None and found.origin is not None:
            yield Path(found.origin).parent


def _of_environment(interpreter: Path) -> Iterator[Path]:
    yield interpreter.absolute().parents[1]
    yield Path(os.path.realpath(interpreter)).parents[1]
