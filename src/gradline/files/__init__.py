"""The model file: everything predicting needs as JSON with a published schema, without rows and without code that runs.

docs/model-file.md describes it.
"""

from gradline.files.reading import load, load_path
from gradline.files.writing import save, save_path

__all__ = ["load", "load_path", "save", "save_path"]
