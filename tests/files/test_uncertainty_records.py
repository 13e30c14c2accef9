"""What a model file keeps of the coefficients' uncertainty: the same numbers, no rows, and nothing unchecked."""

import json

import numpy as np
import pandas as pd
import pytest

import gradline as gl
from gradline.files.schema import checksum

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3))
Y = 1 + X @ [1.0, -0.5, 0.2] + RNG.normal(size=120)
COUNTS = RNG.poisson(np.exp(0.2 * X[:, 0]))
TABLE = pd.DataFrame(X, columns=list("abc")).assign(y=Y, w=RNG.random(120), g=np.arange(120) // 6)

FITS = {
    "sums": lambda: gl.fit(X, Y),
    "sums of two targets": lambda: gl.fit(X, np.stack([Y, Y**2], axis=1), weights=TABLE.w),
    "sums with a ridge": lambda: gl.fit(X, Y, penalty=gl.penalties.ridge(0.1)),
    "HC3": lambda: gl.fit(X, Y, covariance="HC3"),
    "two targets": lambda: gl.fit(X, np.stack([Y, Y**2], axis=1), covariance="HC1"),
    "clusters": lambda: gl.fit("y ~ a + b", TABLE, weights="w", covariance="cluster", groups="g"),
    "huber": lambda: gl.fit(X, Y, loss=gl.losses.huber(1.0), covariance="default"),
    "quantile": lambda: gl.fit(X, Y, loss=gl.losses.quantile(0.3)),
    "normal": lambda: gl.fit({"mean": "y ~ a + b", "log_scale": "~ a"}, TABLE, loss="normal"),
    "gamma": lambda: gl.fit(X, np.exp(Y), loss="gamma"),
    "ridge of poisson": lambda: gl.fit(X, COUNTS, loss="poisson", penalty=gl.penalties.ridge(0.1)),
    "none": lambda: gl.fit(X, Y, covariance=False),
}


@pytest.mark.parametrize("name", FITS)
def test_the_same_numbers_come_back(name, tmp_path):
    fit = FITS[name]()
    fit.save(tmp_path / "m.json")
    loaded = gl.load(tmp_path / "m.json")
    assert (loaded.fingerprint, loaded.row_columns) == (fit.fingerprint, fit.row_columns)
    assert str(loaded.summary()) == str(fit.summary())
    if name == "none":
        with pytest.raises(ValueError, match="none were wanted"):
            _ = loaded.standard_errors
        return
    np.testing.assert_array_equal(loaded.standard_errors, fit.standard_errors)
    np.testing.assert_array_equal(loaded.p_values, fit.p_values)
    np.testing.assert_array_equal(loaded.covariance().matrix, fit.covariance().matrix)
    assert loaded.inference.statistics.deviance == fit.inference.statistics.deviance
    assert repr(loaded.joint_test) == repr(fit.joint_test)
    for kind in ("HC0", "HC1"):
        if fit.inference.meat is not None:
            np.testing.assert_array_equal(loaded.covariance(kind).standard_errors, fit.covariance(kind).standard_errors)
    if fit.inference.residuals is not None:
        np.testing.assert_array_equal(loaded.inference.residuals.at(0.1), fit.inference.residuals.at(0.1))


def test_a_loaded_model_takes_its_rows_again(tmp_path):
    fit = FITS["clusters"]()
    fit.save(tmp_path / "m.json")
    loaded = gl.load(tmp_path / "m.json")
    np.testing.assert_array_equal(loaded.diagnose(TABLE).cooks_distance, fit.diagnose(TABLE).cooks_distance)
    again = loaded.with_covariance("HC3", TABLE)
    np.testing.assert_allclose(again.standard_errors, gl.fit("y ~ a + b", TABLE, weights="w", covariance="HC3").standard_errors, rtol=1e-12)
    with pytest.raises(ValueError, match="not the rows"):
        loaded.diagnose(TABLE.iloc[1:])


def test_the_size_is_that_of_the_squared_columns(tmp_path):
    sizes = {}
    for p in (10, 40):
        for n in (200, 20_000):
            x = RNG.normal(size=(n, p))
            gl.fit(x, x.sum(axis=1) + RNG.normal(size=n)).save(tmp_path / "m")
            sizes[p, n] = (tmp_path / "m").stat().st_size
    assert abs(sizes[10, 20_000] - sizes[10, 200]) < 1_000
    assert sizes[40, 200] < 41**2 * 30


def test_a_file_of_version_1_loads_and_says_what_it_lacks(tmp_path):
    gl.fit(X, Y).save(tmp_path / "m.json")
    document = json.loads((tmp_path / "m.json").read_text())
    document["version"] = 1
    for field in ("beside", "fingerprint", "uncertainty"):
        del document["model"][field]
    document["checksum"] = checksum(document)
    (tmp_path / "m.json").write_text(json.dumps(document))
    old = gl.load(tmp_path / "m.json")
    np.testing.assert_array_equal(old.coefficients, gl.fit(X, Y).coefficients)
    with pytest.raises(ValueError, match="saved by a version that did not keep them"):
        _ = old.standard_errors
    np.testing.assert_allclose(old.with_covariance("HC1", X, Y).standard_errors, gl.fit(X, Y, covariance="HC1").standard_errors)


def _drop_row(record):
    record["bread"]["root"].pop()


def _short_meat(record):
    record["meat"] = record["meat"][:-1]


def _infinite(record):
    record["covariance"]["factor"][0][0] = "Infinity"


def _unknown(record):
    record["rows_of_the_data"] = [[1.0]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_drop_row, "the bread should be that of 4 coefficients"),
        (_short_meat, "the meat should hold 4 lists of 4 numbers"),
        (_infinite, "factor"),
        (_unknown, "rows_of_the_data is not known"),
    ],
)
def test_an_edited_record_is_refused(change, message, tmp_path):
    FITS["HC3"]().save(tmp_path / "m.json")
    document = json.loads((tmp_path / "m.json").read_text())
    change(document["model"]["uncertainty"])
    document["checksum"] = checksum(document)
    (tmp_path / "m.json").write_text(json.dumps(document))
    with pytest.raises(ValueError, match=message):
        gl.load(tmp_path / "m.json")
