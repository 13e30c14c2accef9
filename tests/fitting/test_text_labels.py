"""Labels of text as the targets of arrays, for losses of any number of classes."""

import numpy as np
import pytest

import gradline as gl
from gradline.base.errors import ArgumentError


@pytest.fixture
def penguins():
    table = gl.datasets.penguins()
    columns = ("body_mass_g", "bill_length_mm")
    X = np.column_stack([np.array(table[name], dtype=np.float64) for name in columns])
    keep = np.isfinite(X).all(axis=1)
    species = np.array(table["species"]).astype(str)[keep]
    return X[keep], species, {name: X[keep, j] for j, name in enumerate(columns)} | {"species": species}


def test_text_is_numbered_as_it_is_sorted_and_kept(penguins, tmp_path):
    X, y, table = penguins
    fit = gl.fit(X, y, loss="multinomial")
    codes = np.unique(y, return_inverse=True)[1]
    np.testing.assert_array_equal(fit.coefficients, gl.fit(X, codes, loss="multinomial").coefficients)
    np.testing.assert_allclose(
        fit.coefficients, gl.fit("species ~ body_mass_g + bill_length_mm", table, loss="multinomial").coefficients, rtol=1e-8
    )
    assert fit.class_names == ("Adelie", "Chinstrap", "Gentoo")
    assert np.mean(np.array(fit.class_names)[fit.predict(X).argmax(axis=1)] == y) > 0.9
    fit.save(tmp_path / "model.json")
    assert gl.load(tmp_path / "model.json").class_names == fit.class_names


def test_rows_given_again_may_have_labels_or_numbers(penguins):
    X, y, _ = penguins
    fit = gl.fit(X, y, loss="multinomial")
    codes = np.unique(y, return_inverse=True)[1]
    np.testing.assert_array_equal(fit.diagnose(X, y).leverage, fit.diagnose(X, codes).leverage)
    # Of some rows that hold two of the classes the numbers are still those of the fit.
    few = y != "Adelie"
    np.testing.assert_array_equal(fit.classification(X[few], y[few]).accuracy, fit.classification(X[few], codes[few]).accuracy)
    other = y.copy()
    other[4] = "Emperor"
    with pytest.raises(ArgumentError, match="y holds 'Emperor' in row 4, which is no class of the fit: those are 'Adelie', 'Chinstrap'"):
        fit.diagnose(X, other)


def test_lists_series_and_categoricals(penguins):
    pd = pytest.importorskip("pandas")
    X, y, _ = penguins
    fit = gl.fit(X, y, loss="multinomial")
    for given in (y.tolist(), y.astype(object), pd.Series(y)):
        np.testing.assert_array_equal(gl.fit(X, given, loss="multinomial").coefficients, fit.coefficients)
    turned = pd.Categorical(y, categories=["Gentoo", "Emperor", "Chinstrap", "Adelie"])
    assert gl.fit(X, turned, loss="multinomial").class_names == ("Gentoo", "Chinstrap", "Adelie")
    with pytest.raises(ValueError, match="index"):
        gl.fit(pd.DataFrame(X), pd.Series(y, index=np.arange(len(y))[::-1]), loss="multinomial")


def test_what_is_no_label_is_named(penguins):
    X, y, _ = penguins
    gap = y.astype(object)
    gap[7] = None
    with pytest.raises(ArgumentError, match="y holds text, and None in row 7"):
        gl.fit(X, gap, loss="multinomial")
    with pytest.raises(ArgumentError, match="one class only, 'Adelie'"):
        gl.fit(X[:5], y[:5], loss="multinomial")


def test_equations_and_tables_say_the_labels(penguins):
    X, y, table = penguins
    for fit in (gl.fit(X, y, loss="multinomial"), gl.fit("species ~ body_mass_g + bill_length_mm", table, loss="multinomial")):
        assert "class_1 (Chinstrap against Adelie) = " in repr(fit)
        said = " ".join(str(fit.summary()).split())
        assert "class_2: Gentoo against Adelie" in said
        assert "log odds of its class against Adelie when" in said
    # Numbers have no other names.
    plain = gl.fit(X, np.unique(y, return_inverse=True)[1], loss="multinomial")
    assert "class_1 = " in repr(plain)
    assert "against class 0 when" in " ".join(str(plain.summary()).split())
