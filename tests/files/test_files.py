"""The model file: what comes back is what went in, to the bit, and every file that is not whole is refused in one line."""

import contextlib
import dataclasses
import functools
import importlib.util
import json
import math
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradline as gl
from gradline.api.result import Fit
from gradline.autodiff.row_derivatives import RowDerivatives
from gradline.files.own_losses import describe
from gradline.files.schema import VERSION, checksum, json_schema, source_hash
from gradline.files.writing import as_text, write_whole
from gradline.losses.defaults import LossDefaults
from gradline.solvers.protocol import Certificate, Solution

DOCS = Path(__file__).parents[2] / "docs"
LABELS = (False, True)


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(11)
    return random.normal(size=(200, 3)), random.normal(size=200)


@pytest.fixture
def saved(tmp_path, rows):
    X, y = rows
    path = tmp_path / "model.json"
    gl.fit(X, y).save(path)
    return path


def fits(X, y):
    """A fit of every kind there is without a framework."""
    random = np.random.default_rng(3)
    counts, labels = random.poisson(2.0, size=len(X)).astype(float), (y > 0).astype(float)
    labels[:20] = 1.0 - labels[:20]
    yield gl.fit(X, y)
    yield gl.fit(X, y, intercept=False)
    yield gl.fit(X[:, 0], y, penalty=gl.penalties.ridge(0.3))
    yield gl.fit(X, np.c_[y, 3.0 * y, -y])
    yield gl.fit(X, y, loss=gl.losses.huber(1.35), names=["a", "b", "c"])
    yield gl.fit(X, y, loss=gl.losses.huber(1.35, scale="joint"))
    yield gl.fit(X, y, loss=gl.losses.quantile(0.9))
    yield gl.fit(X, y, loss=gl.losses.student_t(4))
    yield gl.fit(X, y, loss="normal")
    yield gl.fit(X, counts, loss="poisson")
    yield gl.fit(X, counts, loss=gl.losses.negative_binomial(0.5))
    yield gl.fit(X, labels, loss="logistic", weights=np.arange(len(y)) + 0.0)
    yield gl.fit(X, np.clip(counts, 0, 2), loss="multinomial")
    yield gl.fit(X, np.exp(y), loss=gl.losses.tweedie(1.5))
    yield gl.fit(X, y, loss="log_cosh", solver=gl.GradientDescent(steps=30))


def the_same(first, second):
    for field in ("names", "target_names", "rows_used", "rows_dropped", "named", "solver_asked", "seconds", "penalty"):
        assert getattr(first, field) == getattr(second, field), field
    for field in ("loss", "solver", "passes", "aliased", "learning_rate", "notes", "certificate"):
        assert getattr(first.solution, field) == getattr(second.solution, field), field
    assert bits(first.solution.coefficients) == bits(second.solution.coefficients)
    assert (first.digits is None) == (second.digits is None)
    if first.digits is not None:
        np.testing.assert_array_equal(first.digits, second.digits)
    assert first.predictor_names == second.predictor_names


def bits(array):
    return array.shape, np.ascontiguousarray(array).tobytes()


@pytest.mark.filterwarnings("ignore:gradient descent has not converged")
def test_what_comes_back_is_what_went_in(rows, tmp_path):
    X, y = rows
    new = np.random.default_rng(4).normal(size=(50, 3))
    new[7, 0] = np.nan
    for fit in fits(X, y):
        fit.save(tmp_path / "model.json")
        loaded = gl.load(tmp_path / "model.json")
        the_same(fit, loaded)
        assert loaded.loss_function == fit.loss_function
        assert loaded.history is None
        data = new[:, : len(fit.slopes)]
        for kind in ("mean", "linear"):
            assert bits(fit.predict(data, kind)) == bits(loaded.predict(data, kind))
        assert str(loaded.summary()) == str(fit.summary())
        assert as_text(loaded) == as_text(fit)


def test_a_frame_is_matched_by_name(tmp_path, rows):
    pandas = pytest.importorskip("pandas")
    X, y = rows
    frame = pandas.DataFrame(X, columns=["age", "pay", "hours"])
    fit = gl.fit(frame, y)
    fit.save(str(tmp_path / "model.json"))
    loaded = gl.load(str(tmp_path / "model.json"))
    assert bits(loaded.predict(frame[["hours", "age", "pay"]])) == bits(fit.predict(frame))
    with pytest.raises(ValueError, match="no column 'pay'"):
        loaded.predict(frame[["age", "hours"]])


