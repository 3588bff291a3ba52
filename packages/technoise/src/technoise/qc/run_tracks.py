"""The tracks of a corrected experiment: normalised signal, residual, p-value, q-value, and a mixture's posterior."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from technoise.errors import TechnoiseError
from technoise.qc.predictions import Predictions
from technoise.residuals import benjamini_hochberg, minus_log10_p_values, quantile_residuals
from technoise.tracks import write_bedgraph, write_bigwig

Values = NDArray[np.float64]

PSEUDO_READS = 1.0
_LARGEST = 300.0  # of -log10: the smallest probability that float64 holds in full


def normalised(predictions: Predictions) -> Values:
    """Return observed over technically expected reads, all replicates together, shape (n_bins,).

    ``(reads + 1) / (expected + 1)``: one pseudo-read on either side shrinks bins with little of both towards 1 and
    hardly touches the others.
    """
    reads = predictions.counts.sum(axis=1)
    return np.asarray((reads + PSEUDO_READS) / (predictions.mean.sum(axis=1) + PSEUDO_READS), dtype=np.float64)


def residual(predictions: Predictions) -> Values:
    """Return the quantile residual, mean over replicates, shape (n_bins,): near 0 where there is technical noise only.

    The middle of each count's jump is taken and not a random place in it, so that a track is the same every time.
    """
    each = quantile_residuals(predictions.counts, predictions.mean, predictions.size, None)
    return np.asarray(each.mean(axis=1), dtype=np.float64)


def minus_log10_p(predictions: Predictions) -> Values:
    """Return the evidence of enrichment over technical noise in all replicates together, shape (n_bins,).

    The replicates' P(Y >= y), combined by Fisher's method; for counts it errs on the careful side. At most 300.
    """
    each = minus_log10_p_values(predictions.counts, predictions.mean, predictions.size)
    statistic = 2.0 * np.log(10.0) * each.sum(axis=1)
    combined = -chi2.logsf(statistic, df=2 * each.shape[1]) / np.log(10.0)
    return np.asarray(np.minimum(combined, _LARGEST) + 0.0, dtype=np.float64)


def minus_log10_q(evidence: Values) -> Values:
    """Return the false discovery rate of what :func:`minus_log10_p` gave, over all its bins, as -log10.

    Source: Benjamini and Hochberg (1995), JRSS B 57, 289-300.
    """
    q = benjamini_hochberg(10.0**-evidence)
    return np.asarray(-np.log10(q) + 0.0, dtype=np.float64)


def posterior(predictions: Predictions) -> Values:
    """Return the probability that each bin holds signal, given the reads of all its replicates, shape (n_bins,).

    Raises
    ------
    TechnoiseError
        If the predictions are not those of a mixture.
    """
    if predictions.signal is None or predictions.size is None:
        raise TechnoiseError("posterior of signal: these predictions have no signal part; take those of a mixture")
    return predictions.signal.posterior(predictions.counts, predictions.mean, predictions.size)


def tracks(predictions: Predictions) -> dict[str, Values]:
    """Return all tracks by name, shape (n_bins,) each; ``posterior`` is that of a mixture."""
    evidence = minus_log10_p(predictions)
    found = {
        "normalised": normalised(predictions),
        "residual": residual(predictions),
        "minus_log10_p": evidence,
        "minus_log10_q": minus_log10_q(evidence),
    }
    return found if predictions.signal is None else found | {"posterior": posterior(predictions)}


def write_tracks(predictions: Predictions, folder: Path, name: str) -> list[Path]:
    """Write every track as ``{name}_{track}.bw`` and ``{name}_{track}.bedGraph.gz``; return the files.

    The track ``posterior`` is that of a mixture, whose other tracks are of its technical part alone.

    Parameters
    ----------
    predictions
        All bins that shall be in the tracks. Those that a model was trained on look better than they are.
    folder
        Where the files go; made where it is missing.
    name
        The run's.

    Raises
    ------
    TechnoiseError
        If the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TechnoiseError(f"{folder}: cannot be made ({error.strerror}); name another results_dir") from error
    files = []
    for track, values in tracks(predictions).items():
        bigwig, bedgraph = folder / f"{name}_{track}.bw", folder / f"{name}_{track}.bedGraph.gz"
        write_bigwig(bigwig, predictions.bins, values, predictions.chromosome_sizes)
        write_bedgraph(bedgraph, predictions.bins, values)
        files += [bigwig, bedgraph]
    return files
