"""GL103: a comment or docstring says that something is left out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import Module
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject

_MARK = re.compile(
    r"""
      \b(?-i:TODO|FIXME|XXX)\b(?=\s*[:(\-–—]|\s+[a-z]|\s*$)
    | \b(?:omitted|left\s+out|skipped|elided|truncated|abbreviated)\s+for\s+
      (?:brevity|simplicity|space|clarity|length)\b
    | \bfor\s+brevity\b[^.]*\b(?:omit|skip|left\s+out|not\s+shown)
    | \b(?:rest|remainder)\s+of\s+(?:the\s+)?(?:code|file|function|class|implementation|script)\b[^.]{0,30}
      \b(?:unchanged|as\s+before|the\s+same|remains|omitted|here|goes)\b
    | \bunchanged[,;]?\s+(?:see|from|as\s+in)\s+(?:the\s+)?(?:previous|above|earlier|original|last)\b
    | \b(?:same\s+as|see|as\s+in)\s+(?:the\s+)?previous\s+
      (?:version|iteration|answer|response|file|submission|attempt)\b
    | \bno\s+changes?\s+(?:needed|required|from\s+(?:the\s+)?previous)\b
    | \b(?:existing|previous|your|remaining|other)\s+(?:code|implementation|logic)\s+(?:goes\s+)?(?:here|unchanged)\b
    | \b(?:code|implementation|logic)\s+goes\s+here\b
    | \b(?:to\s+be|not\s+yet|yet\s+to\s+be|needs\s+to\s+be)\s+implemented\b
    | \bimplement(?:ed)?\s+(?:this\s+)?later\b
    | \bplaceholder\s+(?:implementation|logic|code|function|class|module|metric|loss|model|optuna|section|config)\b
    | \bthis\s+is\s+(?:just\s+|only\s+)?an?\s+placeholder\b
    | \bfill(?:ed)?\s+(?:this\s+)?in\s+later\b
    | \b(?:is\s+)?an?\s+(?:very\s+|highly\s+|greatly\s+|grossly\s+)?simplified\s+(?:version|implementation|stand-in)\b
    | ^["'\s]*simplified\s+(?:version|implementation)\s*(?:of\b|:)
    | \b(?:dummy|stub|mock)\s+implementation\b
    | \bin\s+(?:a\s+)?(?:real|production)\s+(?:implementation|code|system|experiment|setting)[,\s]\s*
      (?:we|you|one|this|it)\s+(?:would|should|could|will)\b
    """,
    re.VERBOSE | re.IGNORECASE,
)
# Every alternative above has one of these; looking for them first takes a tenth of the time.
_WORDS = (
    "todo", "fixme", "xxx", "omitted", "left out", "skipped", "elided", "truncated", "abbreviated", "brevity",
    "rest of", "remainder of", "unchanged", "previous", "no change", "here", "implement", "placeholder", "fill",
    "simplified",
    "in a real", "in real", "in production", "in a production",
)  # fmt: skip
_EMPTY_SECTION = re.compile(r"^[\s#*\-–—=]*placeholders?\b", re.IGNORECASE)
_LEGITIMATE = re.compile(
    r"tf\.(?:compat\.v1\.)?placeholder|placeholder\s*="
    r"|(?:str|image|pad|mask|special|audio|video)\w*[ _-]?(?:token\s+)?placeholder"
    r"|placeholder\s+(?:token|id|tensor|value|string|text|label|name|row|column|character|for\s+the\s+(?:image|prompt))"
    r"|not\s+implemented\s+(?:for|by|in|on)\b",
    re.IGNORECASE,
)


class UnfinishedMarker(Rule):
    """A comment, docstring or configuration comment announces work that is not done."""

    id = "GL103"
    name = "unfinished-marker"
    criterion = Criterion.COMPLETE
    severity = Severity.MINOR
    sentences = ("1.2", "1.4", "4.2", "3.1")
    summary = "A comment says that something is left out, simplified or still to do."
    why = (
        "Generated code carries sentences such as 'omitted for brevity' or 'unchanged, see previous' where code "
        "should stand; the contract allows none of them, because what they stand for does not run."
    )
    remedy = "Write what the comment promises, or remove it where nothing is missing."
    valid = (
        {
            "src/preprocess.py": """
                # The image token is a placeholder token that the processor replaces by patches.
                # A batch that cannot be read is skipped; empty rows pass.
                def build(columns):
                    '''Return the rows; the remaining code of the column follows the colon.'''
                    return dict.fromkeys(columns, "")
            """,
            "config/config.yaml": """
                defaults: [_self_]   # the run file comes later
                mode: ???
            """,
        },
        {"src/model.py": "x = 'TODO'  # the label that annotators use\n"},
    )
    invalid = (
        {
            "src/train.py": """
                def train(model):
                    # ... data loading omitted for brevity ...
                    # TODO: add the scheduler
                    return model
            """
        },
        {
            "src/model.py": """
                class Router:
                    '''A simplified version of the router of the paper.'''

                    def route(self, x):
                        return x
            """
        },
        {
            "config/config.yaml": """
                # Placeholder, the run files have the values
                training: {}
            """
        },
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each comment or docstring with such words."""
        for module in subject.code:
            seen = set()
            for line, column, text in module.comments:
                found = _marker(text.lstrip("#! "))
                if found and line not in seen:
                    seen.add(line)
                    yield self._told(module, line, column, found, "comment")
            for node in module.nodes:
                if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                    continue
                first = node.body[0] if node.body else None
                if not (isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)):
                    continue
                if isinstance(first.value.value, str):
                    for number, text in enumerate(first.value.value.splitlines()):
                        found = _marker(text)
                        if found:
                            yield self._told(module, first.lineno + number, 1, found, "docstring")
                            break
        for file in (subject.config, *subject.runs.values(), subject.pyproject):
            if file is None or file.error is not None:
                continue
            for line, comment, alone in _comments_of(file.lines):
                found = _marker(comment)
                if alone and not found and (empty := _EMPTY_SECTION.search(comment)):
                    found = None if _LEGITIMATE.search(comment) else empty[0].strip(" #*-–—=")
                if found:
                    yield self._told(file.path, line, 1, found, "comment")

    def _told(self, where: str | Module, line: int, column: int, words: str, kind: str) -> Finding:
        return self.on(
            where,
            line,
            f"a {kind} says {words!r}: something is left out, simplified or still to do",
            f"write what is missing and remove {words!r}",
            column=column,
        )


def _marker(text: str) -> str | None:
    plain = text.lower()
    if len(text) > 2000 or not any(word in plain for word in _WORDS):
        return None
    found = _MARK.search(text)
    if found is None or _LEGITIMATE.search(text):
        return None
    return " ".join(found[0].strip(" #*-–—=").split())


def _comments_of(lines: Sequence[str]) -> Iterator[tuple[int, str, bool]]:
    """Yield the comments of a YAML or TOML file that begin a line or follow a blank, and whether they stand alone."""
    for number, line in enumerate(lines, start=1):
        if "#" not in line:
            continue
        found = re.match(r"""^(?:[^#"']|"[^"]*"|'[^']*')*?(?:^|\s)#+(?P<text>.*)$""", line)
        if found:
            yield number, found["text"], line.lstrip().startswith("#")