def test_columns_left_out_stay_left_out(tmp_path, rows):
    X, y = rows
    with pytest.warns(gl.GradlineWarning, match="left out"):
        fit = gl.fit(np.c_[X, X[:, 0]], y)
    fit.save(tmp_path / "model.json")
    loaded = gl.load(tmp_path / "model.json")
    assert loaded.aliased == fit.aliased == ("x4",)
    assert math.isnan(loaded.coefficients[-1])


finite = st.floats(allow_nan=False, allow_infinity=False)
any_number = st.floats()


@settings(max_examples=60, deadline=None)
@given(
    names=st.lists(st.text(), min_size=1, max_size=5),
    seed=st.lists(any_number, min_size=1, max_size=20),
    k=st.integers(1, 3),
    reasons=st.dictionaries(st.text(max_size=10), st.integers(0, 10**15), max_size=3),
    sentence=st.text(),
    rate=st.none() | any_number,
    converged=st.booleans(),
)
def test_any_model_comes_back(tmp_path_factory, names, seed, k, reasons, sentence, rate, converged):
    coefficients = np.resize(np.array(seed), (len(names), k))
    certificate = Certificate(converged, coefficients[0, 0], sentence, sentence)
    solution = Solution(
        coefficients, coefficients[-1, -1], sentence, certificate, 7, learning_rate=rate, digits=coefficients, notes=(sentence,)
    )
    fit = Fit(tuple(names), tuple(f"{sentence}{j}" for j in range(k)), gl.losses.squared, solution, 3, reasons, seconds=0.1)
    path = tmp_path_factory.getbasetemp() / "any.json"
    fit.save(path)
    loaded = gl.load(path)
    assert bits(loaded.solution.coefficients) == bits(coefficients) or np.isnan(coefficients).any()
    np.testing.assert_array_equal(loaded.solution.coefficients, coefficients)
    np.testing.assert_array_equal(loaded.digits, fit.digits)
    assert (loaded.names, loaded.target_names, loaded.rows_dropped) == (fit.names, fit.target_names, reasons)
    assert (loaded.certificate.reason, loaded.certificate.converged, loaded.solution.notes) == (sentence, converged, (sentence,))
    assert repr(loaded.solution.learning_rate) == repr(rate)
    assert as_text(loaded) == as_text(fit)


def test_a_number_is_kept_to_the_bit(tmp_path):
    numbers = np.array([[0.1, -0.0, 5e-324, 1.7976931348623157e308, 1 / 3]]).T
    fit = Fit(tuple("abcde"), ("y",), gl.losses.squared, Solution(numbers, 1.0, "s", Certificate(True, 0.0, ""), 1), 1, {})
    write_whole(tmp_path / "m", as_text(fit))
    assert bits(gl.load(tmp_path / "m").solution.coefficients) == bits(numbers)


@pytest.mark.filterwarnings("ignore:gradient descent has not converged")
def test_the_size_is_that_of_the_model_and_not_of_the_rows(tmp_path):
    sizes = []
    for n in (100, 100_000):
        x, y = gl.datasets.line(n)
        gl.fit(x, y, solver=gl.GradientDescent(steps=200), loss="log_cosh").save(tmp_path / "m")
        sizes.append((tmp_path / "m").stat().st_size)
        gl.fit(x, y, solver=gl.GradientDescent(steps=200), loss="log_cosh", covariance=False).save(tmp_path / "m")
        assert (tmp_path / "m").stat().st_size < 2_500
    # A thousand quantiles of residuals at most.
    assert max(sizes) < 40_000


def test_no_rows_inside(tmp_path):
    secret = 123456.789012
    X = np.random.default_rng(0).normal(size=(50, 2))
    X[3, 1] = secret
    gl.fit(X, X[:, 0] + 1.0).save(tmp_path / "m")
    assert "123456.78" not in (tmp_path / "m").read_text()


# ---------------------------------------------------------------------------------------------------------------- files not to be read


