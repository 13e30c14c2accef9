"""Pictures of data, fits and how they were found, drawn with Matplotlib.

Every function takes ``ax=``, an Axes (or, for several panels, an array of them), and returns what it drew on. Nothing is shown, no global
setting is changed, and Matplotlib is imported by the first picture drawn: ``pip install "gradline[plot]"``.
"""

from gradline.plot.animated import Animation, animation
from gradline.plot.coefficient_dots import coefficients
from gradline.plot.descent_path import descent
from gradline.plot.fitted import fit
from gradline.plot.loss_curve import loss
from gradline.plot.predicted import everything, prediction
from gradline.plot.scatter import data

__all__ = ["Animation", "animation", "coefficients", "data", "descent", "everything", "fit", "loss", "prediction"]
