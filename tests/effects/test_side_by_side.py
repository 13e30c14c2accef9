"""Models side by side, ratios in the summary, pseudo R-squared, and measures of classes against scikit-learn."""

import re
import shutil
import subprocess

import numpy as np
import pytest
from references import data, fitted

import gradline as gl
from gradline.effects.classification import Classification

PENGUINS = gl.datasets.penguins()
SMALL = gl.fit("body_mass_g ~ flipper_length_mm", PENGUINS)
LARGE = gl.fit("body_mass_g ~ flipper_length_mm + C(species)", PENGUINS)
ODD = {"50% & more_{x}$": "#1_a^b~\\c", "y": "y"}


@pytest.fixture(scope="module")
def sexes():
    return gl.fit("I(sex == 'male') ~ body_mass_g + C(species)", PENGUINS, loss="logistic")


def test_the_numbers_are_those_of_the_fits():
    found = gl.compare_models(SMALL, LARGE)
    assert found.names == ("(1)", "(2)")
    assert list(found.coefficients) == list(LARGE.names)
    assert found.coefficients["C(species)[T.Gentoo]"][0] is None
    own = found.coefficients["flipper_length_mm"][1]
    assert own["estimate"] == LARGE.coefficients[1]
    assert own["standard_error"] == LARGE.standard_errors[1]
    assert own["lower"] == LARGE.interval().lower[1]
    assert found.measures["AIC"] == [SMALL.aic, LARGE.aic]
    rows = found.to_dict()
    assert len(rows["estimate"]) == 6
    assert rows["model"][:2] == ["(1)", "(1)"]


def test_text_html_markdown_and_latex_say_the_same():
    found = gl.compare_models(SMALL, LARGE, names=["small", "large"], below="interval", marks=True, level=0.9)
    ends = ", ".join(f"{end[1]:.4g}" for end in LARGE.interval(0.9))
    for text in (str(found), found.to_markdown(), found.to_latex(), found._repr_html_()):
        for part in ("small", "large", "40.71", ends, "90", "342", "0.7826"):
            assert part in text
    assert str(found).count("***") >= 4
    assert "(" not in gl.compare_models(SMALL, LARGE, below=None, names=["a", "b"]).to_text().partition("Intercept")[2].partition("\n")[0]


def test_ratios_side_by_side(sexes):
    plain = gl.fit("I(sex == 'male') ~ body_mass_g", PENGUINS, loss="logistic", where="species IS NOT NULL")
    found = gl.compare_models(plain, sexes, exponentiate=True)
    own = found.coefficients["body_mass_g"][1]
    assert own["estimate"] == pytest.approx(np.exp(sexes.coefficients[1]))
    assert own["upper"] == pytest.approx(np.exp(sexes.interval().upper[1]))
    assert own["standard_error"] == pytest.approx(own["estimate"] * sexes.standard_errors[1])


def odd_models():
    generator = np.random.default_rng(1)
    table = {name: generator.normal(size=30) for name in ODD}
    return [gl.fit(f"`y` ~ `{next(iter(ODD))}`", table), gl.fit("y ~ 1", table)]


def test_latex_of_any_name_is_no_command():
    found = gl.compare_models(*odd_models(), names=list(ODD.values()), title="100% of $ & _")
    text = found.to_latex()
    assert r"50\% \& more\_\{x\}\$" in text
    assert r"\#1\_a\textasciicircum{}b\textasciitilde{}\textbackslash{}c" in text
    # Nothing of a name is left that LaTeX would act on.
    assert not re.search(r"(?<!\\)[#%]", text)
    assert text.count("{") == text.count("}")
    latex = shutil.which("pdflatex")
    if latex is None:
        return
    page = "\\documentclass{article}\\begin{document}" + text + "\\end{document}"
    assert subprocess.run([latex, "-halt-on-error", "-jobname=x"], input=page.encode(), cwd="/tmp", capture_output=True).returncode == 0