def edit(path, change):
    """Change the document and give it the checksum that goes with it: what only the schema can find."""
    document = json.loads(path.read_text())
    change(document)
    document["checksum"] = checksum(document)
    path.write_text(json.dumps(document))


def refused(path, match, kind=ValueError):
    with pytest.raises(kind, match=match) as caught:
        gl.load(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_a_missing_file(tmp_path):
    refused(tmp_path / "absent.json", "no such file", FileNotFoundError)


def test_a_folder(tmp_path):
    refused(tmp_path, "is a folder", OSError)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="permissions do not bind")
def test_a_file_that_may_not_be_read(saved):
    saved.chmod(0)
    refused(saved, "cannot read", PermissionError)


def test_an_empty_file(tmp_path):
    (tmp_path / "m").write_bytes(b"")
    with pytest.raises(ValueError, match="is empty"):
        gl.load(tmp_path / "m")


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.9, 0.99])
def test_a_file_cut_short(saved, share):
    whole = saved.read_bytes()
    saved.write_bytes(whole[: int(share * len(whole))])
    refused(saved, "was cut short after [0-9,]+ characters")


def test_every_place_to_be_cut(saved):
    whole = saved.read_bytes().rstrip()
    for end in range(1, len(whole), 7):
        saved.write_bytes(whole[:end])
        with pytest.raises(ValueError, match="cut short"):
            gl.load(saved)


def test_a_changed_number(saved):
    text = saved.read_text()
    for old, new in (('"rows_used": 200', '"rows_used": 201'), ('"version": 2', '"version": 2,\n "gradline": "9"'), ('"y"', '"z"')):
        changed = text.replace(old, new, 1)
        assert changed != text
        saved.write_text(changed)
        if "gradline" not in new:
            refused(saved, "has been changed since it was saved: its checksum")


def test_any_flipped_byte_is_noticed_or_harmless(saved):
    whole = saved.read_bytes()
    original = gl.load(saved)
    random = np.random.default_rng(0)
    for place in random.choice(len(whole), size=150, replace=False):
        changed = bytearray(whole)
        changed[place] ^= 1 << int(random.integers(0, 7))
        saved.write_bytes(bytes(changed))
        # What loads all the same is a blank in place of a tab, or 1E5 for 1e5.
        with contextlib.suppress(ValueError):
            the_same(original, gl.load(saved))


def test_blanks_order_and_a_byte_order_mark_do_not_matter(saved):
    original = gl.load(saved)
    document = json.loads(saved.read_text())
    turned = dict(reversed(document.items()))
    saved.write_text("\n\n" + json.dumps(turned, indent=8), encoding="utf-8-sig")
    the_same(original, gl.load(saved))


def test_a_later_version(saved):
    def later(document):
        document.update(version=VERSION + 1, gradline="7.3.0", something_new={"a": 1})

    edit(saved, later)
    refused(
        saved, rf"written by gradline 7\.3\.0, format version {VERSION + 1}; this is gradline .* reads versions up to {VERSION}: upgrade"
    )


@pytest.mark.parametrize("version", [0, -1, True, "1", 1.0, None, [1]])
def test_a_version_that_never_was(saved, version):
    edit(saved, lambda document: document.update(version=version))
    refused(saved, "not a sound model file: version should be ")


class Armed:
    """Leaves a trace where a pickle of it is opened."""

    def __reduce__(self):
        return os.mkdir, ("opened",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle(tmp_path, monkeypatch, protocol):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(Armed(), protocol))
    refused(path, "is a pickle, which could run code on loading, and is not opened")
    assert not (tmp_path / "opened").exists()


@pytest.mark.parametrize(
    "content",
    [b"PAR1\x00\x01", b"PK\x03\x04 zip", b"\x1f\x8b gzip", b"hello", b"x,y\n1,2\n", b"[1, 2]", b"3", b"\xff\xfe{\x00", b"   ", b"null"],
)
def test_files_of_other_kinds(tmp_path, content):
    (tmp_path / "m").write_bytes(content)
    refused(tmp_path / "m", "is not a model file: gradline models are JSON objects")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b'{"a": 1}', "is JSON, but not a gradline model: it names no format"),
        (b'{"format": "other", "version": 1}', "its format is 'other'"),
        (b'{"format": "gradline moments", "version": 1}', "holds moments, not a model; read it with gl.Moments.load"),
        (b'{"a": 1,, "b": 2}', "is not JSON: line 1, column 9"),
        (b'{"a": NaN}', "is not JSON: it holds NaN"),
        (b'{"a": "\xff\xfe"}', "is damaged: it is not text throughout"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nest too deeply"),
    ],
)
def test_json_that_is_no_model(tmp_path, content, match):
    (tmp_path / "m").write_bytes(content)
    refused(tmp_path / "m", match)


