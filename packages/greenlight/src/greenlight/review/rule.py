"""What a rule is: one file that says what goes wrong, why, how to mend it, and shows it on two fragments."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import ClassVar, TypeAlias

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Confidence, Edit, Finding, Severity
from greenlight.review.module import Module
from greenlight.review.subject import NotChecked, Subject
from greenlight.review.toml_file import TomlFile
from greenlight.review.yaml_file import YamlFile

Fragment: TypeAlias = Mapping[str, str]
"""Part of an experiment: text by path, such as ``{"src/train.py": "..."}``. Indentation common to all lines is cut."""


__all__ = ["Fragment", "NotApplicable", "NotChecked", "Rule"]


class NotApplicable(Exception):  # noqa: N818 - a state of the verdict
    """Raised by a rule whose subject matter does not occur in this experiment; the message is the reason."""


class Rule(ABC):
    """A rule about experiments; a subclass in a file of its own below ``rules`` is found by itself.

    The file's name is ``gl201_run_config_path.py`` for the rule ``GL201``, ``run-config-path``; the first digit is the
    criterion.

    Attributes
    ----------
    id, name, criterion, severity
        ``GL`` and three digits; words with hyphens; see `Criterion` and `Severity`.
    sentences
        The numbers of the contract's sentences that the rule looks after, see ``review/sentences.toml``.
    summary
        One sentence: what goes wrong for the user.
    why
        What happens and how it was seen or measured, in a few sentences.
    remedy
        How to mend it in general, in an imperative sentence.
    valid, invalid
        Fragments of experiments, at least one each: the rule is silent on all of ``valid`` and finds something in each
        of ``invalid``. They are examples for people too.
    """

    id: ClassVar[str]
    name: ClassVar[str]
    criterion: ClassVar[Criterion]
    severity: ClassVar[Severity]
    sentences: ClassVar[tuple[str, ...]] = ()
    summary: ClassVar[str]
    why: ClassVar[str]
    remedy: ClassVar[str]
    valid: ClassVar[tuple[Fragment, ...]]
    invalid: ClassVar[tuple[Fragment, ...]]

    @abstractmethod
    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield what is wrong with an experiment.

        Raises
        ------
        NotChecked
            Where something that the rule needs cannot be read.
        NotApplicable
            Where there is nothing for the rule to look at.
        """

    # -- what rules say it with --------------------------------------------------------------------------------

    def at(
        self,
        module: Module,
        node: ast.AST,
        message: str,
        remedy: str | None = None,
        *,
        severity: Severity | None = None,
        confidence: Confidence = "proven",
        edits: tuple[Edit, ...] = (),
    ) -> Finding:
        """Return a finding at a node of a Python file."""
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        end_line, end_column = getattr(node, "end_lineno", None), getattr(node, "end_col_offset", None)
        return Finding(
            module.path,
            line,
            _characters(module.lines, line, column) + 1,
            self.id,
            " ".join(message.split()),
            " ".join((remedy or self.remedy).split()),
            severity or self.severity,
            confidence,
            end_line,
            None if end_column is None or end_line is None else _characters(module.lines, end_line, end_column) + 1,
            edits,
        )

    def on(
        self,
        where: str | YamlFile | TomlFile | Module,
        line: int,
        message: str,
        remedy: str | None = None,
        *,
        column: int = 1,
        severity: Severity | None = None,
        confidence: Confidence = "proven",
        edits: tuple[Edit, ...] = (),
    ) -> Finding:
        """Return a finding on a line of a file, line 1 where a whole file is meant."""
        path = where if isinstance(where, str) else where.path
        return Finding(
            path,
            line,
            column,
            self.id,
            " ".join(message.split()),
            " ".join((remedy or self.remedy).split()),
            severity or self.severity,
            confidence,
            edits=edits,
        )


def _characters(lines: list[str], line: int, offset: int) -> int:
    """Return a column in characters; the syntax tree counts bytes of UTF-8."""
    if not 0 < line <= len(lines) or lines[line - 1].isascii():
        return offset
    return len(lines[line - 1].encode("utf-8")[:offset].decode("utf-8", errors="ignore"))
