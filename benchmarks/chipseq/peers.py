"""Two well-known peers, where they are installed: scvi-tools' negative binomial and the lambda track of MACS3.

    uv venv /tmp/peers && VIRTUAL_ENV=/tmp/peers uv pip install macs3
    uv pip install --no-deps --target /tmp/peers/scvi scvi-tools
    python -m benchmarks.chipseq.peers --scvi /tmp/peers/scvi --macs3 /tmp/peers/bin/macs3 --ctcf FOLDER

Neither is a dependency of the project. Of scvi-tools the one function is read from its installed source and run on this
process's torch: importing the package would need its whole tree of dependencies.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from benchmarks.chipseq.datasets import HG19_CHR22_BP
from technoise.bins import Bins
from technoise.distribution import log_pmf
from technoise.local_lambda import fit_local_lambda
from technoise.negative_binomial import log_prob
from technoise.readers import ReadSettings, read_counts

FRAGMENT_BP = 200  # of the peak caller, and the width of our bins: one pileup is then one bin's reads
Floats = NDArray[np.float64]


def scvi_log_prob(folder: Path) -> Callable[..., torch.Tensor]:
    """Return ``log_nb_positive`` of an scvi-tools that is installed in a folder."""
    source = folder / "scvi" / "distributions" / "_negative_binomial.py"
    tree = ast.parse(source.read_text(encoding="utf-8"))
    chosen = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "log_nb_positive"]
    future = ast.parse("from __future__ import annotations").body
    names: dict[str, Any] = {"torch": torch}
    exec(compile(ast.Module([*future, *chosen], []), str(source), "exec"), names)  # noqa: S102 - the peer's own code
    found: Callable[..., torch.Tensor] = names["log_nb_positive"]
    return found


def compare_scvi(folder: Path) -> list[str]:
    """Return how far both log-probabilities are from 50-digit arithmetic on a grid, as sentences."""
    theirs = scvi_log_prob(folder)
    grid = np.asarray(
        list(product((0, 1, 7, 150, 40_000), 10.0 ** np.arange(-8, 9, 2), 10.0 ** np.arange(-8, 13, 2))),
        dtype=np.float64,
    )
    y, m, r = grid.T
    exact = np.asarray([_exact(int(count), mean, size) for count, mean, size in grid])
    lines = []
    for name, kept in (
        ("usual: mean 0.01 to 1e4, size 0.01 to 1e4", (m >= 0.01) & (m <= 1e4) & (r >= 0.01) & (r <= 1e4)),
        ("whole grid: mean 1e-8 to 1e8, size 1e-8 to 1e12", np.ones(len(y), dtype=np.bool_)),
    ):
        for kind, dtype in (("float64", torch.float64), ("float32", torch.float32)):
            tensors = [torch.from_numpy(values[kept]).to(dtype) for values in (y, m, r)]
            peer = theirs(*tensors).double().numpy()
            ours = log_prob(tensors[0], tensors[1].log(), tensors[2].log()).double().numpy()
            errors = [np.abs(found - exact[kept]) / np.maximum(1.0, np.abs(exact[kept])) for found in (ours, peer)]
            worst = [f"{np.nanmax(error):.1e} ({int((~np.isfinite(error)).sum())} not finite)" for error in errors]
            lines.append(f"| {name}, {kind}, {int(kept.sum())} points | {worst[0]} | {worst[1]} |")
    return ["| error over max(1, value) in nats, worst | technoise | scvi-tools |", "|---|---:|---:|", *lines]


def _exact(count: int, mean: float, size: float) -> float:
    mpmath = importlib.import_module("mpmath")  # comes with torch, and has no types
    with mpmath.workdps(60):
        y, m, r = mpmath.mpf(count), mpmath.mpf(mean), mpmath.mpf(size)
        value = mpmath.loggamma(y + r) - mpmath.loggamma(r) - mpmath.loggamma(y + 1)
        return float(value + r * mpmath.log(r / (r + m)) + y * mpmath.log(m / (r + m)))


def macs3_lambda(
    program: str, treatment: Path, control: Path, scratch: Path, scale_to: str
) -> tuple[NDArray[np.int64], Floats]:
    """Return the starts of intervals of chromosome 22 and MACS3's lambda of each, in fragments over a position.

    Its scale is that of the deeper sample for a `scale_to` of `large`, that of the other for `small`.
    """
    command = [
        program, "callpeak", "-t", str(treatment), "-c", str(control), "-f", "BED", "-g", str(HG19_CHR22_BP), "--bdg",
        "--nomodel", "--extsize", str(FRAGMENT_BP), "--keep-dup", "all", "--scale-to", scale_to, "-n", "peer",
        "--outdir", str(scratch),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"macs3 ended with {done.returncode}: {done.stderr.strip().splitlines()[-1]}")
    rows = [line.split() for line in (scratch / "peer_control_lambda.bdg").read_text().splitlines() if line[0] != "t"]
    return np.asarray([int(row[1]) for row in rows]), np.asarray([float(row[3]) for row in rows])


def compare_macs3(program: str, folder: Path) -> list[str]:
    """Return how our local rate of each 200-bp bin of chromosome 22 relates to MACS3's mean lambda there."""
    treatment, control = (folder / f"CTCF_SE_{kind}_chr22_50k.bed.gz" for kind in ("ChIP", "CTRL"))
    bins = Bins.tiled({"chr22": HG19_CHR22_BP}, FRAGMENT_BP)
    settings = ReadSettings(keep_duplicates=True)
    counts = [
        read_counts(path, bins, settings, chromosome_sizes={"chr22": HG19_CHR22_BP}).counts[:, None]
        for path in (treatment, control)
    ]
    ours = fit_local_lambda(counts[0], counts[1], bins).mean(counts[1], bins)[:, 0]
    with tempfile.TemporaryDirectory(prefix="macs3-") as scratch:
        deeper = "large" if counts[0].sum() > counts[1].sum() else "small"
        starts, values = macs3_lambda(program, treatment, control, Path(scratch), deeper)
    # The mean over a bin, from the cumulative area under the steps; the last interval reaches the end of the track.
    ends = np.r_[starts[1:], HG19_CHR22_BP]
    area = np.r_[0.0, np.cumsum(values * (ends - starts))]
    edges = np.r_[bins.start, HG19_CHR22_BP]
    theirs = np.diff(np.interp(edges, np.r_[starts, HG19_CHR22_BP], area)) / (bins.end - bins.start)
    # Beyond its last read the peer's track says nothing.
    kept = (bins.start >= starts[0]) & (theirs > 0)
    ratio = ours[kept] / theirs[kept]
    low, middle, high = np.quantile(ratio, (0.05, 0.5, 0.95))
    y = counts[0][kept, 0]
    loss = [-float(log_pmf(y, rate[kept], None).mean()) for rate in (ours, theirs)]
    rank = stats.spearmanr(ours[kept], theirs[kept]).statistic
    return [
        f"{int(kept.sum()):,} bins of {FRAGMENT_BP} bp; Spearman {rank:.4f}; Pearson "
        f"{np.corrcoef(ours[kept], theirs[kept])[0, 1]:.4f}; ours over MACS3's: median {middle:.3f}, 5 to 95 % "
        f"{low:.3f} to {high:.3f}; {np.mean(np.abs(ratio - 1) < 0.1):.1%} within a tenth.",
        f"Floor (lambda of the genome): ours {ours.min():.5f}, MACS3 {theirs[kept].min():.5f}.",
        f"As Poisson rates of the treatment: {loss[0]:.4f} nats per bin (ours), {loss[1]:.4f} (MACS3).",
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the comparisons that can be made here."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chipseq.peers", description=__doc__)
    parser.add_argument("--scvi", type=Path, help="folder that holds an installed scvi package")
    parser.add_argument("--macs3", default=shutil.which("macs3"), help="the program")
    parser.add_argument("--ctcf", type=Path, help="folder with the CTCF reads of chromosome 22")
    given = parser.parse_args(arguments)
    if given.scvi is None:
        print(
            "scvi-tools: not compared; name its folder with --scvi, the first lines of this file say how to install it"
        )
    else:
        print("\n".join(compare_scvi(given.scvi)))
    if given.macs3 is None or given.ctcf is None:
        print("MACS3: not compared; it needs the program (--macs3) and the reads (--ctcf)")
    else:
        print("\n".join(compare_macs3(given.macs3, given.ctcf)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
