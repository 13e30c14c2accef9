"""The model file: everything predicting needs as JSON with a published schema, without rows and without code that runs.

docs/model-file.md describes it.
"""

from gradline.model_file.reading import load
from gradline.model_file.writing import save

__all__ = ["load", "save"]
