"""Technical noise of ChIP-seq counts."""

from technoise import negative_binomial, poisson
from technoise.calibration import CoverageRow, UniformDistance, calibration_table, ks_uniform, randomised_pit
from technoise.concordance import Concordance, RankCorrelation, concordance, spearman
from technoise.deviance import mean_deviance, unit_deviance
from technoise.errors import TechnoiseError
from technoise.losses import (
    Composite,
    Prediction,
    log_residual,
    negative_pearson,
    nll,
    pit_difference,
    replicate_info_nce,
    residual_mse,
)
from technoise.mid_pit import mid_pit
from technoise.residuals import (
    benjamini_hochberg,
    deviance_residuals,
    minus_log10_p_values,
    pearson_residuals,
    quantile_residuals,
    upper_tail_p_values,
)

__all__ = [
    "Composite",
    "Concordance",
    "CoverageRow",
    "Prediction",
    "RankCorrelation",
    "TechnoiseError",
    "UniformDistance",
    "benjamini_hochberg",
    "calibration_table",
    "concordance",
    "deviance_residuals",
    "ks_uniform",
    "log_residual",
    "mean_deviance",
    "mid_pit",
    "minus_log10_p_values",
    "negative_binomial",
    "negative_pearson",
    "nll",
    "pearson_residuals",
    "pit_difference",
    "poisson",
    "quantile_residuals",
    "randomised_pit",
    "replicate_info_nce",
    "residual_mse",
    "spearman",
    "unit_deviance",
    "upper_tail_p_values",
]
