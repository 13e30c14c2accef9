"""Paths as files: what comes back, and what is no path."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gradline as gl
from gradline.files.schema import PathDocument, checksum, json_schema

DOCS = Path(__file__).parents[2] / "docs"


def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 5))
    return X, 2 * X[:, 0] - X[:, 1] + rng.normal(size=60)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    place = tmp_path_factory.mktemp("paths") / "path.json"
    path = gl.path(*data(), strengths=7, choose="folds", folds=4)
    path.save(place)
    return path, place


def test_everything_comes_back_to_the_bit(saved):
    path, place = saved
    for again in (gl.load(place), gl.Path.load(place)):
        assert isinstance(again, gl.Path)
        for name in ("strengths", "coefficients", "losses", "objectives", "gaps", "gradient_norms", "converged"):
            np.testing.assert_array_equal(getattr(again, name), getattr(path, name))
        for name in ("mean", "error", "of_fold", "weights"):
            np.testing.assert_array_equal(getattr(again.held_out, name), getattr(path.held_out, name))
        assert repr(again) == repr(path)
        X, _ = data()
        np.testing.assert_array_equal(again.fit().predict(X), path.fit().predict(X))
        assert again.table().keys() == path.table().keys()
        assert again.plot() is not None
        assert again.fit().penalty.parameters["strength"] == path.best


def test_of_a_formula_of_several_predictors_and_of_leave_one_out(tmp_path):
    X, y = data()
    table = pd.DataFrame(X, columns=list("abcde")).assign(y=y, town=np.resize(["Bern", "Ulm", "Wien"], 60))
    path = gl.path("y ~ a + b + C(town)", table, penalty=gl.penalties.group_lasso(), strengths=4, choose="leave-one-out")
    path.save(tmp_path / "a.json")
    again = gl.load(tmp_path / "a.json")
    np.testing.assert_array_equal(again.fit().predict(table), path.fit().predict(table))
    assert again.held_out.refits == path.held_out.refits
    both = gl.path(X, np.column_stack([y, -y]), strengths=3)
    both.save(tmp_path / "b.json")
    np.testing.assert_array_equal(gl.load(tmp_path / "b.json").coefficients, both.coefficients)
    assert gl.load(tmp_path / "b.json").held_out is None


def changed(place, tmp_path, change):
    document = json.loads(place.read_text())
    change(document)
    document["checksum"] = checksum(document)
    new = tmp_path / "changed.json"
    new.write_text(json.dumps(document, indent=1).replace('"format":  ', '"format": '))
    return new


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["path"]["losses"].pop(), "losses should hold 7"),
        (lambda d: d["path"]["strengths"].reverse(), "strengths should fall"),
        (lambda d: d["path"]["coefficients"][2].pop(), "coefficients should hold 6 lists"),
        (lambda d: d["path"]["held_out"]["mean"].pop(), "held_out should hold 7"),
        (lambda d: d["path"].pop("penalties"), "penalties is missing"),
        (lambda d: d["path"].update(code="print()"), "code is not known"),
        (lambda d: d.update(version=99), "upgrade"),
    ],
)
def test_a_path_that_was_changed_is_refused_with_words(saved, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        gl.load(changed(saved[1], tmp_path, change))


def test_a_file_of_another_kind_says_which(saved, tmp_path):
    fit = gl.fit(*data())
    fit.save(tmp_path / "model.json")
    with pytest.raises(ValueError, match="holds a model, not a path"):
        gl.Path.load(tmp_path / "model.json")
    text = saved[1].read_text()
    (tmp_path / "edited.json").write_text(text.replace('"passes": 1', '"passes": 2'))
    with pytest.raises(ValueError, match="changed since it was saved"):
        gl.load(tmp_path / "edited.json")
    (tmp_path / "short.json").write_text(text[: len(text) // 2])
    with pytest.raises(ValueError, match="cut short"):
        gl.load(tmp_path / "short.json")


def test_the_published_schema_is_that_of_the_code(saved):
    published = (DOCS / "path-schema.json").read_text(encoding="utf-8")
    assert published == json_schema(PathDocument), "run: python -m gradline.files path > docs/path-schema.json"
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator(json.loads(published)).validate(json.loads(saved[1].read_text()))