def test_markdown_and_html_of_any_name_are_text():
    found = gl.compare_models(*odd_models(), names=["<b>|", "a*b_"])
    assert r"\<b\>\|" in found.to_markdown()
    assert "&lt;b&gt;|" in found.to_html()
    assert "<b>" not in found.to_html()


HEAVIER = [mass + (i == 7) for i, mass in enumerate(PENGUINS["body_mass_g"])]
"""One penguin by a gram."""

OTHERS = {
    "another target": lambda: gl.fit("bill_length_mm ~ flipper_length_mm", PENGUINS),
    "fewer rows": lambda: gl.fit("body_mass_g ~ sex", PENGUINS),
    "other rows": lambda: gl.fit("body_mass_g ~ flipper_length_mm", {**PENGUINS, "body_mass_g": HEAVIER}),
}  # fmt: skip


@pytest.mark.parametrize("case", OTHERS)
def test_models_of_other_rows_or_targets_are_refused(case):
    other = OTHERS[case]()
    said = {
        "another target": "predict other targets",
        "fewer rows": "342 and .* to 333",
        "other rows": "with other targets, weights or offsets",
    }
    with pytest.raises(gl.InferenceError, match=said[case]):
        gl.compare_models(SMALL, other)
    shown = gl.compare_models(SMALL, other, same_rows=False)
    assert "AIC" not in shown.measures
    assert "not comparable" in str(shown)


def test_what_is_no_comparison_is_refused():
    with pytest.raises(gl.ArgumentError, match="two fits or more"):
        gl.compare_models(SMALL)
    with pytest.raises(gl.ArgumentTypeError, match="takes fits, not str"):
        gl.compare_models(SMALL, "other")
    with pytest.raises(gl.ArgumentError, match="1 names for 2 models"):
        gl.compare_models(SMALL, LARGE, names=["one"])
    with pytest.raises(gl.ArgumentError, match="below must be"):
        gl.compare_models(SMALL, LARGE, below="t")


def test_a_summary_of_ratios(sexes):
    text = str(sexes.summary(exponentiate=True))
    assert "odds ratio" in text
    assert f"{np.exp(sexes.coefficients[1]):.4f}" in text
    assert "ratio of means" in str(fitted("visits").summary(exponentiate=True))
    assert "exp(coef)" in str(SMALL.summary(exponentiate=True))
    assert "odds ratio" not in str(sexes.summary())
    assert "odds ratio" in sexes.summary(exponentiate=True)._repr_html_()


def test_pseudo_r_squared_by_their_formulas(sexes):
    table = sexes.pseudo_r_squared(PENGUINS)
    found = dict(zip(table["name"], table["value"], strict=True))
    sex = np.array([PENGUINS["sex"][i] for i in range(344) if PENGUINS["sex"][i] in ("male", "female")]) == "male"
    n, share = len(sex), sex.mean()
    null = n * (share * np.log(share) + (1 - share) * np.log(1 - share))
    best = sexes.log_likelihood
    assert found["McFadden"] == pytest.approx(1 - best / null, rel=1e-10)
    assert found["McFadden, adjusted"] == pytest.approx(1 - (best - 3) / null, rel=1e-10)
    assert found["Cox and Snell"] == pytest.approx(1 - np.exp(2 * (null - best) / n), rel=1e-10)
    assert found["Nagelkerke"] == pytest.approx(found["Cox and Snell"] / (1 - np.exp(2 * null / n)), rel=1e-10)
    probability = sexes.predict(PENGUINS)
    kept = np.array([s in ("male", "female") for s in PENGUINS["sex"]])
    assert found["Tjur"] == pytest.approx(probability[kept][sex].mean() - probability[kept][~sex].mean(), rel=1e-10)
    for bad, said in ((SMALL, "r_squared"), (gl.fit("body_mass_g ~ sex", PENGUINS, loss="gamma"), "no pseudo R-squared")):
        with pytest.raises(gl.InferenceError, match=said):
            bad.pseudo_r_squared(PENGUINS)


