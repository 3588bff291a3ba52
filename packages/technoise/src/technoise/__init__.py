"""Technical noise of ChIP-seq counts."""

from technoise import mixture, negative_binomial, poisson
from technoise.bins import Bins
from technoise.calibration import CoverageRow, UniformDistance, calibration_table, ks_uniform, randomised_pit
from technoise.concordance import Concordance, RankCorrelation, concordance, spearman
from technoise.counts import CountTable
from technoise.covariates import Covariates
from technoise.deviance import mean_deviance, unit_deviance
from technoise.errors import TechnoiseError
from technoise.gc_content import gc_fraction
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
from technoise.mask import JointMask, joint_mask
from technoise.mid_pit import mid_pit
from technoise.readers import ReadCounts, ReadSettings, read_counts, read_table
from technoise.residuals import (
    benjamini_hochberg,
    deviance_residuals,
    minus_log10_p_values,
    pearson_residuals,
    quantile_residuals,
    upper_tail_p_values,
)
from technoise.simulator import Simulation, SimulatorSettings, simulate
from technoise.tracks import write_bedgraph, write_bigwig

__all__ = [
    "Bins",
    "Composite",
    "Concordance",
    "CountTable",
    "Covariates",
    "CoverageRow",
    "JointMask",
    "Prediction",
    "RankCorrelation",
    "ReadCounts",
    "ReadSettings",
    "Simulation",
    "SimulatorSettings",
    "TechnoiseError",
    "UniformDistance",
    "benjamini_hochberg",
    "calibration_table",
    "concordance",
    "deviance_residuals",
    "gc_fraction",
    "joint_mask",
    "ks_uniform",
    "log_residual",
    "mean_deviance",
    "mid_pit",
    "minus_log10_p_values",
    "mixture",
    "negative_binomial",
    "negative_pearson",
    "nll",
    "pearson_residuals",
    "pit_difference",
    "poisson",
    "quantile_residuals",
    "randomised_pit",
    "read_counts",
    "read_table",
    "replicate_info_nce",
    "residual_mse",
    "simulate",
    "spearman",
    "unit_deviance",
    "upper_tail_p_values",
    "write_bedgraph",
    "write_bigwig",
]
