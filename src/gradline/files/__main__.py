"""``python -m gradline.files`` prints the schema of model files: docs/model-schema.json; with ``path`` after it docs/path-schema.json."""

import sys

from gradline.files.schema import Document, PathDocument, json_schema

print(json_schema(PathDocument if sys.argv[1:] == ["path"] else Document), end="")