def at(document, *places):
    for place in places:
        document = document[place]
    return document


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda d: d["model"].pop("names"), "the field names is missing"),
        (lambda d: d["model"].update(shoe_size=43), "the field shoe_size is not known"),
        (lambda d: d.update(model=[]), "model should be a valid dictionary"),
        (
            lambda d: at(d, "model", "coefficients", 2).__setitem__(0, "abc"),
            r"coefficients\[2\]\[0\] should be a valid number.*, not 'abc'",
        ),
        (lambda d: at(d, "model", "coefficients", 2).__setitem__(0, None), r"coefficients\[2\]\[0\] should be a valid number, not None"),
        (lambda d: at(d, "model", "coefficients", 2).__setitem__(0, True), r"coefficients\[2\]\[0\] should be a valid number, not True"),
        (lambda d: at(d, "model", "coefficients", 2).append(1.0), r"coefficients should hold 4 lists \(one for each name\) of 1"),
        (lambda d: d["model"]["coefficients"].pop(), "coefficients should hold 4 lists"),
        (lambda d: d["model"].update(digits=[[1.0]]), "digits should hold 4 lists"),
        (lambda d: d["model"].update(rows_used="200"), "rows_used should be a valid integer, not '200'"),
        (lambda d: d["model"].update(rows_used=-1), "rows_used should be greater than or equal to 0, not -1"),
        (lambda d: d["model"].update(names="abcd"), "names should be a valid list, not 'abcd'"),
        (lambda d: d["model"].update(intercept=False), "intercept is False, but the first name is 'Intercept'"),
        (lambda d: d["model"].update(aliased=[9]), "aliased should name each of 4 columns once"),
        (lambda d: d["model"]["loss"].update(kind="strange"), "loss tag 'strange'"),
        (lambda d: d["model"]["loss"].update(name="squarred"), "no loss is named 'squarred'; did you mean squared"),
        (lambda d: d["model"]["loss"].update(name="huber", parameters={"threshold": -1.0}), "threshold must be a finite number above 0"),
        (lambda d: d["model"].update(predictor_names=["a", "b"], coefficients=[[1.0, 2.0]] * 4, digits=None, uncertainty=None), "are not"),
        (lambda d: d["model"].update(penalty={"name": "ridge", "parameters": {}, "value": 1.0}), "the penalty 'ridge' cannot be made"),
        (lambda d: d["model"].update(formula={"text": "y ~ x"}), "the formula's state is damaged"),
        (
            lambda d: d["model"].update(names=[1], target_names=[], notes=3),
            r"names\[0\] should be a valid string, not 1 \(and 2 more problems\)",
        ),
    ],
)
def test_fields_that_are_wrong(saved, change, match):
    edit(saved, change)
    refused(saved, match)


def test_a_number_beyond_double_precision(saved):
    saved.write_text(saved.read_text().replace('"objective": ', '"objective": 1e999, "x": ', 1))
    refused(saved, "objective should be a number within the range of double precision")


HUGE = "1" + "0" * 400


