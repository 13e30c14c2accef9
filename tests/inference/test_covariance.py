"""gl.fit(..., covariance=, groups=), Fit.with_covariance and Fit.covariance, from the user's hands."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

import gradline as gl
from gradline.preparing import from_table

RNG = np.random.default_rng(0)
N = 240
G, H = np.arange(N) // 8, np.arange(N) % 11
X = RNG.normal(size=(N, 2)) + RNG.normal(size=30)[G][:, None]
Y = 1 + X @ [1.0, -0.5] + RNG.normal(size=30)[G] + RNG.normal(size=N)
TABLE = pd.DataFrame(X, columns=["a", "b"]).assign(y=Y, g=G, h=H, s=[f"shop {g}" for g in G], w=RNG.random(N) + 0.5)
TABLE["day"] = pd.Timestamp("2026-01-01") + pd.to_timedelta(G, unit="D")


def close(actual, desired, tolerance=1e-8):
    np.testing.assert_allclose(actual, desired, rtol=tolerance)


def theirs(groups):
    return sm.OLS(Y, sm.add_constant(X)).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True).bse


@pytest.fixture(params=["in memory", "streamed"])
def table(request, monkeypatch, tmp_path):
    if request.param == "streamed":
        monkeypatch.setattr(from_table, "MOST_HELD", 10)
    TABLE.to_parquet(tmp_path / "t.parquet", row_group_size=50)
    return tmp_path / "t.parquet"


class TestClusters:
    def test_labels_beside_arrays(self):
        for asked in ({"covariance": "cluster", "groups": G}, {"covariance": ("cluster", G)}):
            fit = gl.fit(X, Y, **asked)
            close(fit.standard_errors, theirs(G))
            assert fit.covariance().degrees_of_freedom == 29
        both = np.stack([G, H], axis=1)
        close(gl.fit(X, Y, covariance="cluster", groups=both).standard_errors, theirs(both))

    @pytest.mark.parametrize("column", ["g", "s", "day"])
    def test_a_column_of_any_kind(self, table, column):
        close(gl.fit("y ~ a + b", table, covariance="cluster", groups=column).standard_errors, theirs(G))
        close(gl.fit("y ~ a + b", table, covariance=("cluster", column)).standard_errors, theirs(G))

    def test_two_columns(self, table):
        fit = gl.fit("y ~ a + b", table, covariance="cluster", groups=["s", "h"])
        close(fit.standard_errors, theirs(np.stack([G, H], axis=1)))
        assert fit.covariance().clusters == (30, 11)

    def test_rows_with_gaps_keep_their_clusters(self, monkeypatch, tmp_path):
        gaps = TABLE.copy()
        gaps.loc[[3, 77, 200], "a"] = np.nan
        gaps.to_csv(tmp_path / "t.csv", index=False)
        full = gaps.dropna()
        wanted = smf.ols("y ~ a + b", full).fit(cov_type="cluster", cov_kwds={"groups": full.g}, use_t=True).bse
        close(gl.fit("y ~ a + b", tmp_path / "t.csv", covariance="cluster", groups="g").standard_errors, wanted)
        monkeypatch.setattr(from_table, "MOST_HELD", 10)
        close(gl.fit("y ~ a + b", tmp_path / "t.csv", covariance="cluster", groups="g").standard_errors, wanted)
        # A label may be missing where its row is not used.
        gaps["s"] = gaps.s.where(gaps.a.notna())
        gaps.to_csv(tmp_path / "t.csv", index=False)
        close(gl.fit("y ~ a + b", tmp_path / "t.csv", covariance="cluster", groups="s").standard_errors, wanted)

    def test_a_missing_label_is_named(self, table, tmp_path):
        for column in ("s", "g"):
            gaps = TABLE.copy()
            gaps[column] = gaps[column].where(np.arange(N) % 100 != 7)
            with pytest.raises(ValueError, match=r"group of row 7 of .* is missing \(3 in all\).*IS NOT NULL"):
                gl.fit("y ~ a + b", gaps, covariance="cluster", groups=column)

    def test_streamed_clusters_hold_one_sum_each(self, monkeypatch, tmp_path):
        from gradline.inference.covariance import meat

        n, held = 300_000, []
        rng = np.random.default_rng(1)
        data = pd.DataFrame({"x": rng.normal(size=n), "g": rng.integers(0, 40, n)}).assign(y=lambda t: t.x + rng.normal(size=n))
        data.to_parquet(tmp_path / "t.parquet", row_group_size=20_000)
        monkeypatch.setattr(from_table, "MOST_HELD", 10)
        merge = meat.ClusterKernel.merge

        def watched(self, first, second):
            merged = merge(self, first, second)
            held.append(sum(len(codes) for codes, _ in merged.parts))
            return merged

        monkeypatch.setattr(meat.ClusterKernel, "merge", watched)
        fit = gl.fit("y ~ x", tmp_path / "t.parquet", covariance="cluster", groups="g")
        assert fit.covariance().clusters == (40,)
        assert max(held) <= 4 * 40

    @pytest.mark.parametrize(
        ("error", "message", "ask"),
        [
            (ValueError, "groups= would not be used", lambda: gl.fit(X, Y, groups=G)),
            (ValueError, "groups= would not be used", lambda: gl.fit("y ~ a", TABLE, covariance="HC1", groups="g")),
            (ValueError, "given twice", lambda: gl.fit(X, Y, covariance=("cluster", G), groups=G)),
            (ValueError, "clusters need their groups", lambda: gl.fit(X, Y, covariance="cluster")),
            (ValueError, "clusters need their groups", lambda: gl.fit("y ~ a", TABLE, covariance="cluster")),
            (ValueError, "one cluster only", lambda: gl.fit(X, Y, covariance="cluster", groups=np.zeros(N))),
            (ValueError, "one cluster only", lambda: gl.fit("y ~ a", TABLE.assign(g=1), covariance="cluster", groups="g")),
            (ValueError, "there are 240 rows", lambda: gl.fit(X, Y, covariance="cluster", groups=G[1:])),
            (
                ValueError,
                "group of row 5 is missing",
                lambda: gl.fit(X, Y, covariance="cluster", groups=np.where(np.arange(N) == 5, np.nan, G)),
            ),
            (ValueError, "names a column, but the data is arrays", lambda: gl.fit(X, Y, covariance="cluster", groups="g")),
            (ValueError, "no column 'shop'", lambda: gl.fit("y ~ a", TABLE, covariance="cluster", groups="shop")),
            (TypeError, "groups= names one or two columns", lambda: gl.fit("y ~ a", TABLE, covariance="cluster", groups=G)),
            (TypeError, "groups= names one or two columns", lambda: gl.fit("y ~ a", TABLE, covariance="cluster", groups=["g", "h", "s"])),
        ],
    )
    def test_refused(self, error, message, ask):
        with pytest.raises(error, match=message):
            ask()


class TestWithCovariance:
    @pytest.mark.parametrize("kind", ["classical", "HC0", "HC1", "HC2", "HC3", ("newey-west", 3), ("cluster", G)])
    @pytest.mark.parametrize("loss", ["squared", gl.losses.huber(1.0)], ids=["squared", "huber"])
    def test_it_equals_asking_at_once(self, kind, loss):
        fit = gl.fit(X, Y, loss=loss).with_covariance(kind, X, Y)
        close(fit.standard_errors, gl.fit(X, Y, loss=loss, covariance=kind).standard_errors, 1e-10)
        close(fit.coefficients, gl.fit(X, Y, loss=loss).coefficients, 0)

    def test_of_a_table(self, table):
        fit = gl.fit("y ~ a + b", table, weights="w")
        asked = {"groups": "g"}
        close(
            fit.with_covariance("cluster", table, **asked).standard_errors,
            gl.fit("y ~ a + b", table, weights="w", covariance="cluster", **asked).standard_errors,
        )
        close(fit.with_covariance("HC3", table).standard_errors, smf.wls("y ~ a + b", TABLE, weights=TABLE.w).fit(cov_type="HC3").bse)

    def test_without_rows(self):
        fit = gl.fit(X, Y, covariance="HC3")
        again = fit.with_covariance("HC0")
        close(again.standard_errors, gl.fit(X, Y, covariance="HC0").standard_errors)
        assert again.covariance().kind == "HC0"
        assert fit.covariance().kind == "HC3"
        with pytest.raises(ValueError, match=r"needs the rows the model was fitted to: with_covariance\('HC2', data\)"):
            again.with_covariance("HC2")
        with pytest.raises(ValueError, match="needs the rows"):
            gl.fit(X, Y, covariance=False).with_covariance("HC0")

    def test_refused(self):
        fit = gl.fit(X, Y)
        for message, ask in [
            ("not the rows the model was fitted to", lambda: fit.with_covariance("HC3", X[1:], Y[1:])),
            ("did you mean 'HC3'", lambda: fit.with_covariance("HC33", X, Y)),
            ("needs a kind", lambda: fit.with_covariance(None, X, Y)),
            ("groups= would not be used", lambda: fit.with_covariance("HC3", X, Y, groups=G)),
        ]:
            with pytest.raises(ValueError, match=message):
                ask()


class TestDefaults:
    def test_squared_loss_leaves_its_errors_behind_at_any_size(self, monkeypatch):
        monkeypatch.setattr("gradline.solvers.least_squares.least_squares.EXACT_NUMBERS", 100)
        fit = gl.fit(X, Y)
        assert fit.solution.certificate.reason.startswith("normal equations")
        close(fit.standard_errors, sm.OLS(Y, sm.add_constant(X)).fit().bse, 1e-10)

    @pytest.mark.parametrize(
        "more",
        [{}, {"weights": TABLE.w}, {"frequencies": H}, {"penalty": gl.penalties.ridge(0.2)}, {"intercept": False}, {"offset": TABLE.w}],
        ids=lambda more: next(iter(more), "plain"),
    )
    @pytest.mark.parametrize("targets", [1, 2])
    def test_they_equal_the_ones_asked_for(self, more, targets):
        if targets == 2 and "offset" in more:
            return
        y = Y if targets == 1 else np.stack([Y, Y[::-1]], axis=1)
        # A ridge leaves next to nothing of a column of size 1e-6.
        scaled = X if "penalty" in more else X * [1e6, 1e-6]
        found, asked = gl.fit(scaled, y, **more), gl.fit(scaled, y, covariance="classical", **more)
        close(found.covariance().matrix, asked.covariance().matrix, 1e-11)
        for name in ("count", "weight", "degrees_of_freedom", "effective_parameters", "squares", "total_squares", "deviance", "loss_sum"):
            close(getattr(found.inference.statistics, name), getattr(asked.inference.statistics, name), 1e-11)
        if targets == 1:
            close(found.log_likelihood, asked.log_likelihood, 1e-12)

    def test_a_descent_that_arrived(self):
        fit = gl.fit(X, Y, solver=gl.GradientDescent(steps=3000))
        close(fit.standard_errors, sm.OLS(Y, sm.add_constant(X)).fit().bse, 1e-6)

    def test_a_user_loss_that_is_squared(self):
        tf = pytest.importorskip("tensorflow")
        fit = gl.fit(X, Y, loss=lambda y, prediction: 3.0 * tf.square(y - prediction))
        close(fit.standard_errors, sm.OLS(Y, sm.add_constant(X)).fit().bse)

    def test_large_data_say_how_to_ask(self, monkeypatch):
        monkeypatch.setattr("gradline.inference.asked.CHEAP_NUMBERS", 100)
        with pytest.raises(
            ValueError, match=r'cost a pass or two, and were not asked for: ask for them with gl\.fit\(\.\.\., covariance="def'
        ):
            _ = gl.fit(X, Y, loss="log_cosh").standard_errors
        assert gl.fit(X, Y, loss="log_cosh", covariance="default").standard_errors.all()

    @pytest.mark.filterwarnings("ignore:gradient descent has not converged")
    def test_why_there_are_none(self):
        tf = pytest.importorskip("tensorflow")
        joint = gl.fit(X, Y, loss=lambda y, prediction: tf.math.reduce_std(y - prediction) + tf.reduce_mean(y - prediction) ** 2)
        for reason, fit in [
            ("the fit has not converged", gl.fit(X, Y, solver=gl.GradientDescent(learning_rate=1e-3, steps=2))),
            ("none were wanted", gl.fit(X, Y, covariance=False)),
            ("none were wanted", gl.fit(X, Y, covariance="none")),
            ("one number of all rows together", joint),
        ]:
            with pytest.raises(ValueError, match=reason):
                _ = fit.standard_errors
            assert reason in " ".join(str(fit.summary()).split())
        with pytest.raises(ValueError, match="neither the mean nor the sum"):
            joint.with_covariance("HC1", X, Y)

    def test_very_many_coefficients_have_no_covariance(self, monkeypatch):
        monkeypatch.setattr("gradline.inference.inference.MOST_COEFFICIENTS", 2)
        with pytest.raises(ValueError, match="at most 2 have one"):
            gl.fit(X, Y, loss="log_cosh", covariance="HC1")
        fit = gl.fit(X, Y, loss="log_cosh", covariance="default")
        with pytest.raises(ValueError, match="would be a matrix of"):
            _ = fit.standard_errors


class TestCompare:
    def test_other_rows_are_refused(self):
        large = gl.fit(X, Y)
        with pytest.raises(ValueError, match="different rows: as many, but with other targets, weights or offsets"):
            large.compare(gl.fit(X[:, :1], Y + 1))
        with pytest.raises(ValueError, match="different rows: as many, but with other targets, weights or offsets"):
            large.compare(gl.fit(X[:, :1], Y, weights=TABLE.w))
        with pytest.raises(ValueError, match="different rows"):
            large.compare(gl.fit(X[1:, :1], Y[1:]))
        order = RNG.permutation(N)
        peer = sm.OLS(Y, sm.add_constant(X)).fit().compare_f_test(sm.OLS(Y, sm.add_constant(X[:, :1])).fit())
        found = large.compare(gl.fit(X[order, :1], Y[order]))
        assert (found.statistic, found.p_value) == pytest.approx(peer[:2], rel=1e-8)

    def test_across_sources_and_files(self, table, tmp_path):
        large, small = gl.fit("y ~ a + b", table), gl.fit("y ~ a", table)
        small.save(tmp_path / "m.json")
        assert large.compare(gl.load(tmp_path / "m.json")).p_value == pytest.approx(large.compare(small).p_value, rel=1e-12)
        with pytest.raises(ValueError, match="different rows"):
            large.compare(gl.fit("y ~ a", TABLE.assign(y=-Y)))


class TestRidgeAuto:
    def test_the_fit_says_what_was_chosen(self, tmp_path):
        from sklearn.linear_model import RidgeCV

        x = RNG.normal(size=(60, 15))
        y = x @ RNG.normal(scale=0.3, size=15) + 2 * RNG.normal(size=60)
        fit = gl.fit(x, y, penalty=gl.penalties.ridge("auto"))
        assert fit.penalty.strength * 60 / 2 == pytest.approx(RidgeCV(np.geomspace(1e-2, 1e4, 400)).fit(x, y).alpha_, rel=0.05)
        assert fit.diagnose(x, y).leave_one_out_loss.left_out == pytest.approx(fit.penalty.leave_one_out, rel=1e-9)
        close(fit.coefficients, gl.fit(x, y, penalty=gl.penalties.ridge(fit.penalty.strength)).coefficients, 1e-12)
        text = " ".join(str(fit.summary()).split())
        assert "its strength was chosen by leave-one-out, and standard errors take it as given" in text
        fit.save(tmp_path / "m.json")
        assert gl.load(tmp_path / "m.json").penalty == fit.penalty
        close(gl.LinearRegression(penalty=gl.penalties.ridge("auto")).fit(x, y).coef_, fit.slopes, 1e-12)

    def test_refused(self):
        with pytest.raises(ValueError, match='a finite number or "auto"'):
            gl.penalties.ridge("best")
        with pytest.raises(ValueError, match="has kinks"):
            gl.fit(X, Y, loss="absolute", penalty=gl.penalties.ridge("auto"))


def test_the_estimator_hands_its_settings_on():
    model = gl.LinearRegression(loss=gl.losses.huber(1.0), covariance="HC1", tolerance=1e-12).fit(X, Y)
    assert model.result_.covariance().kind == "HC1"
    assert gl.LinearRegression(accuracy="full").fit(X, Y).get_params()["accuracy"] == "full"
    with pytest.raises(ValueError, match="tolerance"):
        gl.LinearRegression(tolerance=1e-3).fit(X, Y)


class TestBadInput:
    def test_too_few_rows(self):
        for kind in ("classical", "HC1"):
            with pytest.raises(ValueError, match="3 rows leave no degree of freedom after 3 coefficients"):
                gl.fit(X[:3], Y[:3], covariance=kind)
        fit = gl.fit(X[:3], Y[:3])
        with pytest.raises(ValueError, match="this fit has no standard errors: 3 rows leave no degree of freedom"):
            _ = fit.p_values
        assert "errors none: 3 rows leave no degree of freedom" in " ".join(str(fit.summary()).split())
        with pytest.warns(gl.GradlineWarning, match="fewer rows than coefficients"):
            few = gl.fit(X[:2], Y[:2])
        with pytest.raises(ValueError, match="2 rows cannot determine 3 coefficients"):
            _ = few.standard_errors

    def test_hypotheses(self):
        fit = gl.fit("y ~ a + b", TABLE)
        for message, text in [("no coefficient 'c'", "c = 0"), ("follows from those before it", "a = 0, 2*a = 0"), ("is empty", "")]:
            with pytest.raises(ValueError, match=message):
                fit.test(text)

    @pytest.mark.parametrize("level", [0, 1, -0.5, 95])
    def test_levels(self, level):
        with pytest.raises(ValueError, match="level must lie between 0 and 1"):
            gl.fit(X, Y).interval(level)

    def test_leverage_of_one(self):
        x = np.column_stack([X, np.arange(N) == 17])
        for kind in ("HC2", "HC3"):
            with pytest.raises(ValueError, match=r'row 17 has leverage 1.*ask for covariance="HC1"'):
                gl.fit(x, Y, covariance=kind)
        fit = gl.fit(x, Y, loss="log_cosh")
        assert fit.covariance().kind == "HC1"
        assert "standard errors are HC1, not HC3: row 17 has leverage 1" in " ".join(str(fit.summary()).split())
        found = gl.fit(x, Y).diagnose(x, Y)
        assert found.leverage[17] == pytest.approx(1)
        assert np.flatnonzero(np.isnan(found.cooks_distance)).tolist() == [17]
        with pytest.raises(ValueError, match="row 17 has leverage 1"):
            _ = found.leave_one_out_loss
