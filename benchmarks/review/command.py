"""The command line of the benchmark.

``bundles`` measures recall and precision on recorded prompts, ``mutants`` puts known defects into valid experiments,
``tools`` gives the same files to ruff, pyright and uv, ``time`` measures seconds, ``all`` does all of it.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.review import bundles, timing, tools
from benchmarks.review.mutants import Outcome, findings_on_original, outcomes
from benchmarks.review.originals import folders
from benchmarks.review.report import Part, Table, show, write
from greenlight.errors import GreenlightError

ACTIONS = ("bundles", "mutants", "tools", "time", "all")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    0: every original is silent, every mutant is caught, no finding is false; 1: not so; 2: what the user has to mend.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(given)
    try:
        parts = _parts(options)
        console = Console(width=None if sys.stdout.isatty() else 160)
        show(parts, console)
        if options.out is not None:
            for path in write(parts, options.out.resolve(), shlex.join(["python", "-m", "benchmarks.review", *given])):
                print(path)
    except GreenlightError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0 if all(part.data.get("passed", True) for part in parts) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.review", description=(__doc__ or "").split("\n\n")[0])
    add = parser.add_argument
    add("action", choices=ACTIONS)
    add("--prompt", action="append", type=Path, default=[], metavar="FILE", help="a recorded prompt; in order, from 1")
    add("--truth", type=Path, metavar="FILE", help="the known defects of the prompts, a JSON list")
    add("--claims", type=Path, metavar="FILE", help="the recorded reviewer's claims with verdicts, a JSON list")
    add("--original", action="append", default=[], choices=sorted(folders()), help="only mutants of this experiment")
    add(
        "--quick",
        action="store_true",
        help="run only the rules that name a mutant's defect: other findings are not seen",
    )
    add("--rehearse", action="store_true", help="bundles: rehearse them as well, which takes minutes")
    add("--repeats", type=int, default=timing.REPEATS, help="of each time (default: %(default)s)")
    add("--out", type=Path, metavar="FOLDER", help="gets a page and a JSON file for each action")
    return parser


def _parts(options: argparse.Namespace) -> list[Part]:
    wanted = ACTIONS[:-1] if options.action == "all" else (options.action,)
    parts = []
    for action in wanted:
        if action == "bundles":
            if not options.prompt or options.truth is None:
                if options.action == "all":
                    print("left out: bundles: give --prompt and --truth", file=sys.stderr)
                    continue
                raise GreenlightError("bundles: no recorded prompt; give --prompt FILE and --truth FILE")
            parts.append(bundles.measure(options.prompt, options.truth, options.claims, rehearse=options.rehearse))
        elif action == "mutants":
            found = list(outcomes(options.original, only_named=options.quick))
            parts.append(mutants_part(found, options.original or list(folders())))
        elif action == "tools":
            parts.append(tools.measure(options.prompt, options.truth))
        else:
            if options.repeats < 1:
                raise GreenlightError(f"--repeats {options.repeats}: a median needs at least one; give 1 or more")
            parts.append(timing.measure(options.repeats))
    return parts


def mutants_part(found: Sequence[Outcome], names: Sequence[str]) -> Part:
    """Return the tables about mutants: how many were caught, which were not, and that the originals are silent."""
    counts = {name: Counter(o.result for o in found if o.original == name) for name in names}
    noise = {name: findings_on_original(name) for name in names}
    rows = tuple(
        (
            name,
            str(len(noise[name])),
            str(count["caught"] + count["missed"]),
            str(count["caught"]),
            f"{count['caught'] / max(1, count['caught'] + count['missed']):.1%}",
            str(count["not there"]),
            str(sum(len(o.also) for o in found if o.original == name)),
        )
        for name, count in counts.items()
    )
    columns = ("original", "findings on it", "mutants", "caught", "share", "not applicable", "other findings")
    missed = tuple(
        (o.operator, o.original, ", ".join(o.expected) or "no rule", o.sentence, _also(o))
        for o in found
        if o.result == "missed"
    )
    tables = [
        Table("Mutants", columns, rows),
        Table("Mutants that were not caught", ("operator", "original", "expected", "defect", "found"), missed),
    ]
    loud = [(name, f.rule, f"{f.path}:{f.line}", f.message) for name, several in noise.items() for f in several]
    if loud:
        tables.append(Table("Findings on originals", ("original", "rule", "place", "message"), tuple(loud)))
    passed = not missed and not loud
    return Part("mutants", tuple(tables), {"passed": passed, "outcomes": [o.as_json() for o in found]})


def _also(outcome: Outcome) -> str:
    return "; ".join(f"{told.rule} {told.path}:{told.line}" for told in outcome.also) or "nothing"