@pytest.mark.parametrize(
    "number", [HUGE, "-" + HUGE, "1" * 5000, str(2 * int(1.7e308))], ids=["10^400", "-10^400", "5,000 digits", "2e308"]
)
@pytest.mark.parametrize("field", ["objective", "seconds", "rows_used", "passes", "version"])
def test_a_whole_number_beyond_double_precision(saved, number, field):
    text = saved.read_text()
    saved.write_text(re.sub(rf'"{field}": [-+.e0-9]+', f'"{field}": {number}', text, count=1))
    refused(saved, "it holds a number beyond double precision, '-?[1-3]")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda f: f.update(formulas=[]), "no list of formulas"),
        (lambda f: f.update(formulas={}), "no list of formulas"),
        (lambda f: f["formulas"].clear(), "no list of formulas"),
        (lambda f: f["states"].update({"bs(x, df=5)": {}}), "KeyError"),
        (lambda f: f["states"]["bs(x, df=5)"].update(knots=[]), "IndexError"),
        (lambda f: f["states"].update({"poly(z, 2)": {}}), "KeyError"),
        (lambda f: f["states"]["poly(z, 2)"].update(alpha=[]), "IndexError"),
        (lambda f: f["states"]["poly(z, 2)"].update(norms2=[0] * 4), "ZeroDivisionError"),
        (lambda f: f["levels"].update(g=[]), "levels"),
    ],
)
def test_a_formula_that_lacks_something_is_found_on_loading(tmp_path, change, match):
    pytest.importorskip("pyarrow")
    generator = np.random.default_rng(3)
    table = {"y": generator.normal(size=60), "x": generator.normal(size=60) + 3, "z": generator.normal(size=60), "g": list("abc") * 20}
    path = tmp_path / "m.json"
    gl.fit("y ~ bs(x, df=5) + poly(z, 2) + C(g)", table).save(path)
    edit(path, lambda document: change(document["model"]["formula"]))
    refused(path, match)


# ---------------------------------------------------------------------------------------------------------------- files not to be written


def test_the_folder_is_missing(saved, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        gl.load(saved).save(tmp_path / "absent" / "m.json")


def test_a_folder_is_not_written_over(saved, tmp_path):
    with pytest.raises(ValueError, match="is a folder"):
        gl.load(saved).save(tmp_path)


@pytest.mark.skipif(not os.path.exists("/dev/null"), reason="needs a device")
def test_a_device_is_left_alone(saved):
    with pytest.raises(ValueError, match="not a regular file"):
        gl.load(saved).save("/dev/null")


@pytest.mark.parametrize("step", ["fsync", "replace", "fchmod"])
@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["disk full", "Ctrl-C"])
def test_a_failed_write_leaves_the_old_file_whole(saved, rows, monkeypatch, step, failure):
    X, y = rows
    old = saved.read_bytes()
    other = gl.fit(X, -y)

    def fail(*arguments, **keywords):
        raise failure

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(type(failure), match="cannot write .*model.json: No space left" if isinstance(failure, OSError) else None):
        other.save(saved)
    assert saved.read_bytes() == old
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


@pytest.mark.skipif(sys.platform == "win32", reason="permissions and links as elsewhere")
def test_permissions_and_links_are_kept(saved, rows, tmp_path):
    X, y = rows
    usual = tmp_path / "usual"
    usual.write_text("")
    assert saved.stat().st_mode == usual.stat().st_mode
    saved.chmod(0o640)
    link = tmp_path / "link.json"
    link.symlink_to(saved)
    fit = gl.fit(X, -y)
    fit.save(link)
    assert link.is_symlink()
    assert saved.stat().st_mode & 0o777 == 0o640
    the_same(gl.load(saved), fit)


def test_a_name_may_be_anything(tmp_path, rows):
    X, y = rows
    fit = gl.fit(X, y, names=["a", "\ud800", "c\x00"])
    fit.save(tmp_path / "m")
    the_same(gl.load(tmp_path / "m"), fit)
    assert (tmp_path / "m").read_bytes().isascii()


def test_a_model_that_json_cannot_hold(tmp_path, rows):
    X, y = rows
    fit = dataclasses.replace(gl.fit(X, y), rows_used=-3)
    with pytest.raises(ValueError, match="the model cannot be saved: rows_used should be greater than or equal to 0, not -3"):
        fit.save(tmp_path / "m")
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------------------------------------------------------------- a user's own loss

torch = pytest.importorskip("torch") if importlib.util.find_spec("torch") else None
needs_torch = pytest.mark.skipif(torch is None, reason="PyTorch is not installed")


def own_loss(y, prediction):
    return torch.log(torch.cosh(y - prediction))


def another_loss(y, prediction):
    return 2 * torch.log(torch.cosh(y - prediction))


def own_prediction(eta):
    return torch.exp(eta)


