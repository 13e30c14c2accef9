"""What a report says of a classification, the colours of its pictures, and advice in the words of who asks."""

import base64
import re

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

import gradline as gl
from gradline.cli.wording import as_options
from gradline.plot import style
from gradline.report import build
from gradline.report.html import name


@pytest.fixture(scope="module")
def labels():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(160, 2))
    return {"a_first": x[:, 0], "b": x[:, 1], "y": (rng.random(160) < 1 / (1 + np.exp(-x @ [1.5, -1]))).astype(float)}


@pytest.fixture(scope="module")
def found(labels):
    fit = gl.fit("y ~ a_first + b", labels, loss="logistic")
    return fit, build(fit, labels, words=as_options).html


def test_odds_ratios_and_how_well_classes_are_told_apart(labels, found):
    fit, page = found
    table = re.search(r"<caption>Odds ratios</caption>.*?</table>", page)[0]
    numbers = [float(cell) for cell in re.findall(r"<td>([^<]+)</td>", table)]
    interval = fit.interval(0.95)
    wanted = np.exp(np.column_stack([fit.coefficients, interval.lower, interval.upper]))[1:]
    assert np.allclose(np.reshape(numbers, (2, 3)), wanted, rtol=1e-3)
    probability = fit.predict(labels)
    assert f"<dd>{roc_auc_score(labels['y'], probability):.4g}: 0.5 by chance" in page
    assert f"<dd>{brier_score_loss(labels['y'], probability):.4g}, the mean" in page
    assert [title for title in re.findall(r"<figcaption><strong>([^<]+)", page) if title in ("The fit", "ROC curve")] == [
        "The fit",
        "ROC curve",
    ]


def test_a_linear_model_has_neither(labels):
    page = gl.fit("b ~ a_first", labels).report(labels).html
    assert "Odds ratios" not in page
    assert "ROC" not in page
    assert "<strong>The fit</strong>" in page


def test_pictures_take_the_colours_of_a_dark_page(found):
    sources = re.findall(r"data:image/svg\+xml;base64,([^\"]+)", found[1])
    assert len(sources) >= 6
    for source in sources:
        svg = base64.b64decode(source).decode()
        rules, _, body = svg.partition("</style>")
        assert f"(prefers-color-scheme:dark){{:root{{--paper:{style.DARK.paper};" in rules
        assert "var(--paper)" in body
        assert not {style.LIGHT.paper, style.LIGHT.ink, style.LIGHT.blue, style.LIGHT.vermillion} & set(re.findall(r"#[0-9a-f]{6}", body))


def test_advice_is_in_the_words_of_who_asks():
    rng = np.random.default_rng(1)
    x = rng.normal(size=300)
    data = {"x": x, "y": x + np.exp(x) * rng.normal(size=300)}
    fit = gl.fit("y ~ x", data, covariance="default")
    assert "<code>covariance=&quot;HC3&quot;</code>" in fit.report(data).html
    page = build(fit, data, words=as_options).html
    assert "<code>--covariance HC3</code>" in page
    assert "covariance=&quot;" not in page


@pytest.mark.parametrize(
    ("python", "option"),
    [
        ('penalty=gl.penalties.ridge("auto")', "--penalty ridge:auto"),
        ('loss=gl.losses.huber(1.35, scale="joint")', "--loss huber:1.35,joint"),
        ("loss=gl.losses.negative_binomial(0.5)", "--loss negative_binomial:0.5"),
        ('covariance=("newey-west", 4)', "--covariance newey-west"),
        ('covariance=("cluster", groups)', "--covariance cluster --groups COLUMN"),
        ("poly(x, 2)", "poly(x, 2)"),
    ],
)
def test_each_piece_of_advice_can_be_typed(python, option):
    assert as_options(python) == option


def test_names_break_where_their_parts_meet():
    assert name("flipper_length_mm") == "flipper_<wbr>length_<wbr>mm"
    assert name("C(species)[T.Gentoo]:x1") == "C(species)<wbr>[T.Gentoo]:<wbr>x1"
    assert name("<b>_c") == "&lt;b&gt;_<wbr>c"
    assert name("plain 1.5") == "plain 1.5"
