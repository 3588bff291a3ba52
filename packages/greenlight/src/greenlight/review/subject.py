"""An experiment as rules see it: its files parsed once, and what the engines derive from them."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, TypeVar

from greenlight.contract.experiment import FILES
from greenlight.contract.submission import Submission
from greenlight.review.module import Module
from greenlight.review.toml_file import TomlFile
from greenlight.review.yaml_file import YamlFile


class NotChecked(Exception):  # noqa: N818 - a state of the verdict
    """Raised by a rule that cannot do its work on this input; the message is the reason."""


T = TypeVar("T")
CODE = tuple(path for path in FILES if path.endswith(".py"))
"""The five Python files of the contract."""


class Subject:
    """The parsed experiment that every rule receives; files are parsed when they are first asked for.

    Parameters
    ----------
    submission
        The files as they were handed in.
    """

    def __init__(self, submission: Submission) -> None:
        self.submission = submission
        self._derived: dict[Any, Any] = {}

    @classmethod
    def of(cls, files: Mapping[str, str]) -> Subject:
        """Return the subject of a fragment: text by path, cut by its common indentation."""
        content = {path: textwrap.dedent(text).lstrip("\n").encode() for path, text in files.items()}
        return cls(Submission("fragment", "bundle", content))

    def has(self, path: str) -> bool:
        """Return whether a file is there, empty or not."""
        return path in self.submission.files or path in self.submission.unread

    # -- Python ------------------------------------------------------------------------------------------------

    @cached_property
    def modules(self) -> Mapping[str, Module]:
        """Every Python file by path; those that cannot be parsed have an ``error`` and an empty tree."""
        return {
            path: Module(path, content)
            for path, content in self.submission.files.items()
            if path.endswith(".py") and (path.startswith("src/") or "/" not in path)
        }

    @cached_property
    def code(self) -> tuple[Module, ...]:
        """The Python files of the experiment in order of the contract's list, then all others."""
        own = [self.modules[path] for path in CODE if path in self.modules]
        return (*own, *(module for path, module in self.modules.items() if path not in CODE))

    @cached_property
    def unreadable(self) -> Mapping[str, str]:
        """The files of the contract whose content is not known, each with what is the matter with it."""
        return {path: reason for path in FILES if (reason := self._trouble(path)) is not None}

    def _trouble(self, path: str) -> str | None:
        if path in self.submission.unread:
            return "cannot be read"
        if path not in self.submission.files:
            return "is missing"
        if path.endswith(".py"):
            module = self.modules[path]
            return "cannot be parsed" if module.error is not None else "is empty" if module.is_blank else None
        file = self.config if path.endswith(".yaml") else self.pyproject
        if file is not None and file.error is not None:
            return "cannot be parsed"
        return None if file is not None and file.data else "is empty"

    def require_whole(self) -> None:
        """Raise `NotChecked` where a file of code is there and empty or cannot be parsed: what it does is not known.

        For rules that say that *nothing* reads, saves or checks something.
        """
        for path in CODE:
            if path in self.unreadable and self.has(path):
                raise NotChecked(f"{path} {self.unreadable[path]}, and what it does is not known")

    def module(self, path: str) -> Module | None:
        """Return a Python file that is there, can be parsed and is not blank; None otherwise.

        Rules that look for something *missing* in a file use this: a file that is empty or broken is told once, by the
        rule about that, and by no other.
        """
        module = self.modules.get(path)
        return None if module is None or module.error is not None or module.is_blank else module

    def find(self, dotted: str) -> tuple[Module, Any] | None:
        """Return the module and the top-level function or class with a full dotted name, ``src.model.build``."""
        source, _, name = dotted.rpartition(".")
        for module in self.code:
            if module.name == source and name in module.top_level:
                return module, module.top_level[name]
        return None

    # -- configuration -----------------------------------------------------------------------------------------

    @cached_property
    def config(self) -> YamlFile | None:
        """``config/config.yaml``, or None."""
        content = self.submission.files.get("config/config.yaml")
        return None if content is None else YamlFile("config/config.yaml", content)

    @cached_property
    def runs(self) -> Mapping[str, YamlFile]:
        """The run files by run id."""
        return {
            run_id: YamlFile(path, self.submission.files[path]) for run_id, path in self.submission.run_files.items()
        }

    @cached_property
    def pyproject(self) -> TomlFile | None:
        """``pyproject.toml``, or None."""
        content = self.submission.files.get("pyproject.toml")
        return None if content is None else TomlFile("pyproject.toml", content)

    # -- engines -----------------------------------------------------------------------------------------------

    def derived(self, engine: Callable[[Subject], T]) -> T:
        """Return what an engine derives from this experiment, computed once however many rules ask.

        Parameters
        ----------
        engine
            A function or class of this subject alone.
        """
        if engine not in self._derived:
            self._derived[engine] = engine(self)
        result: T = self._derived[engine]
        return result
