"""How good registrations are, on pairs whose true fields are known.

`evaluate_methods` puts methods side by side: trained models (`model_methods`), registration without learning
(`baseline_methods`), and any function of two images. What is measured, and what each number means, is on the page about
``atlalign evaluate``.
"""

from atlalign.evaluation.baselines import BASELINES, baseline_methods
from atlalign.evaluation.columns import Column, measured_columns
from atlalign.evaluation.distribution import ErrorDistribution
from atlalign.evaluation.evaluating import DEPTHS, evaluate_methods
from atlalign.evaluation.files import EvaluationFiles
from atlalign.evaluation.methods import identity, model_methods
from atlalign.evaluation.prediction import Prediction
from atlalign.evaluation.result import Evaluation
from atlalign.evaluation.samples import spread
from atlalign.evaluation.scores import score_pair
from atlalign.evaluation.table import print_table, table_rows

__all__ = [
    "BASELINES",
    "DEPTHS",
    "Column",
    "ErrorDistribution",
    "Evaluation",
    "EvaluationFiles",
    "Prediction",
    "baseline_methods",
    "evaluate_methods",
    "identity",
    "measured_columns",
    "model_methods",
    "print_table",
    "score_pair",
    "spread",
    "table_rows",
]
