"""Paths: every strength against scikit-learn, folds against refits, choices, and what is refused."""

import re

import numpy as np
import pytest
from scipy.optimize import minimize

import gradline as gl
from gradline.rows.arrays import ArrayRows
from gradline.rows.folds import Folds

RNG = np.random.default_rng(11)
N, P = 400, 10
X = RNG.normal(size=(N, P)) * 10.0 ** RNG.uniform(-0.3, 0.3, P) + 1.0
TRUE = np.where(np.arange(P) < 3, [2.0, -1.0, 0.7] + [0.0] * (P - 3), 0.0)
Y = X @ TRUE + RNG.normal(size=N)

SMALL = np.random.default_rng(0).normal(size=(80, 4))
SMALL_Y = SMALL @ [2.0, -1.0, 0.3, 0.0] + np.random.default_rng(1).normal(size=80)


def fold_of(n, count=10, seed=0):
    return Folds(count, seed).of(ArrayRows(np.zeros((n, 1)), np.zeros((n, 1))).in_memory())


def test_every_strength_is_scikit_learns():
    linear = pytest.importorskip("sklearn.linear_model")
    path = gl.path(X, Y, strengths=40)
    _, slopes, _ = linear.lasso_path(X - X.mean(axis=0), Y - Y.mean(), alphas=path.strengths / 2, tol=1e-14, max_iter=10**6)
    np.testing.assert_allclose(path.coefficients[:, 1:, 0].T, slopes, atol=1e-9)
    np.testing.assert_array_equal(path.coefficients[:, 1:, 0].T == 0, slopes == 0)
    assert path.nonzero[0] == 0
    assert path.nonzero[1] == 1
    assert (np.diff(path.strengths) < 0).all()
    assert (path.gaps >= 0).all()
    assert path.gaps.max() <= 1e-10
    assert path.converged.all()
    np.testing.assert_allclose(path.strengths[-1] / path.strengths[0], 1e-4)


@pytest.mark.parametrize("strength_place", [5, 20, 35])
def test_folds_are_explicit_refits(strength_place):
    path = gl.path(X, Y, strengths=40, choose="folds", folds=5)
    owner, strength = fold_of(N, 5), float(path.strengths[strength_place])
    for fold in range(5):
        inside = owner == fold
        refit = gl.fit(X[~inside], Y[~inside], penalty=gl.penalties.lasso(strength))
        held = np.mean(np.square(Y[inside] - refit.predict(X[inside])))
        assert path.held_out.of_fold[fold, strength_place] == pytest.approx(held, rel=1e-10)
    counts = np.bincount(owner)
    np.testing.assert_array_equal(path.held_out.weights, counts)
    assert path.held_out.mean[strength_place] == pytest.approx(np.average(path.held_out.of_fold[:, strength_place], weights=counts))


def test_folds_of_another_loss_are_explicit_refits():
    y = (Y.mean() < Y) * 1.0
    path = gl.path(X, y, loss="logistic", strengths=[0.1, 0.03, 0.01], choose="folds", folds=4)
    owner = fold_of(N, 4)
    for fold in range(4):
        inside = owner == fold
        for place, strength in enumerate(path.strengths):
            refit = gl.fit(X[~inside], y[~inside], loss="logistic", penalty=gl.penalties.lasso(float(strength)))
            p = refit.predict(X[inside])
            held = -np.mean(y[inside] * np.log(p) + (1 - y[inside]) * np.log1p(-p))
            assert path.held_out.of_fold[fold, place] == pytest.approx(held, rel=1e-9)


def test_a_fit_alone_is_the_path_there():
    for loss, y in (("squared", Y), ("poisson", RNG.poisson(np.exp(np.clip(X @ TRUE / 6, -2, 2))) * 1.0), (gl.losses.huber(1.0), Y)):
        path = gl.path(X, y, loss=loss, strengths=12)
        strength = float(path.strengths[7])
        alone = gl.fit(X, y, loss=loss, penalty=gl.penalties.lasso(strength))
        found = path.fit(strength)
        np.testing.assert_allclose(found.coefficients, alone.coefficients, rtol=1e-8, atol=1e-10)
        assert found.loss == pytest.approx(alone.loss, rel=1e-12)
        np.testing.assert_allclose(found.predict(X), alone.predict(X), rtol=1e-8)


