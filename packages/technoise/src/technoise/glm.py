"""The negative-binomial GLM that a model is measured against: log link, log depth as offset, one size for all bins."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from technoise.errors import TechnoiseError
from technoise.negative_binomial import log_prob

Counts = NDArray[np.int64]
Values = NDArray[np.float64]

LARGEST_SIZE = 1e8  # beyond it a negative binomial and a Poisson differ by less than float64 tells in a likelihood
SMALLEST_SIZE = 1e-4
_ROUNDS = 50
_TOLERANCE = 1e-7  # of the mean log-likelihood, nats


@dataclass(frozen=True)
class NegativeBinomialGlm:
    """A fitted GLM: ``log mean = intercept + covariates @ slopes + offset``, variance ``mean + mean^2 / size``.

    Attributes
    ----------
    intercept
        Log rate at covariates of zero and depth one.
    slopes
        One per covariate, shape (n_covariates,); empty for an intercept-only model.
    size
        The common size; :data:`LARGEST_SIZE` where the counts are not overdispersed.
    rounds
        Alternations of coefficients and size until the likelihood stood still.
    """

    intercept: float
    slopes: Values
    size: float
    rounds: int

    def mean(self, covariates: Values, offsets: Values) -> Values:
        """Return the expected counts, shape (n_bins, n_replicates).

        Parameters
        ----------
        covariates
            Standardised covariates, shape (n_bins, n_covariates).
        offsets
            Log depth of each replicate, shape (n_replicates,).
        """
        if covariates.ndim != 2 or covariates.shape[1] != len(self.slopes):
            raise TechnoiseError(
                f"covariates of shape {covariates.shape}: the GLM was fitted to {len(self.slopes)} of them; "
                "pass (n_bins, n_covariates) from the same Covariates"
            )
        rate = self.intercept + covariates @ self.slopes
        return np.exp(rate[:, None] + offsets[None, :])


def fit_glm(counts: Counts, covariates: Values, offsets: Values) -> NegativeBinomialGlm:
    """Return the maximum-likelihood GLM of all replicates together.

    Coefficients by iteratively reweighted least squares for a given size, the size by maximum likelihood for given
    means, in turn until the likelihood stands still: the alternation of Venables and Ripley (2002), Modern Applied
    Statistics with S, 7.4.

    Parameters
    ----------
    counts
        Reads per bin, shape (n_bins, n_replicates).
    covariates
        Standardised covariates, shape (n_bins, n_covariates); no column at all fits an intercept only.
    offsets
        Log depth of each replicate, shape (n_replicates,).

    Raises
    ------
    TechnoiseError
        If shapes do not belong together, there is no read, or the fit does not converge.
    """
    import statsmodels.api as sm
    from statsmodels.tools.sm_exceptions import ConvergenceWarning

    _check(counts, covariates, offsets)
    n_bins, n_replicates = counts.shape
    # One row per bin and replicate: the replicates of a bin share its covariates and differ by their depth.
    y = counts.astype(np.float64).ravel()
    offset = np.tile(offsets, n_bins)
    design = np.column_stack([np.ones(n_bins), covariates]).repeat(n_replicates, axis=0)
    # Least squares on the log scale, which a far outlier in the counts hardly moves.
    start = np.asarray(np.linalg.lstsq(design, np.log1p(y) - offset, rcond=None)[0], dtype=np.float64)
    size, before = 1.0, -np.inf
    for done in range(1, _ROUNDS + 1):
        model = sm.GLM(y, design, family=sm.families.NegativeBinomial(alpha=1.0 / size), offset=offset)
        with warnings.catch_warnings():
            # A step that overflows shows as a result that is not finite, which is told below in words of its own.
            warnings.simplefilter("ignore", RuntimeWarning)
            try:
                fitted = model.fit(start_params=start, maxiter=100)
            except ValueError:
                # One bin far out makes the reweighting overshoot; a line search gets by.
                warnings.simplefilter("ignore", ConvergenceWarning)
                fitted = model.fit(start_params=start, method="bfgs", maxiter=500, disp=0)
        start = np.asarray(fitted.params, dtype=np.float64)
        mean = np.exp(design @ start + offset)
        if not np.isfinite(mean).all():
            raise TechnoiseError(
                f"GLM of {len(y)} counts: the means are not finite after {done} rounds; standardise the covariates"
            )
        size, likelihood = _size_and_likelihood(y, mean)
        if abs(likelihood - before) < _TOLERANCE:
            return NegativeBinomialGlm(float(start[0]), start[1:], size, done)
        before = likelihood
    raise TechnoiseError(
        f"GLM of {len(y)} counts: the likelihood still moves after {_ROUNDS} rounds; remove collinear covariates, or "
        "mask bins whose counts are far from all others"
    )


def maximum_likelihood_size(counts: NDArray[np.generic], mean: Values) -> float:
    """Return the one size that makes counts of given means most likely; at most :data:`LARGEST_SIZE`.

    Parameters
    ----------
    counts, mean
        Reads and their expectation, equal shapes; means are positive.

    Raises
    ------
    TechnoiseError
        If the shapes differ or a mean is not positive and finite.
    """
    if counts.shape != mean.shape:
        raise TechnoiseError(f"counts of shape {counts.shape} and means of {mean.shape}: give one mean per count")
    if not (np.isfinite(mean).all() and (mean > 0).all()):
        raise TechnoiseError("mean of a count that is zero, negative or not finite: a size needs positive means")
    return _size_and_likelihood(counts.astype(np.float64).ravel(), mean.ravel())[0]


def _size_and_likelihood(y: Values, mean: Values) -> tuple[float, float]:
    counts, log_mean = torch.from_numpy(y), torch.from_numpy(np.log(mean))

    def loss(log_size: float) -> float:
        return -float(log_prob(counts, log_mean, torch.full_like(log_mean, log_size)).mean())

    bounds = (float(np.log(SMALLEST_SIZE)), float(np.log(LARGEST_SIZE)))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-8})
    # The search of an interval never tries its ends, and the Poisson limit is one.
    at_the_limit = loss(bounds[1])
    if at_the_limit <= found.fun:
        return LARGEST_SIZE, -at_the_limit
    return float(np.exp(found.x)), -float(found.fun)


def _check(counts: Counts, covariates: Values, offsets: Values) -> None:
    if counts.ndim != 2 or covariates.ndim != 2 or len(counts) != len(covariates):
        raise TechnoiseError(
            f"counts of shape {counts.shape} and covariates of {covariates.shape}: they are (n_bins, n_replicates) and "
            "(n_bins, n_covariates); pass rows of the same bins"
        )
    if offsets.shape != (counts.shape[1],):
        raise TechnoiseError(
            f"offsets of shape {offsets.shape} for {counts.shape[1]} replicates: give one log depth per replicate"
        )
    if not counts.any():
        raise TechnoiseError(f"{counts.size} counts without a read: a GLM needs at least one; see the treatment files")