@needs_torch
def test_a_loss_of_your_own_is_kept_as_text_and_never_run(tmp_path, rows, monkeypatch):
    X, y = rows
    path = tmp_path / "m.json"
    fit = gl.fit(X, y, loss=own_loss)
    fit.save(path)
    record = json.loads(path.read_text())["model"]["loss"]
    assert record["function"]["source"] == "def own_loss(y, prediction):\n    return torch.log(torch.cosh(y - prediction))\n"
    assert record["function"]["sha256"] == source_hash(record["function"]["source"])
    assert record["framework"] == "torch"
    code = f"import sys, gradline as gl; f = gl.load({str(path)!r}); print(f.predict([[1.0, 2.0, 3.0]]).tolist(), 'torch' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert printed.split() == [repr(fit.predict([[1.0, 2.0, 3.0]]).tolist()), "False"]
    loaded = gl.load(path)
    the_same(fit, loaded)
    assert as_text(loaded) == as_text(fit)
    assert "own_loss, your own, differentiated by PyTorch" in str(loaded.summary())
    with pytest.raises(ValueError, match="keeps as text and never runs"):
        loaded.loss_function.derivatives(y[:, None], y[:, None], 1)


@needs_torch
def test_a_forward_pass_of_your_own_needs_the_function_again(tmp_path, rows):
    X, y = rows
    path = tmp_path / "m.json"
    fit = gl.fit(X, y, loss=own_loss, prediction=own_prediction)
    fit.save(path)
    loaded = gl.load(path)
    assert bits(loaded.predict(X, "linear")) == bits(fit.predict(X, "linear"))
    with pytest.raises(ValueError, match=r"gl\.load\(path, loss=own_loss, prediction=own_prediction\)") as caught:
        loaded.predict(X)
    assert "\n" not in str(caught.value)
    again = gl.load(path, loss=own_loss, prediction=own_prediction)
    assert bits(again.predict(X)) == bits(fit.predict(X))
    the_same(again, fit)
    made = gl.load(path, loss=gl.losses.custom(own_loss, own_prediction))
    assert bits(made.predict(X)) == bits(fit.predict(X))
    assert made.loss_function == fit.loss_function
    for arguments, match in (
        ({"loss": own_loss}, "was fitted with prediction=own_prediction"),
        ({"prediction": own_prediction}, "prediction= goes with loss=own_loss"),
        ({"loss": gl.losses.huber(1.0)}, "the model's loss is the function 'own_loss', but loss= is 'huber'"),
        ({"loss": 3.0}, "loss must be"),
    ):
        with pytest.raises((ValueError, TypeError), match=match):
            gl.load(path, **arguments)


@needs_torch
def test_another_function_warns(tmp_path, rows):
    X, y = rows
    path = tmp_path / "m.json"
    gl.fit(X, y, loss=own_loss).save(path)
    with pytest.warns(gl.GradlineWarning, match="loss=another_loss is not the text the model was fitted with, 'own_loss'"):
        gl.load(path, loss=another_loss)
    with pytest.raises(ValueError, match="fitted without prediction="):
        gl.load(path, loss=own_loss, prediction=own_prediction)


@needs_torch
def test_the_numbers_a_function_refers_to_are_compared_too(tmp_path, rows):
    X, y = rows
    path = tmp_path / "m.json"

    def made(delta):
        return lambda y, prediction: delta * torch.log(torch.cosh((y - prediction) / delta))

    fit = gl.fit(X, y, loss=made(2.0))
    fit.save(path)
    assert json.loads(path.read_text())["model"]["loss"]["function"]["numbers"] == {"delta": 2.0}
    gl.load(path, loss=made(2.0))
    with pytest.warns(gl.GradlineWarning, match="refers to other numbers than it did in the fit: delta was 2.0 and is 3.0"):
        gl.load(path, loss=made(3.0))


@needs_torch
def test_a_function_without_text_is_said_to_have_none(tmp_path, rows):
    X, y = rows
    namespace = {"torch": torch}
    exec("def typed(y, prediction):\n    return torch.log(torch.cosh(y - prediction))", namespace)
    typed = namespace["typed"]
    fit = gl.fit(X, y, loss=typed)
    fit.save(tmp_path / "m.json")
    assert bits(gl.load(tmp_path / "m.json").predict(X)) == bits(fit.predict(X))
    with pytest.warns(gl.GradlineWarning, match="text of loss=typed could not be kept"):
        gl.load(tmp_path / "m.json", loss=typed)