def test_choices():
    path = gl.path(X, Y, choose="folds")
    held = path.held_out
    best = int(np.argmin(held.mean))
    assert path.best == path.strengths[best]
    within = held.mean <= held.mean[best] + held.error[best]
    assert path.within_one_error == path.strengths[within].max() >= path.best
    assert path.fit().penalty.part.l1[0] == pytest.approx(path.best)
    table = path.table()
    assert list(table) == ["strength", "nonzero", "loss", "gap", "held_out", "error"]
    assert all(len(column) == 100 for column in table.values())
    assert "best" in repr(path)


def test_auto_is_the_best_of_ten_folds():
    path = gl.path(X, Y, choose="folds")
    fit = gl.fit(X, Y, penalty=gl.penalties.lasso("auto"))
    np.testing.assert_allclose(fit.coefficients, path.fit().coefficients, rtol=1e-8, atol=1e-10)
    assert "10 folds" in str(fit.summary())


def test_the_seed_and_groups_decide_who_is_held_out():
    first, again, other = (gl.path(X, Y, strengths=5, choose="folds", seed=seed).held_out.of_fold for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    labels = np.repeat(np.arange(40), 10)
    grouped = gl.path(X, Y, strengths=5, choose="folds", folds=8, groups=labels)
    assert (grouped.held_out.weights % 10 == 0).all()
    assert grouped.held_out.how == "8 folds of groups"


def test_a_file_gives_the_path_of_its_rows(tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "rows.parquet"
    parquet.write_table(pyarrow.table({**{f"x{i + 1}": X[:, i] for i in range(P)}, "y": Y}), path)
    formula = "y ~ " + " + ".join(f"x{i + 1}" for i in range(P))
    of_file, of_arrays = gl.path(formula, path, strengths=10, choose="folds"), gl.path(X, Y, strengths=10, choose="folds")
    np.testing.assert_allclose(of_file.coefficients, of_arrays.coefficients, atol=1e-10)
    np.testing.assert_allclose(of_file.held_out.mean, of_arrays.held_out.mean, rtol=1e-10)
    assert of_file.fit().names[1] == "x1"


@pytest.mark.parametrize(
    "penalty",
    [
        gl.penalties.elastic_net(l1_share=0.4),
        gl.penalties.group_lasso(groups=["a", "a", "b", "b", "b", "c", "c", "c", "d", "d"]),
        gl.penalties.mcp(),
        gl.penalties.scad(),
        gl.penalties.lasso(scaled=True) + gl.penalties.ridge(0.01),
        gl.penalties.lasso(weights={"x1": 0.0}),
    ],
    ids=lambda penalty: penalty.name,
)
def test_other_penalties_have_paths(penalty):
    path = gl.path(X, Y, penalty=penalty, strengths=8, choose="folds", folds=3)
    assert path.converged.all()
    alone = gl.fit(X, Y, penalty=penalty.with_strength(float(path.strengths[4])))
    assert path.objectives[4] <= alone.loss + 1e-8
    assert np.isfinite(path.held_out.mean).all()


def test_more_columns_than_rows():
    x = RNG.normal(size=(60, 120))
    y = 3 * x[:, 0] + RNG.normal(size=60)
    path = gl.path(x, y, strengths=30)
    assert path.converged.all()
    assert path.gaps.max() <= 1e-10
    assert path.nonzero.max() <= 60
    np.testing.assert_allclose(path.strengths[-1] / path.strengths[0], 1e-2)


def test_the_picture_marks_both_choices():
    pytest.importorskip("matplotlib").use("Agg")
    path = gl.path(X, Y, choose="folds", strengths=20)
    slopes, held = path.plot().ravel()
    assert {text.get_text() for text in slopes.texts} >= {"x1", "x2", "x3"}
    words = [text.get_text() for text in held.get_legend().get_texts()]
    assert words[0].startswith("least: ")
    assert words[1].startswith("within one error: ")
    assert gl.path(X, Y, strengths=5).plot().get_ylabel() == "coefficient"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"penalty": gl.penalties.lasso(0.1)}, "without a strength"),
        ({"penalty": gl.penalties.ridge(0.1)}, "without a strength"),
        ({"strengths": 0}, "at least 1"),
        ({"strengths": [0.1, -0.2]}, "at least 0"),
        ({"strengths": [0.1, float("nan")]}, "finite"),
        ({"strengths": "many"}, "count"),
        ({"choose": "luck"}, "folds"),
        ({"choose": "folds", "folds": 1}, "at least 2"),
        ({"choose": "folds", "folds": N + 1}, "as many rows"),
        ({"choose": "folds", "groups": [0, 1]}, "2 labels for 400 rows"),
        ({"choose": "folds", "groups": np.zeros(N)}, "as many groups"),
        ({"groups": np.arange(N)}, "goes with choose"),
        ({"loss": "absolute", "penalty": gl.penalties.elastic_net("auto")}, "smooth loss"),
        ({"strengths": [0.1, np.nan]}, "at least 0; nan is not"),
        ({"alphas": 3}, "unexpected keyword"),
    ],
)
def test_what_is_no_path_is_refused_with_words(options, words):
    with pytest.raises(Exception, match=words) as raised:
        gl.path(X, Y, **options)
    assert isinstance(raised.value, gl.GradlineError)


