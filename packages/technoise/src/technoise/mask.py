"""The joint mask: a bin is in or out for all samples, so that row k stays the same bin in each of them.

A bin without reads stays: to drop zeros would truncate the distribution that is fitted. Only long runs of bins in which
no sample at all has a read may go, and only when asked for, as no read can be mapped there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from technoise.bins import Bins, BoolArray, IntArray, check_positive
from technoise.counts import CountTable
from technoise.errors import TechnoiseError
from technoise.readers.intervals import Intervals

BLACKLIST = "blacklist"
UNMAPPABLE = "no_read_in_any_sample"


@dataclass(frozen=True, eq=False)
class JointMask:
    """Which bins stay, and why the others go.

    Attributes
    ----------
    kept
        Shape (n_bins,).
    dropped
        Reason to number of bins; a bin with two reasons counts in both.
    """

    kept: BoolArray
    dropped: Mapping[str, int]


def joint_mask(
    table: CountTable,
    *,
    blacklist: Intervals | None = None,
    unmappable_run_bins: int | None = None,
    exclude: Mapping[str, BoolArray] | None = None,
) -> JointMask:
    """Return which bins of a table stay, the same for treatment and control; ``table.subset(mask.kept)`` applies it.

    Parameters
    ----------
    table
        All bins.
    blacklist
        Regions to leave out; a bin that one of them touches goes.
    unmappable_run_bins
        Drop runs of at least this many consecutive bins of a chromosome without a read in any treatment or control
        sample. It should be so large that chance makes no such run: with m reads per bin over all samples, a Poisson
        run of k bins has probability ``exp(-k * m)`` at a given place. Without it every bin without reads stays.
    exclude
        Further reasons, each with the bins that go, shape (n_bins,), such as ``{"unknown_bases": np.isnan(gc)}``.

    Raises
    ------
    TechnoiseError
        For masks that do not fit the bins, a run that is not a positive whole number, and when no bin is left.
    """
    reasons: dict[str, BoolArray] = {}
    if blacklist is not None:
        reasons[BLACKLIST] = overlapping(table.bins, blacklist)
    if unmappable_run_bins is not None:
        reasons[UNMAPPABLE] = _without_reads(table, unmappable_run_bins)
    for reason, mask in (exclude or {}).items():
        if reason in reasons:
            raise TechnoiseError(f"reason {reason}: it is taken by an argument of joint_mask; name yours differently")
        reasons[reason] = table.bins.check_mask(mask)
    kept = np.ones(table.n_bins, dtype=np.bool_)
    for mask in reasons.values():
        kept &= ~mask
    dropped = {reason: int(mask.sum()) for reason, mask in reasons.items()}
    if not kept.any():
        raise TechnoiseError(f"0 of {table.n_bins} bins left ({dropped}): drop less, or use another blacklist")
    return JointMask(kept, dropped)


def overlapping(bins: Bins, intervals: Intervals) -> BoolArray:
    """Return which bins share at least one base pair with a region, shape (n_bins,).

    Raises
    ------
    TechnoiseError
        When there are regions and none lies on a chromosome of the bins: the names or the assembly differ.
    """
    if len(intervals) and not np.isin(intervals.chromosome, np.asarray(bins.chromosome_names)).any():
        raise TechnoiseError(
            f"regions on {intervals.chromosome[0]}: the bins have {', '.join(bins.chromosome_names[:4])}; use "
            "regions of the same assembly or pass rename to read_intervals"
        )
    touched = np.zeros(len(bins), dtype=np.bool_)
    for name, rows in bins.rows.items():
        chosen = intervals.chromosome == name
        first = np.searchsorted(bins.end[rows], intervals.start[chosen], side="right")
        after = np.searchsorted(bins.start[rows], intervals.end[chosen], side="left")
        some = after > first
        n = rows.stop - rows.start + 1
        steps = np.bincount(first[some], minlength=n) - np.bincount(after[some], minlength=n)
        touched[rows] = np.cumsum(steps[:-1]) > 0
    return touched


def _without_reads(table: CountTable, run_bins: int) -> BoolArray:
    check_positive("run without reads", run_bins, "bins")
    empty = (table.treatment.sum(axis=1) + table.control.sum(axis=1)) == 0
    return np.asarray(empty & (_run_lengths(empty, table.bins.code) >= run_bins), dtype=np.bool_)


def _run_lengths(state: BoolArray, code: IntArray) -> IntArray:
    """Return the length of the run of equal states, within a chromosome, that each bin belongs to."""
    starts = np.flatnonzero(np.r_[True, (state[1:] != state[:-1]) | (code[1:] != code[:-1])])
    lengths = np.diff(np.r_[starts, state.size])
    return np.repeat(lengths, lengths)
