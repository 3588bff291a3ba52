"""What a model of technical noise is trained on: likelihood, and the agreement of replicates once noise is removed.

Only :func:`nll` is a proper score. The others compare the replicates of a bin; bias that the replicates share raises
their agreement too, so that they are used beside the likelihood and never instead of it.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor
from torch.nn import functional

from technoise import negative_binomial, poisson
from technoise.checks import counts_as_float64, require_equal_shapes
from technoise.errors import TechnoiseError
from technoise.mid_pit import mid_pit
from technoise.mixture import LARGEST_LOG_SIZE, Signal, bin_log_prob

TEMPERATURE = 0.1


@dataclass(frozen=True)
class Prediction:
    """A batch of bins with what a model says about them.

    Attributes
    ----------
    counts
        Treatment counts in reads, shape (n_bins, n_replicates).
    log_mean
        Natural logarithm of the technical mean in reads, same shape.
    log_size
        That of the negative-binomial size, same shape; None for Poisson.
    signal
        What lies on top of the technical distribution, for a mixture. ``nll`` is then that of all counts of a bin
        together under both parts, over the number of replicates; the other losses see the technical part.
    """

    counts: Tensor
    log_mean: Tensor
    log_size: Tensor | None
    signal: Signal | None = None

    def __post_init__(self) -> None:
        """Raise unless the shapes agree and are two-dimensional."""
        others = {} if self.log_size is None else {"log_size": self.log_size}
        require_equal_shapes(counts=self.counts, log_mean=self.log_mean, **others)
        if self.counts.ndim != 2:
            raise TechnoiseError(
                f"counts of shape {tuple(self.counts.shape)}: predictions are (n_bins, n_replicates); add an axis"
            )
        if self.signal is not None and self.log_size is None:
            raise TechnoiseError("signal on a Poisson: a mixture has a negative-binomial background; give log_size")

    @property
    def has_diverged(self) -> bool:
        """Whether this is no distribution that float64 holds: a mean, size or fold of zero, infinity or NaN."""
        said = [self.log_mean, *([] if self.log_size is None else [self.log_size])]
        if self.signal is not None:
            said += [self.signal.log_odds, self.signal.log_fold]
        # NaN is not below anything.
        return not all(bool((values.detach().abs() <= LARGEST_LOG_SIZE).all()) for values in said)


def nll(counts: Tensor, log_mean: Tensor, log_size: Tensor | None) -> Tensor:
    """Return the mean negative log-likelihood in nats per observation.

    Parameters
    ----------
    counts, log_mean
        Reads and log of the mean, equal shapes.
    log_size
        Log of the size, of the same shape; None for Poisson.

    Raises
    ------
    TechnoiseError
        For unequal shapes or what is not a count.
    """
    if log_size is None:
        return -poisson.log_prob(counts, log_mean).mean()
    return -negative_binomial.log_prob(counts, log_mean, log_size).mean()


def log_residual(counts: Tensor, log_mean: Tensor) -> Tensor:
    """Return ``log(1 + y) - log(1 + m)``: the log enrichment over the technical mean, defined at zero reads.

    Parameters
    ----------
    counts, log_mean
        Reads and log of the mean, equal shapes; the result has their shape and the dtype of ``log_mean``.
    """
    require_equal_shapes(counts=counts, log_mean=log_mean)
    # logaddexp and not softplus, which PyTorch replaces by its asymptote from 20 on.
    mean_term = torch.logaddexp(log_mean, torch.zeros_like(log_mean))
    return counts_as_float64(counts).log1p().to(log_mean.dtype) - mean_term


def residual_mse(first: Tensor, second: Tensor) -> Tensor:
    """Return the mean squared difference of two replicates' residuals, both of shape (n_bins,)."""
    _require_vectors(first, second)
    return (first - second).square().mean()


def replicate_info_nce(first: Tensor, second: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """Return the symmetric InfoNCE loss in nats: each bin is to be told from the others by its other replicate.

    Parameters
    ----------
    first, second
        Residuals of two replicates, shape (n_bins,), at least two bins.
    temperature
        Divides minus the squared difference of two residuals; positive. A cosine of single numbers would be a sign.

    Raises
    ------
    TechnoiseError
        For unequal shapes, fewer than two bins, or a temperature that is not positive.

    Notes
    -----
    Memory grows with the square of the number of bins. Source: van den Oord, Li and Vinyals (2018), arXiv:1807.03748.
    """
    _require_vectors(first, second)
    if not (math.isfinite(temperature) and temperature > 0):
        raise TechnoiseError(f"temperature of {temperature}: a temperature is a positive number; try {TEMPERATURE}")
    logits = -(first[:, None] - second[None, :]).square() / temperature
    own = torch.arange(first.shape[0], device=first.device)
    loss: Tensor = 0.5 * (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own))
    return loss


