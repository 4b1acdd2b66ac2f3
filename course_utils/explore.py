"""Figures to play with and guesses to write down, for notebooks and decks.

Every class here runs in the browser and needs no kernel once it is shown. How to write
a new one: see `course_utils.explorables.base`.
"""

from course_utils.explorables.augmentations import Augmentations
from course_utils.explorables.base import Explorable
from course_utils.explorables.convolution import ConvolutionGrid
from course_utils.explorables.ensemble import DropoutEnsemble
from course_utils.explorables.filters import PhotoFilter, photograph
from course_utils.explorables.histograms import LayerHistograms
from course_utils.explorables.landscape import Landscape
from course_utils.explorables.loop import TrainingLoop
from course_utils.explorables.polynomial import PolynomialFit
from course_utils.explorables.prediction import Comparison, Prediction, predict
from course_utils.explorables.response import ResponseSurface

__all__ = [
    "Augmentations",
    "Comparison",
    "ConvolutionGrid",
    "DropoutEnsemble",
    "Explorable",
    "Landscape",
    "LayerHistograms",
    "PhotoFilter",
    "PolynomialFit",
    "Prediction",
    "ResponseSurface",
    "TrainingLoop",
    "photograph",
    "predict",
]
