"""The rules on paper: a page for each, the list of all, and which sentence of the contract each looks after."""

from __future__ import annotations

import textwrap
import tomllib
from collections.abc import Sequence
from importlib.resources import files
from typing import Protocol

from greenlight.review.criteria import Criterion
from greenlight.review.registry import all_rules
from greenlight.review.rule import Fragment, Rule

_LANGUAGES = {"py": "python", "toml": "toml", "yaml": "yaml", "yml": "yaml"}


def page(rule: Rule) -> str:
    """Return the page of a rule in Markdown."""
    parts = [
        f"# {rule.id} {rule.name}",
        rule.summary,
        f"Criterion {int(rule.criterion)} ({rule.criterion.title}), {rule.severity}.",
        f"## Why\n\n{rule.why}",
        f"## How to mend it\n\n{rule.remedy}",
        *_examples("Invalid", rule.invalid),
        *_examples("Valid", rule.valid),
    ]
    return "\n\n".join(parts) + "\n"


def _examples(title: str, fragments: tuple[Fragment, ...]) -> list[str]:
    parts = []
    for number, fragment in enumerate(fragments, start=1):
        parts.append(f"## {title}" + (f" ({number} of {len(fragments)})" if len(fragments) > 1 else ""))
        for path, text in fragment.items():
            language = _LANGUAGES.get(path.rpartition(".")[2], "")
            body = textwrap.dedent(text).strip("\n")
            parts.append(f"`{path}`" + (f"\n\n```{language}\n{body}\n```" if body.strip() else ", empty"))
    return parts


def overview() -> str:
    """Return the list of all rules by criterion."""
    lines = []
    for criterion in Criterion:
        lines.append(f"{int(criterion)} {criterion.title}")
        own = (r for r in all_rules() if r.criterion is criterion)
        lines += [f"  {r.id} {r.name:<36} {r.severity:<8} {r.summary}" for r in own]
    return "\n".join(lines) + "\n"


def sentences() -> dict[str, dict[str, str]]:
    """Return the contract's sentences by number, such as ``2.4``: ``text``, and perhaps ``by`` and ``because``."""
    whole = tomllib.loads(files("greenlight.review").joinpath("sentences.toml").read_text(encoding="utf-8"))
    return {f"{number}.{place}": entry for number, entries in whole.items() for place, entry in entries.items()}


def uncovered() -> tuple[str, ...]:
    """Return the numbers of sentences that no rule looks after and that do not say who else does."""
    named = {sentence for rule in all_rules() for sentence in rule.sentences}
    return tuple(number for number, entry in sentences().items() if number not in named and "by" not in entry)


class Naming(Protocol):
    """A rule of another kind that names sentences of the contract."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def sentences(self) -> tuple[str, ...]: ...  # noqa: D102


def coverage(others: Sequence[Naming] = ()) -> str:
    """Return the page that tells, sentence by sentence, who looks after it; with rules that judge something else."""
    lines = ["# What looks after each sentence of the contract", ""]
    for criterion in Criterion:
        lines += [f"## {int(criterion)} {criterion.title}", "", "| | sentence | looked after by |", "|---|---|---|"]
        for number, entry in sentences().items():
            if number.partition(".")[0] == str(int(criterion)):
                names = [f"[{r.id}]({r.id}.md)" for r in (*all_rules(), *others) if number in r.sentences]
                if "by" in entry:
                    names.append(f"a {entry['by']}: {entry['because']}")
                lines.append(f"| {number} | {entry['text']} | {', '.join(names)} |")
        lines.append("")
    return "\n".join(lines)


def pages(others: Sequence[Naming] = ()) -> dict[str, str]:
    """Return every generated page by file name: one per rule, the list of rules, and the coverage of the contract."""
    lines = [
        "# Rules",
        "",
        "What `greenlight review` looks for; `greenlight rule ID` prints a page in the terminal.",
        "",
    ]
    for criterion in Criterion:
        lines += [
            f"## {int(criterion)} {criterion.title}",
            "",
            "| rule | severity | what goes wrong |",
            "|---|---|---|",
        ]
        own = (r for r in all_rules() if r.criterion is criterion)
        lines += [f"| [{r.id}]({r.id}.md) {r.name} | {r.severity} | {r.summary} |" for r in own]
        lines.append("")
    lines.append("[What looks after each sentence of the contract](coverage.md)")
    return {
        "README.md": "\n".join(lines) + "\n",
        "coverage.md": coverage(others),
        **{f"{rule.id}.md": page(rule) for rule in all_rules()},
    }
