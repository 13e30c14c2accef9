"""The model file: everything predicting needs as JSON with a published schema, without rows and without code that runs.

docs/model-file.md describes it.
"""

from gradline.files.reading import load
from gradline.files.writing import save

__all__ = ["load", "save"]
