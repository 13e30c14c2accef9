"""Pictures of data, fits and how they were found, drawn with Matplotlib.

Every function takes ``ax=``, an Axes (or, for several panels, an array of them), and returns what it drew on. Nothing is shown, no global
setting is changed, and Matplotlib is imported by the first picture drawn: ``pip install "gradline[plot]"``.
"""

from gradline.plot.added_variable import partial_regression
from gradline.plot.animated import Animation, animation
from gradline.plot.calibrated import calibration
from gradline.plot.coefficient_dots import coefficients
from gradline.plot.descent_path import descent
from gradline.plot.effect_plots import effects, roc
from gradline.plot.fitted import fit
from gradline.plot.influence import leverage
from gradline.plot.live_picture import Live, live
from gradline.plot.loss_curve import loss
from gradline.plot.panel import diagnostics
from gradline.plot.paths import path
from gradline.plot.predicted import everything, prediction
from gradline.plot.residual_plots import quantiles, residuals, scale_location
from gradline.plot.scatter import data
from gradline.plot.smooths import smooths
from gradline.plot.style import theme
from gradline.plot.training_histories import histories

__all__ = [
    "Animation",
    "Live",
    "animation",
    "calibration",
    "coefficients",
    "data",
    "descent",
    "diagnostics",
    "effects",
    "everything",
    "fit",
    "histories",
    "leverage",
    "live",
    "loss",
    "partial_regression",
    "path",
    "prediction",
    "quantiles",
    "residuals",
    "roc",
    "scale_location",
    "smooths",
    "theme",
]


def __dir__() -> list[str]:
    # What completion offers: the public names only.
    return sorted(__all__)
