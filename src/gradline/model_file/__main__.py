"""``python -m gradline.model_file`` prints the schema of model files: docs/model-schema.json."""

from gradline.model_file.schema import json_schema

print(json_schema(), end="")
