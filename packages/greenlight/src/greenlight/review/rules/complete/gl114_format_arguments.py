"""GL114: a format string asks for values that it is not given."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator

from greenlight.review.criteria import Criterion
from greenlight.review.finding import Finding, Severity
from greenlight.review.module import has_open_arguments
from greenlight.review.rule import Rule
from greenlight.review.subject import Subject


class FormatArguments(Rule):
    """``"{} {}".format(a)`` or ``"%s %s" % (a,)`` with too few or too many values."""

    id = "GL114"
    name = "format-arguments"
    criterion = Criterion.COMPLETE
    severity = Severity.MAJOR
    sentences = ("1.2",)
    summary = "A format string and its values do not fit, which ends the run where the text is made."
    why = "It is an IndexError, KeyError or TypeError in a line that only reports, often the last one of a run."
    remedy = "Give one value for each field."
    valid = (
        {
            "src/train.py": """
                def tell(name, step, values):
                    print("{} at {:>{width}}".format(name, step, width=8))
                    print("%s: %5.2f %%" % (name, step))
                    print("%(name)s" % {"name": name})
                    print("{0} {0} {1[loss]}".format(name, values))
                    return "{}".format(*values), "%s" % name
            """
        },
    )
    invalid = (
        {"src/train.py": "def tell(name, step):\n    print('{} at step {} of {}'.format(name, step))\n"},
        {"src/train.py": "def tell(name, step):\n    print('%s at step %d of %d' % (name, step))\n"},
    )

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Yield one finding for each such string."""
        for module in subject.code:
            for node in module.nodes:
                reason = None
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
                    template = node.func.value
                    if isinstance(template, ast.Constant) and isinstance(template.value, str):
                        reason = _format_refusal(template.value, node)
                elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
                    template = node.left
                    if isinstance(template, ast.Constant) and isinstance(template.value, str):
                        reason = _percent_refusal(template.value, node.right)
                if reason is not None:
                    yield self.at(module, node, f"{module.source(node)}: {reason}", "give one value for each field")


def _format_refusal(template: str, call: ast.Call) -> str | None:
    if has_open_arguments(call):
        return None
    automatic, highest, names = 0, -1, set()
    try:
        waiting = [template]
        while waiting:
            for _, field, spec, _ in string.Formatter().parse(waiting.pop()):
                if field is None:
                    continue
                first = re.split(r"[.\[]", field)[0]
                if first == "":
                    automatic += 1
                elif first.isdigit():
                    highest = max(highest, int(first))
                else:
                    names.add(first)
                if spec:
                    waiting.append(spec)
    except ValueError as error:
        return str(error)
    needed = max(automatic, highest + 1)
    if needed > len(call.args):
        return f"it has {needed} fields and is given {len(call.args)}"
    missing = sorted(names - {keyword.arg for keyword in call.keywords})
    return f"it is not given {', '.join(map(str, missing))}" if missing else None


_FIELD = re.compile(
    r"%(?P<name>\([^)]*\))?[#0\- +]*(?P<width>\*|\d+)?(?:\.(?P<precision>\*|\d+))?[hlL]?(?P<kind>[a-zA-Z%])"
)


def _percent_refusal(template: str, values: ast.expr) -> str | None:
    if not isinstance(values, ast.Tuple) or any(isinstance(value, ast.Starred) for value in values.elts):
        return None
    needed = 0
    for field in _FIELD.finditer(template):
        if field["name"]:
            return None
        needed += (field["kind"] != "%") + (field["width"] == "*") + (field["precision"] == "*")
    return None if needed == len(values.elts) else f"it has {needed} fields and is given {len(values.elts)}"