@needs_torch
def test_two_predictors_and_scalar_losses(tmp_path, rows):
    X, y = rows
    path = tmp_path / "m.json"

    def spread(y, eta):
        return 0.5 * torch.square((y - eta[:, 0]) * torch.exp(-eta[:, 1])) + eta[:, 1]

    loss = gl.losses.custom(spread, linear_predictors=("mean", "log_scale"), likelihood=True)
    fit = gl.fit(X, y, loss=loss)
    fit.save(path)
    loaded = gl.load(path)
    assert loaded.predictor_names == ("mean", "log_scale")
    assert bits(loaded.predict(X)) == bits(fit.predict(X))
    assert loaded.loss_function.is_likelihood
    assert gl.load(path, loss=spread).loss_function == fit.loss_function
    with pytest.raises(ValueError, match="linear predictors are mean, log_scale, not a, b"):
        gl.load(path, loss=gl.losses.custom(spread, linear_predictors=("a", "b")))

    def scalar(y, prediction):
        return torch.mean(torch.square(y - prediction))

    fit = gl.fit(X, y, loss=scalar)
    fit.save(path)
    assert json.loads(path.read_text())["model"]["loss"]["squared_scale"] == 1.0
    assert gl.load(path, loss=scalar).loss_function == fit.loss_function
    assert str(gl.load(path).summary()) == str(fit.summary())


def test_a_built_in_loss_takes_no_function(saved):
    with pytest.raises(ValueError, match="the model's loss is gradline's own 'squared'; loss= and prediction= are for"):
        gl.load(saved, loss=own_loss)


@dataclasses.dataclass(frozen=True)
class Quartic(LossDefaults):
    """A loss as an object: (scale (y - eta))^4 + (y - eta)^2."""

    scale: float = 1.0

    name = "quartic"

    def predictor_names(self, n_targets):
        return ("mean",)

    def derivatives(self, targets, predictors, order):
        r, c = predictors - targets, self.scale**4
        return RowDerivatives((c * r**4 + r**2)[:, 0], 4 * c * r**3 + 2 * r, (12 * c * r**2 + 2)[:, :, None])


class CubedQuartic(Quartic):
    """One with a forward pass."""

    def predict(self, predictors):
        return predictors**3


def test_a_loss_that_is_an_object(tmp_path, rows):
    X, y = rows
    path = tmp_path / "m.json"
    fit = gl.fit(X, y, loss=Quartic(0.5))
    fit.save(path)
    assert bits(gl.load(path).predict(X)) == bits(fit.predict(X))
    assert gl.load(path, loss=Quartic(0.5)).loss_function == Quartic(0.5)
    with pytest.warns(gl.GradlineWarning, match="scale was 0.5 and is 0.7"):
        gl.load(path, loss=Quartic(0.7))
    fit = gl.fit(X, y, loss=CubedQuartic(0.5))
    fit.save(path)
    with pytest.raises(ValueError, match=r"give it again, gl\.load"):
        gl.load(path).predict(X)
    assert bits(gl.load(path, loss=CubedQuartic(0.5)).predict(X)) == bits(fit.predict(X))


def test_partials_are_described():
    def base(y, prediction, power, weight=1.0):
        return weight * abs(y - prediction) ** power

    record = describe(functools.partial(base, power=3, weight=0.5))
    assert record.name == "base"
    assert record.numbers == {"power": 3, "weight": 0.5}
    assert record.source.startswith("def base(")


@dataclasses.dataclass(frozen=True)
class OwnPenalty:
    """A penalty that gradline does not know."""

    strength: float
    name = "mine"

    def value(self, slopes):
        return self.strength * float((slopes**2).sum())

    def gradient(self, slopes):
        return 2 * self.strength * slopes

    def curvature(self, slopes):
        return np.full(slopes.shape, 2 * self.strength)


def test_a_penalty_of_your_own(tmp_path, rows):
    X, y = rows
    fit = gl.fit(X, y, loss="log_cosh", penalty=OwnPenalty(0.25))
    fit.save(tmp_path / "m")
    loaded = gl.load(tmp_path / "m")
    assert str(loaded.summary()) == str(fit.summary())
    assert as_text(loaded) == as_text(fit)
    with pytest.raises(ValueError, match="from a model file"):
        loaded.penalty.gradient(fit.slopes)