def test_measures_of_two_classes_are_those_of_scikit_learn(sexes):
    metrics = pytest.importorskip("sklearn.metrics")
    found = sexes.classification(PENGUINS, threshold=0.4)
    label = found.labels
    probability = found.probabilities[:, 1]
    said = probability >= 0.4
    # Penguins of one species and mass tie, and scikit-learn would have the last bit of their sums decide, which differs by processor.
    score = np.round(probability, 12)
    known = np.isin(PENGUINS["sex"], ["male", "female"])
    assert len(np.unique(score)) == len(set(zip(*(np.array(PENGUINS[name])[known] for name in ("body_mass_g", "species")), strict=True)))
    assert found.auc == pytest.approx(metrics.roc_auc_score(label, score), rel=1e-12)
    assert found.brier == pytest.approx(metrics.brier_score_loss(label, probability), rel=1e-12)
    assert found.log_loss == pytest.approx(metrics.log_loss(label, probability), rel=1e-12)
    assert found.log_loss == pytest.approx(sexes.loss, rel=1e-10)
    assert np.array_equal(found.confusion, metrics.confusion_matrix(label, said))
    assert found.sensitivity == pytest.approx(metrics.recall_score(label, said))
    assert found.precision == pytest.approx(metrics.precision_score(label, said))
    assert found.accuracy == pytest.approx(metrics.accuracy_score(label, said))
    curve, expected = found.roc(), metrics.roc_curve(label, score, drop_intermediate=False)
    for mine, theirs in zip(curve, expected, strict=True):
        np.testing.assert_allclose(mine, theirs)
    assert "AUC 0.93" in str(found)
    assert "<table" in found._repr_html_()


def test_rows_with_the_same_columns_tie_whatever_the_rounding():
    # Sums of the same numbers may round to neighbours, on one processor and not on another.
    metrics = pytest.importorskip("sklearn.metrics")
    probability = np.array([0.3, np.nextafter(0.3, 1), np.nextafter(0.3, 0), 0.3, 0.7])
    label = np.array([1, 0, 1, 0, 1])
    found = Classification(np.column_stack([1 - probability, probability]), label, np.ones(5), 0.5, "y")
    assert found.auc == pytest.approx(metrics.roc_auc_score(label, np.round(probability, 12)), rel=1e-15)


def test_frequencies_count_and_several_classes():
    metrics = pytest.importorskip("sklearn.metrics")
    generator = np.random.default_rng(6)
    x = generator.normal(size=150)
    y = generator.integers(0, 3, 150)
    w = generator.integers(0, 4, 150)
    table = {"x": x + y, "y": y, "w": w}
    fit = gl.fit("y ~ x", table, loss="multinomial", frequencies="w")
    found = fit.classification(table)
    probability = fit.predict(table)
    assert found.auc == pytest.approx(
        np.mean([metrics.roc_auc_score(y == j, probability[:, j], sample_weight=w) for j in range(3)]), rel=1e-10
    )
    assert np.array_equal(found.confusion, metrics.confusion_matrix(y, probability.argmax(axis=1), sample_weight=w))
    assert found.brier == pytest.approx(np.average(((probability - np.eye(3)[y]) ** 2).sum(axis=1), weights=w), rel=1e-12)
    with pytest.raises(gl.InferenceError, match="of two classes, and there are 3"):
        _ = found.sensitivity


def test_classes_of_what_has_none_are_refused(sexes):
    with pytest.raises(gl.InferenceError, match="predicts numbers"):
        SMALL.classification(PENGUINS)
    with pytest.raises(gl.ArgumentError, match="threshold must be"):
        sexes.classification(PENGUINS, threshold=50)


def test_comparing_takes_likelihoods_of_other_losses():
    found = gl.compare_models(
        gl.fit("visits ~ age", data("visits"), loss="poisson"),
        gl.fit("visits ~ age", data("visits"), loss=gl.losses.negative_binomial(0.2)),
    )
    assert found.measures["loss"][0] == "poisson"
    assert found.measures["loss"][1].startswith("negative_binomial(")