def test_a_target_that_does_not_vary_has_no_path():
    with pytest.raises(gl.ArgumentError, match="does not vary"):
        gl.path(X, np.ones(N))
    with pytest.raises(gl.ArgumentError, match="no rows were held out"):
        gl.path(X, Y, strengths=3).fit()
    with pytest.raises(gl.ArgumentError, match="the nearest is"):
        gl.path(X, Y, strengths=3).fit(123.0)


def test_few_rows_are_dealt_out_so_that_no_fold_is_empty():
    for n, count in ((5, 5), (12, 10), (60, 10)):
        sizes = np.bincount(Folds.of_rows(count, 3, n).of_row, minlength=count)
        assert sizes.max() - sizes.min() <= 1
    path = gl.path(X[:5], Y[:5], choose="folds", folds=5, strengths=4)
    # Each fold is a row: its loss is that of a fit to the other four.
    owner = Folds.of_rows(5, 0, 5).of_row
    for row in range(5):
        rest = np.arange(5) != row
        fit = gl.fit(X[:5][rest], Y[:5][rest], penalty=gl.penalties.lasso(float(path.strengths[2])))
        left = Y[row] - fit.predict(X[row : row + 1])[0]
        assert path.held_out.of_fold[owner[row], 2] == pytest.approx(left**2, rel=1e-8)
    assert gl.fit(X[:5], Y[:5], penalty=gl.penalties.lasso()).certificate.converged


def test_a_fold_without_a_class_is_named_once():
    rare = np.zeros(N)
    rare[7] = 1.0
    fold = int(fold_of(N)[7]) + 1
    with pytest.warns(gl.GradlineWarning) as seen:
        gl.path(X, rare, loss="logistic", choose="folds", strengths=[1.0, 0.3])
    said = [str(each.message) for each in seen if "fold" in str(each.message)]
    assert len(said) == 1
    assert f"without the rows of fold {fold} of 10 the fits of 2 strengths" in said[0]


@pytest.mark.parametrize("seed", ["a", -5, 1.5, True])
def test_seeds_are_whole_numbers(seed):
    with pytest.raises(ValueError, match="seed must be a whole number"):
        gl.path(X, Y, choose="folds", strengths=3, seed=seed)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("loss", ["squared", gl.losses.huber(1.0)], ids=["squared", "huber"])
