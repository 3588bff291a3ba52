"""The command: methods x seeds on simulations, and on real reads where folders are named."""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from benchmarks.chipseq import cells, datasets, figure, report
from benchmarks.chipseq.cells import Cell
from benchmarks.chipseq.datasets import Case
from benchmarks.chipseq.methods import METHODS, Recipe

# What technical noise alone is fitted by; the others say nothing new there.
ON_BACKGROUND = ("technb_mixture", "technb_mu_r", "nb_glm")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cells that are missing and write the tables; return the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(given)
    started, cpu = time.monotonic(), time.process_time()
    done: list[Cell] = []
    recipe = Recipe(steps=options.steps, every=min(50, options.steps))
    for case in _cases(options):
        chosen = options.methods
        if case.scenario == "background":
            chosen = [name for name in chosen if name in ON_BACKGROUND]
        done += cells.run(case, chosen, recipe, options.split, options.out)
    spent = f"{time.process_time() - cpu:.0f} s of processor time, {time.monotonic() - started:.0f} s of wall clock"
    heading = [
        f"# Models of technical noise on held-out bins ({options.split})",
        "",
        f"`python -m benchmarks.chipseq {' '.join(given)}`, {time.strftime('%Y-%m-%d')}, {_machine()}.",
        "Less is better in `nll`; means over seeds (simulations) or turns (real reads). This call took " + spent + ".",
    ]
    heading += [f"Not run: {words}" for words in _skipped(options)]
    files = report.write(done, options.out, heading)
    drawn = figure.draw(done, options.out / "comparison.png")
    print((options.out / "summary.md").read_text(encoding="utf-8"))
    for path in [*files, *([] if drawn is None else [drawn])]:
        print(path)
    return 0


def _cases(options: argparse.Namespace) -> Iterator[Case]:
    for scenario in options.scenarios:
        for seed in options.seeds:
            yield datasets.simulated(scenario, seed, options.shrink)
    for turn in range(datasets.TURNS):
        if options.ctcf is not None:
            yield datasets.ctcf(options.ctcf, turn, options.out / "counts")
    for strain in ("BY", "SET2"):
        for turn in range(datasets.TURNS):
            if options.yeast is not None:
                yield datasets.yeast(options.yeast, strain, turn)


def _skipped(options: argparse.Namespace) -> list[str]:
    found = []
    if options.ctcf is None:
        found.append("ctcf_chr22, whose reads are not in the repository; `--ctcf FOLDER` names them.")
    if options.yeast is None:
        found.append("yeast_h3k4me3, whose counts are not in the repository; `--yeast FOLDER` names them.")
    return found


def _machine() -> str:
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        named = [
            line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        model = f"{len(named)} x {named[0]}" if named else model
    return f"{model}, Python {platform.python_version()}, PyTorch {torch.__version__}, one thread"


def _seeds(text: str) -> list[int]:
    first, dash, last = text.partition("-")
    try:
        found = list(range(int(first), int(last if dash else first) + 1))
    except ValueError:
        found = []
    if not found:
        raise argparse.ArgumentTypeError(f"seeds {text!r}: say one or a range, as in 0 or 1-10")
    return found


def _folder(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: no such folder; name the one that holds the files")
    return path.resolve()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chipseq", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results/chipseq"), help="folder of the cells and tables")
    parser.add_argument("--seeds", type=_seeds, default=_seeds("1-10"), help="of the simulations, as 1-10")
    parser.add_argument("--scenarios", nargs="*", choices=["signal", "background"], default=["signal", "background"])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--split", choices=["dev", "test"], default="test", help="dev to make choices, test to report")
    parser.add_argument("--steps", type=int, default=Recipe.steps, help="optimiser steps of a network")
    parser.add_argument("--shrink", type=int, default=1, help="divide the simulated genome, for a quick look")
    parser.add_argument("--ctcf", type=_folder, help="folder with the CTCF reads of chromosome 22")
    parser.add_argument("--yeast", type=_folder, help="folder with the H3K4me3 count tables")
    return parser
