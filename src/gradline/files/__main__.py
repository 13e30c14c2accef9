"""``python -m gradline.files`` prints the schema of model files: docs/model-schema.json."""

from gradline.files.schema import json_schema

print(json_schema(), end="")
