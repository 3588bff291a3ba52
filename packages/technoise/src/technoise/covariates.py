"""Covariates that carry no biology: control reads near a bin, and columns the caller knows, such as its GC content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from technoise.bins import Bins, BoolArray, FloatArray, IntArray
from technoise.counts import CountTable
from technoise.errors import TechnoiseError

WINDOWS_BINS = (1, 5, 25, 101)


@dataclass(frozen=True)
class Covariates:
    """Columns per bin, standardised by the mean and standard deviation of the training bins alone.

    Make one with :meth:`fit`. The columns are the log1p of the pooled control reads per bin width in windows around
    the bin, then the extra columns in the order of their names.

    Attributes
    ----------
    windows_bins
        Width of each control window in bins, odd.
    extra_names
        The extra columns, sorted.
    mean, scale
        Of the training bins, one number per column; the scale of a constant column is 1.
    depth_reads_per_bin
        Mean reads per training bin of each treatment sample.
    """

    windows_bins: tuple[int, ...]
    extra_names: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    depth_reads_per_bin: Mapping[str, float]

    @classmethod
    def fit(
        cls,
        table: CountTable,
        training: BoolArray,
        *,
        windows_bins: Sequence[int] = WINDOWS_BINS,
        extra: Mapping[str, ArrayLike] | None = None,
    ) -> Covariates:
        """Return the covariates whose statistics are those of the training bins.

        Control reads of held-out bins enter the windows of training bins near them: they are inputs, never targets.

        Parameters
        ----------
        table
            All bins, held-out ones too.
        training
            Which bins may be learnt from, shape (n_bins,).
        windows_bins
            Odd widths in bins, all different; not used where the table has no control.
        extra
            Further columns, each of shape (n_bins,) and finite, such as ``{"gc": gc_fraction(fasta, table.bins)}``
            (:mod:`technoise.gc_content`).

        Raises
        ------
        TechnoiseError
            For no training bin, a replicate without reads in them, no column, or columns that do not fit the bins.
        """
        chosen = table.bins.check_mask(training)
        if not chosen.any():
            raise TechnoiseError("0 training bins: statistics need at least one; choose training chromosomes")
        windows = _check_windows(windows_bins) if table.control_names else ()
        extra_names = tuple(sorted(extra or {}))
        raw = _columns(table, windows, extra_names, extra or {})
        if raw.shape[1] == 0:
            raise TechnoiseError("0 covariates: a table without control needs extra columns; pass extra={'gc': ...}")
        scale = raw[chosen].std(axis=0)
        # A column that never varies in training says nothing there; dividing by its rounding error would make it loud.
        constant = scale <= 1e-12 * np.maximum(1.0, np.abs(raw[chosen]).max(axis=0))
        return cls(
            windows_bins=windows,
            extra_names=extra_names,
            mean=tuple(raw[chosen].mean(axis=0).tolist()),
            scale=tuple(np.where(constant, 1.0, scale).tolist()),
            depth_reads_per_bin=dict(
                zip(table.treatment_names, np.exp(log_depths(table, chosen)).tolist(), strict=True)
            ),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of :meth:`transform`, in order."""
        return tuple(f"log1p_control_{width}_bins" for width in self.windows_bins) + self.extra_names

    def transform(
        self,
        table: CountTable,
        *,
        extra: Mapping[str, ArrayLike] | None = None,
        dtype: type[np.floating[Any]] = np.float64,
    ) -> NDArray[Any]:
        """Return the standardised columns, shape (n_bins, n_covariates).

        Parameters
        ----------
        table
            Bins and control samples; its treatment is not looked at.
        extra
            The same extra columns as in :meth:`fit`, for the bins of this table.
        dtype
            ``numpy.float64`` or ``numpy.float32``; the arithmetic is done in float64 either way.
        """
        if self.windows_bins and not table.control_names:
            raise TechnoiseError("a table without control: these covariates were fitted with one; pass its counts")
        if tuple(sorted(extra or {})) != self.extra_names:
            raise TechnoiseError(
                f"extra columns {sorted(extra or {})}: these covariates were fitted with {list(self.extra_names)}; "
                "pass the same ones"
            )
        raw = _columns(table, self.windows_bins, self.extra_names, extra or {})
        return np.asarray((raw - np.asarray(self.mean)) / np.asarray(self.scale), dtype=dtype)

    def offsets(self, table: CountTable) -> FloatArray:
        """Return the log depth of each replicate of a table, shape (n_replicates,), in log reads per bin.

        The depth is the mean count of the *training* bins, so that nothing of the held-out targets is used, and
        ``exp(offset)`` is what plain depth scaling predicts for every bin.

        Raises
        ------
        TechnoiseError
            For a replicate that was not there in :meth:`fit`; :func:`log_depths` measures one from chosen bins.
        """
        unknown = [name for name in table.treatment_names if name not in self.depth_reads_per_bin]
        if unknown:
            raise TechnoiseError(
                f"replicate {unknown[0]}: its depth was not measured, only that of "
                f"{', '.join(self.depth_reads_per_bin)}; fit with it or call log_depths"
            )
        return np.log(np.asarray([self.depth_reads_per_bin[name] for name in table.treatment_names], dtype=np.float64))

    def state_dict(self) -> dict[str, Any]:
        """Return the covariates as plain numbers and texts, for JSON or a checkpoint."""
        return {
            "windows_bins": list(self.windows_bins),
            "extra_names": list(self.extra_names),
            "mean": list(self.mean),
            "scale": list(self.scale),
            "depth_reads_per_bin": dict(self.depth_reads_per_bin),
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Covariates:
        """Return the covariates that :meth:`state_dict` described; a missing or garbled part is an error."""
        try:
            made = cls(
                windows_bins=_check_windows(state["windows_bins"]),
                extra_names=tuple(str(name) for name in state["extra_names"]),
                mean=tuple(float(value) for value in state["mean"]),
                scale=tuple(float(value) for value in state["scale"]),
                depth_reads_per_bin={str(k): float(v) for k, v in state["depth_reads_per_bin"].items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise TechnoiseError(f"saved covariates lack or garble {error}: fit them again") from None
        if not len(made.mean) == len(made.scale) == len(made.names):
            raise TechnoiseError(
                f"saved covariates with {len(made.mean)} means and {len(made.scale)} scales for {len(made.names)} "
                "columns: they belong together; fit them again"
            )
        return made


def log_depths(table: CountTable, rows: BoolArray) -> FloatArray:
    """Return the log of the mean reads per bin of each replicate over chosen bins, shape (n_replicates,).

    Raises
    ------
    TechnoiseError
        For a replicate without a read in these bins, or no bins.
    """
    chosen = table.bins.check_mask(rows)
    if not chosen.any():
        raise TechnoiseError("0 bins chosen: a depth is measured in at least one bin; choose some")
    means = table.treatment[chosen].mean(axis=0)
    empty = [name for name, mean in zip(table.treatment_names, means, strict=True) if mean == 0]
    if empty:
        raise TechnoiseError(f"replicate {empty[0]} has 0 reads in the chosen bins: leave it out or choose other bins")
    return np.asarray(np.log(means), dtype=np.float64)


def window_means(values: IntArray, bins: Bins, window_bins: int) -> FloatArray:
    """Return the reads per bin width in a window around every bin, shape (n_bins,).

    The window reaches ``(window_bins - 1) / 2`` bin widths to either side, within the chromosome; reads are divided
    by the length of the bins that it holds, so that edges of chromosomes, gaps left by a mask and a shorter last bin
    keep the scale.

    Parameters
    ----------
    values
        Reads per bin, shape (n_bins,).
    bins
        The bins, of any spacing.
    window_bins
        Odd width in bins; 1 is the bin alone.
    """
    if values.shape != (len(bins),):
        raise TechnoiseError(f"{values.shape} values for {len(bins)} bins: one per bin is needed; pass a flat array")
    if values.dtype.kind not in "iu":
        raise TechnoiseError(f"values of type {values.dtype}: exact sums need whole reads; pass integer counts")
    (width,) = _check_windows([window_bins])
    if not len(bins):
        return np.empty(0, dtype=np.float64)
    reach_bp = (width - 1) // 2 * bins.width_bp
    # One axis for the whole genome, with more room between chromosomes than any window can cross.
    stride = int(bins.end.max()) + 2 * reach_bp + 1
    position = bins.code * stride + bins.start
    first = np.searchsorted(position, position - reach_bp, side="left")
    after = np.searchsorted(position, position + reach_bp, side="right")
    reads = np.r_[0, np.cumsum(values, dtype=np.int64)]
    length_bp = np.r_[0, np.cumsum(bins.end - bins.start, dtype=np.int64)]
    per_bp = (reads[after] - reads[first]) / (length_bp[after] - length_bp[first])
    return np.asarray(per_bp * bins.width_bp, dtype=np.float64)


def _check_windows(windows_bins: Sequence[int]) -> tuple[int, ...]:
    for width in windows_bins:
        if isinstance(width, bool) or not isinstance(width, int | np.integer) or width < 1 or width % 2 == 0:
            raise TechnoiseError(f"window of {width} bins: a window has a middle bin; use odd whole numbers from 1 on")
    if len(set(windows_bins)) != len(windows_bins):
        raise TechnoiseError(f"windows of {list(windows_bins)} bins: each is one column; leave out the repeated one")
    return tuple(int(width) for width in windows_bins)


def _columns(
    table: CountTable, windows: tuple[int, ...], extra_names: tuple[str, ...], extra: Mapping[str, ArrayLike]
) -> FloatArray:
    pooled = np.asarray(table.control.sum(axis=1), dtype=np.int64)
    columns = [np.log1p(window_means(pooled, table.bins, width)) for width in windows]
    for name in extra_names:
        column = np.asarray(extra[name], dtype=np.float64)
        if column.shape != (table.n_bins,):
            raise TechnoiseError(
                f"extra column {name} of shape {column.shape}: one value for each of {table.n_bins} bins is needed"
            )
        bad = np.flatnonzero(~np.isfinite(column))
        if bad.size:
            raise TechnoiseError(
                f"extra column {name} is {column[bad[0]]} in {bad.size} bins, first {table.bins.name_of(int(bad[0]))}: "
                "covariates are finite; mask these bins in all samples"
            )
        columns.append(column)
    return np.column_stack(columns) if columns else np.empty((table.n_bins, 0))