def test_a_formula_comes_back(tmp_path):
    pytest.importorskip("pyarrow")
    from gradline.formulas.formula import parse

    encoder = parse("y ~ x + z", {"y": "number", "x": "number", "z": "number"}).learn({})
    solution = Solution(np.ones((3, 1)), 1.0, "least_squares", Certificate(True, 0.0, "done"), 1)
    fit = Fit(encoder.names, ("y",), gl.losses.squared, solution, 5, {"missing x": 2}, encoder=encoder)
    fit.save(tmp_path / "m")
    loaded = gl.load(tmp_path / "m")
    assert loaded.encoder.to_json() == encoder.to_json()
    assert loaded.encoder.names == encoder.names
    assert str(loaded.summary()) == str(fit.summary())


@pytest.mark.parametrize(
    ("formula", "loss"),
    [
        ("y ~ x + C(g, contr.treatment('b')) + bs(z, df=4) + offset(z)", "squared"),
        ("y ~ center(x) * g - 1", "huber"),
        ({"mean": "y ~ x + g", "log_scale": "~ z"}, "normal"),
    ],
)
def test_a_model_of_a_formula_predicts_the_same_from_new_rows(tmp_path, formula, loss):
    pytest.importorskip("formulaic")
    random = np.random.default_rng(8)
    table = {name: random.normal(size=300) for name in "xyz"} | {"g": random.choice(["a", "b", "c"], size=300)}
    table["x"][5] = np.nan
    fit = gl.fit(formula, table, loss=gl.losses.huber(1.35) if loss == "huber" else loss)
    fit.save(tmp_path / "m.json")
    loaded = gl.load(tmp_path / "m.json")
    new = {"x": [0.5, np.nan, 2.0], "z": [0.1, 0.2, -0.3], "g": ["c", "a", "b"]}
    assert bits(loaded.predict(new)) == bits(fit.predict(new))
    assert np.isnan(loaded.predict(new)).tolist() == [False, True, False]
    with pytest.raises(ValueError, match=r"g.*'d'|'d'.*g"):
        loaded.predict(new | {"g": ["a", "d", "b"]})
    assert str(loaded.summary()) == str(fit.summary())
    assert " ".join(str(loaded.summary()).split()).count("x missing: 1") == 1


# ------------------------------------------------------------------------------------------------------------------------------ the house


def test_the_published_schema_is_that_of_the_code(saved):
    published = (DOCS / "model-schema.json").read_text(encoding="utf-8")
    assert published == json_schema(), "run: python -m gradline.files > docs/model-schema.json"
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(json.loads(published))
    validator.check_schema(json.loads(published))
    document = json.loads(saved.read_text())
    assert not list(validator.iter_errors(document))
    document["model"]["coefficients"][0][0] = "NaN"
    assert not list(validator.iter_errors(document))
    document["model"]["coefficients"][0][0] = "abc"
    assert list(validator.iter_errors(document))


@pytest.mark.filterwarnings("ignore:gradient descent has not converged")
def test_every_kind_of_fit_obeys_the_schema(rows):
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(json.loads(json_schema()))
    for fit in fits(*rows):
        assert not list(validator.iter_errors(json.loads(as_text(fit))))


def test_the_checksum_can_be_made_by_anybody(saved):
    import hashlib

    document = json.loads(saved.read_text())
    kept = document.pop("checksum")
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    assert kept == "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def test_a_built_in_fit_and_its_summary_load_no_pydantic():
    code = "import sys, gradline as gl; x, y = gl.datasets.line(); str(gl.fit(x, y).summary()); print('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "False\n"


def test_the_page_runs(monkeypatch, tmp_path):
    pytest.importorskip("torch")
    specification = importlib.util.spec_from_file_location("page_runner", DOCS.parent / "tests" / "docs" / "test_docs.py")
    runner = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(runner)
    monkeypatch.chdir(tmp_path)
    page = DOCS / "model-file.md"
    text = page.read_text(encoding="utf-8")
    assert len(runner.blocks(text)) > 2
    runner.run(text, str(page))  # by its full path, so that the text of its functions can be read