def negative_pearson(first: Tensor, second: Tensor) -> Tensor:
    """Return minus the Pearson correlation of two replicates' residuals, both of shape (n_bins,).

    Where one of them is constant a correlation does not exist; the loss is then 0 with a gradient of 0.
    """
    _require_vectors(first, second)
    a, b = first - first.mean(), second - second.mean()
    scale = torch.linalg.vector_norm(a) * torch.linalg.vector_norm(b)
    if float(scale.detach()) == 0.0:
        return (a * 0.0 + b * 0.0).sum()
    loss: Tensor = -(a * b).sum() / scale
    return loss


def pit_difference(first: Tensor, second: Tensor) -> Tensor:
    """Return the mean squared difference of two replicates' :func:`mid_pit`, both of shape (n_bins,)."""
    _require_vectors(first, second)
    return (first - second).square().mean()


def _require_vectors(first: Tensor, second: Tensor) -> None:
    require_equal_shapes(first=first, second=second)
    if first.ndim != 1 or first.shape[0] < 2:
        raise TechnoiseError(
            f"replicates of shape {tuple(first.shape)}: replicates are compared over two or more bins, (n_bins,); "
            "give a larger batch"
        )


def _over_pairs(columns: Tensor, compare: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    n_replicates = columns.shape[1]
    if n_replicates < 2:
        raise TechnoiseError(
            f"{n_replicates} replicate: comparing replicates takes two or more; give another or leave the loss out"
        )
    return torch.stack([compare(columns[:, i], columns[:, j]) for i, j in combinations(range(n_replicates), 2)]).mean()


def _nll(p: Prediction) -> Tensor:
    if p.signal is None:
        return nll(p.counts, p.log_mean, p.log_size)
    assert p.log_size is not None
    # Replicates that are independent have a joint likelihood too, their product: over their number both are one scale.
    loss: Tensor = -bin_log_prob(p.counts, p.log_mean, p.log_size, p.signal).mean() / p.counts.shape[1]
    return loss.to(torch.promote_types(p.log_mean.dtype, torch.float32))


COMPONENTS: Mapping[str, Callable[[Prediction], Tensor]] = {
    "nll": _nll,
    "residual_mse": lambda p: _over_pairs(log_residual(p.counts, p.log_mean), residual_mse),
    "replicate_info_nce": lambda p: _over_pairs(log_residual(p.counts, p.log_mean), replicate_info_nce),
    "negative_pearson": lambda p: _over_pairs(log_residual(p.counts, p.log_mean), negative_pearson),
    "pit_difference": lambda p: _over_pairs(mid_pit(p.counts, p.log_mean, p.log_size), pit_difference),
}


class Composite:
    """A weighted sum of losses that reports each of its components.

    Parameters
    ----------
    weights
        From name (``nll``, ``residual_mse``, ``replicate_info_nce``, ``negative_pearson``, ``pit_difference``) to
        weight, zero or more. A component of weight zero is reported and not trained on; one without a weight is not
        computed.

    Raises
    ------
    TechnoiseError
        For an unknown name, a negative or non-finite weight, or no positive weight.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        for name, weight in weights.items():
            if name not in COMPONENTS:
                raise TechnoiseError(f"loss {name!r}: a loss is one of {', '.join(COMPONENTS)}; correct the name")
            if isinstance(weight, bool) or not math.isfinite(weight) or weight < 0:
                raise TechnoiseError(
                    f"weight {weight} of {name}: a weight is zero or more; set 0 to report without training"
                )
        if not any(weight > 0 for weight in weights.values()):
            raise TechnoiseError(f"weights {dict(weights)}: at least one is positive; nothing would be trained")
        self.weights = {name: float(weight) for name, weight in weights.items()}

    def __call__(self, prediction: Prediction) -> tuple[Tensor, dict[str, float]]:
        """Return the weighted sum and the unweighted value of each component, pairs of replicates averaged.

        All are NaN for a prediction that has diverged, so that a planner skips the step as it does every other one
        without a finite loss.

        Raises
        ------
        TechnoiseError
            When replicates are to be compared and there is one replicate or one bin only.
        """
        if prediction.has_diverged:
            return prediction.log_mean.sum() * math.nan, dict.fromkeys(self.weights, math.nan)
        terms: list[Tensor] = []
        values: dict[str, float] = {}
        for name, weight in self.weights.items():
            with torch.set_grad_enabled(torch.is_grad_enabled() and weight > 0):
                value = COMPONENTS[name](prediction)
            values[name] = float(value.detach())
            if weight > 0:
                terms.append(weight * value)
        return torch.stack(terms).sum(), values
