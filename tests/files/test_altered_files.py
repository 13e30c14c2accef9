"""Model files in which one field was altered, with a checksum to match: refused when loaded, or as good as any other model."""

import copy
import json

import numpy as np
import pytest

import gradline as gl
from gradline.files.schema import checksum

RNG = np.random.default_rng(0)
ROWS = 60
DATA = {"y": RNG.normal(size=ROWS), "x": RNG.normal(size=ROWS), "g": ["a", "b", "c"] * 20, "n": RNG.poisson(2, ROWS)}

MODELS = {
    "squared": lambda: gl.fit("y ~ C(g) + bs(x, df=4)", DATA),
    "poisson": lambda: gl.fit("n ~ poly(x, 2) + center(x):g", DATA, loss="poisson"),
    "two predictors": lambda: gl.fit({"mean": "y ~ x", "log_scale": "~ scale(x)"}, DATA, loss="normal"),
}
VALUES = {
    "10^400": 10**400,
    "text": "x",
    "null": None,
    "empty list": [],
    "list in a list": [[]],
    "minus one": -1,
    "zero": 0,
    "true": True,
    "NaN": "NaN",
    "empty object": {},
    "gone": ...,
}


def places(tree, path=()):
    yield path
    parts = tree.items() if isinstance(tree, dict) else enumerate(tree[:3]) if isinstance(tree, list) else ()
    for key, part in parts:
        yield from places(part, (*path, key))


def altered(document, path, value):
    result = copy.deepcopy(document)
    inner = result
    for key in path[:-1]:
        inner = inner[key]
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    if "checksum" in result:
        result["checksum"] = checksum(result)
    return result


def use(model, path):
    """What anybody does with a model."""
    model.predict(DATA)
    str(model.summary())
    model.table()
    model.interval(0.95)
    model.save(path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("name", MODELS)
def test_one_altered_field(name, value, tmp_path):
    path = tmp_path / "model.json"
    MODELS[name]().save(path)
    document = json.loads(path.read_text())
    refused = []
    for place in places(document["model"], ("model",)):
        path.write_text(json.dumps(altered(document, place, VALUES[value])))
        try:
            model = gl.load(path)
        except gl.ModelFileError as error:
            refused.append(str(error))
            continue
        try:
            use(model, tmp_path / "again.json")
        except gl.GradlineError:
            pass
        except Exception as error:
            raise AssertionError(f"{place} of {value} was loaded, and then {error!r}") from error
    assert len(refused) > 30
    assert [message for message in refused if "\n" in message] == []


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("seconds",), -1, "seconds"),
        (("uncertainty", "weights", "copies"), 0, "copies"),
        (("formula", "formulas", 0, "terms", 1), [], "the formula makes other columns than the names of the coefficients"),
        (("formula", "states", "bs(x, df=4)", "knots", 0), [], "the formula's state is damaged"),
    ],
)
def test_what_is_wrong_is_named(place, value, message, tmp_path):
    path = tmp_path / "model.json"
    MODELS["squared"]().save(path)
    path.write_text(json.dumps(altered(json.loads(path.read_text()), ("model", *place), value)))
    with pytest.raises(gl.ModelFileError, match=message):
        gl.load(path)