def test_few_rows_with_missing_values_are_dealt_out_as_those_that_are_left(loss, streamed, monkeypatch):
    rows = slice(0, 90)
    holes = np.isin(np.arange(90), [3, 50, 88])
    table = {"x": np.where(holes, np.nan, X[rows, 0]), "z": X[rows, 1], "y": Y[rows]}
    if streamed:
        monkeypatch.setattr("gradline.preparing.from_table.MOST_HELD", 10)
    of_table = gl.path("y ~ x + z", table, loss=loss, strengths=4, choose="folds")
    of_arrays = gl.path(X[rows, :2][~holes], Y[rows][~holes], loss=loss, strengths=4, choose="folds")
    np.testing.assert_allclose(of_table.held_out.of_fold, of_arrays.held_out.of_fold, rtol=1e-9)
    assert of_table.held_out.weights.sum() == 87


def test_one_class_and_strengths_that_are_none():
    X = np.random.default_rng(0).normal(size=(30, 3))
    for penalty in (gl.penalties.lasso(), gl.penalties.lasso("leave-one-out")):
        with pytest.raises(ValueError, match="one class only"):
            gl.fit(X, np.ones(30), loss="logistic", penalty=penalty)
    with pytest.raises(ValueError, match="one class only"):
        gl.path(X, np.ones(30), loss="logistic")
    path = gl.path(X, X[:, 0], strengths=3)
    for strength in ("best", -1.0, np.nan, True):
        with pytest.raises(ValueError, match="a number of at least 0"):
            path.fit(strength)


def test_a_path_and_its_choice_survive_a_file(tmp_path):
    path = gl.path(X, Y, strengths=12, choose="folds", folds=4)
    path.save(tmp_path / "path.json")
    loaded = gl.load(tmp_path / "path.json")
    np.testing.assert_array_equal(loaded.breakpoints, path.breakpoints)
    for strength in (path.best, path.within_one_error):
        fit = path.fit(strength)
        before, after = (" ".join(str(each.summary()).split()) for each in (fit, loaded.fit(strength)))
        # Intervals given what was kept need the penalty itself, which a file does not hold.
        assert after == before.replace(', and covariance="selective" intervals given what was kept', "")
        assert re.findall(r" (x\d+) zero", after) == [name for name, slope in zip(fit.names[1:], fit.slopes, strict=True) if slope == 0]
    assert "has the least loss in 4 folds" in str(loaded.fit().summary()).replace("\n           ", " ")


def bowl(b):
    return np.sqrt(1.0 + np.square(b)) - 1.0


def dip(b):
    return np.square(b) / (1.0 + np.square(b))


def test_a_smooth_penalty_that_is_no_parabola_is_not_taken_for_one():
    X, y, strength = SMALL, SMALL_Y, 0.3
    penalty = gl.penalties.lasso() + gl.penalties.custom(bowl, strength=5.0)

    def objective(both):
        slopes = both[1:5] - both[5:]
        left = y - both[0] - X @ slopes
        gradient = -2.0 * left @ X / len(y) + 5.0 * slopes / np.sqrt(1.0 + slopes**2)
        value = np.mean(left**2) + strength * both[1:].sum() + 5.0 * bowl(slopes).sum()
        return value, np.concatenate([[-2.0 * left.mean()], gradient + strength, -gradient + strength])

    bounds = [(None, None)] + [(0.0, None)] * 8
    options = {"maxiter": 10**5, "ftol": 1e-16, "gtol": 1e-12}
    least = minimize(objective, np.full(9, 0.1), jac=True, bounds=bounds, method="L-BFGS-B", options=options).fun
    path = gl.path(X, y, penalty=penalty, strengths=[1.0, strength, 0.1], choose="folds", folds=4)
    alone = gl.fit(X, y, penalty=gl.penalties.lasso(strength) + gl.penalties.custom(bowl, strength=5.0))
    for fit in (path.fit(strength), alone):
        c = fit.coefficients
        reached = objective(np.concatenate([c[:1], np.maximum(c[1:], 0.0), np.maximum(-c[1:], 0.0)]))[0]
        assert abs(reached - least) <= 1e-10
        assert reached - least <= fit.certificate.gap + 1e-14
        assert fit.certificate.gap <= 1e-8
        assert fit.certificate.gradient_norm <= 1e-10
    with pytest.raises(ValueError, match="quadratic only"):
        gl.path("y ~ .", gl.Moments.from_arrays(X, y), penalty=penalty)


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_a_smooth_penalty_that_is_not_convex_has_no_gap(loss):
    target = (SMALL_Y > 0) * 1.0 if loss == "logistic" else SMALL_Y
    dips = gl.penalties.custom(dip, strength=1.0, convex=False)
    fit = gl.fit(SMALL, target, loss=loss, penalty=gl.penalties.lasso(0.05) + dips)
    assert fit.certificate.converged
    assert fit.certificate.gap is None
    assert "local minimum" in fit.certificate.reason
    assert fit.certificate.gradient_norm <= 1e-10
    path = gl.path(SMALL, target, loss=loss, penalty=gl.penalties.lasso() + dips, strengths=4)
    assert np.isnan(path.gaps).all()
    with pytest.raises(ValueError, match="not convex"):
        gl.path(SMALL, target, loss=loss, penalty=gl.penalties.lasso() + dips, strengths=4, choose="leave-one-out")


@pytest.mark.parametrize("loss", ["squared", "absolute"])
def test_the_first_strength_leaves_no_slope(loss):
    # At the bound itself rounding lets a slope in now and then, as in the wide one here.
    for seed in range(6):
        rng = np.random.default_rng(seed)
        wide = rng.normal(size=(40, 600 if loss == "squared" else 5))
        path = gl.path(wide, wide[:, 1] + rng.normal(size=40), loss=loss, strengths=3)
        assert path.nonzero[0] == 0
        assert path.nonzero[1] > 0


@pytest.mark.parametrize(("loss", "words"), [("squared", ["debiased", "selective"]), ("huber", ["debiased"]), ("absolute", [])])
def test_only_intervals_that_there_are_are_offered(loss, words):
    own = gl.losses.huber(1.0) if loss == "huber" else loss
    for fit in (
        gl.fit(SMALL, SMALL_Y, loss=own, penalty=gl.penalties.lasso(0.1)),
        gl.path(SMALL, SMALL_Y, loss=own, strengths=[0.1]).fit(0.1),
    ):
        said = " ".join(str(fit.summary()).split())
        assert [word for word in ("debiased", "selective") if f'covariance="{word}"' in said] == words


def test_a_level_that_one_fold_holds_alone_is_said():
    rng = np.random.default_rng(0)
    level = np.array(["a", "b"])[rng.integers(0, 2, 200)].astype(object)
    level[17] = "rare"
    table = {"y": rng.normal(size=200), "x": rng.normal(size=200), "g": level.astype(str)}
    with pytest.warns(gl.GradlineWarning, match=r"without the rows of fold \d of 5 nothing varies in 'C\(g\)\[T.rare\]'"):
        gl.path("y ~ x + C(g)", table, choose="folds", folds=5, strengths=5)


def test_a_target_of_zeros_that_no_prediction_reaches():
    X = np.random.default_rng(0).normal(size=(30, 3))
    for ask in (
        lambda: gl.fit(X, np.zeros(30), loss="poisson", penalty=gl.penalties.lasso(0.1)),
        lambda: gl.path(X, np.zeros(30), loss="poisson"),
    ):
        with pytest.raises(ValueError, match="zero in every row, and the loss 'poisson' predicts what is above zero"):
            ask()
    with pytest.raises(ValueError, match="one class only, 0"):
        gl.fit(X, np.zeros(30), loss="multinomial")
    assert gl.fit(X, np.zeros(30), penalty=gl.penalties.lasso(0.1)).certificate.converged
