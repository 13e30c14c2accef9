"""A model meets the same days, instants and truth values from another source, which holds them in another way."""

import datetime
import itertools

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gradline as gl
from gradline.formulas.level_text import moment, same_levels, same_value

ROWS = 24


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """The same rows from CSV, Parquet, pandas and Polars."""
    import polars as pl

    folder = tmp_path_factory.mktemp("sources")
    generator = np.random.default_rng(5)
    days = pd.to_datetime(["2024-03-30", "2024-03-31", "2024-04-01"] * (ROWS // 3))
    frame = pd.DataFrame({"y": generator.normal(size=ROWS), "day": days, "when": days + pd.to_timedelta(12.5, unit="h")})
    frame["zoned"] = days.tz_localize("Europe/Berlin")
    frame["flag"] = generator.random(ROWS) < 0.5
    frame["word"] = np.where(generator.random(ROWS) < 0.5, "True", "False")
    frame["loud"] = frame["word"].str.upper()
    frame.to_parquet(folder / "rows.parquet")
    frame.to_csv(folder / "rows.csv", index=False)
    frame.astype({"day": str, "when": str, "flag": str}).to_parquet(folder / "text.parquet")
    return {
        "CSV": str(folder / "rows.csv"),
        "Parquet": str(folder / "rows.parquet"),
        "pandas": frame,
        "Polars": pl.from_pandas(frame),
        "text": str(folder / "text.parquet"),
    }


FORMULAS = ["C(day)", "C(when)", "C(zoned)", "flag", "C(flag)", "word", "C(word)", "C(loud)", "I(word == 'True')", "I(day == '2024-04-01')"]


@pytest.mark.parametrize("formula", FORMULAS)
def test_every_source_predicts_for_a_model_of_every_other(sources, formula, tmp_path):
    # Text is compared with a text column, and that is where it came as text; a column of text is no number.
    where_text = {"I(word == 'True')": ["Parquet", "pandas", "Polars", "text"], "I(day == '2024-04-01')": ["text"]}
    for fitted in where_text.get(formula, ["CSV", "Parquet", "pandas", "Polars", *["text"] * (formula != "flag")]):
        fit = gl.fit(f"y ~ {formula}", sources[fitted])
        expected = fit.predict(sources[fitted])
        assert len(set(np.round(expected, 9))) > 1
        fit.save(tmp_path / "m.json")
        again = gl.load(tmp_path / "m.json")
        for other in sources:
            np.testing.assert_array_equal(again.predict(sources[other]), expected, err_msg=f"fitted to {fitted}, predicting from {other}")


def test_a_day_is_called_by_its_date_from_every_source(sources):
    names = {name: gl.fit("y ~ C(day)", data).names for name, data in sources.items() if name != "text"}
    assert set(names.values()) == {("Intercept", "C(day)[T.2024-03-31]", "C(day)[T.2024-04-01]")}


def test_words_in_capitals_stay_categories_of_their_own():
    table = pa.table({"y": [1.0, 2, 3, 4, 5, 6], "g": ["true", "TRUE", "other", "true", "TRUE", "other"]})
    fit = gl.fit("y ~ g", table)
    assert fit.predict({"g": ["true", "TRUE"]}) == pytest.approx([2.5, 3.5])
    with pytest.raises(ValueError, match="a level that was not there"):
        fit.predict({"g": ["True"]})


def test_other_values_are_still_unseen(sources):
    fit = gl.fit("y ~ C(day) + C(flag)", sources["Parquet"])
    with pytest.raises(ValueError, match="column 'day' holds 2025-01-01 in row 0"):
        fit.predict({"day": [datetime.date(2025, 1, 1)], "flag": ["true"]})
    for day, flag in (("2024-05-01", "true"), ("2024-03-31 00:00:01", "true"), ("2024-03-31", "maybe")):
        with pytest.raises(ValueError, match="a level that was not there"):
            fit.predict({"day": [day], "flag": [flag]})
    assert np.isnan(fit.predict({"day": ["2024-03-31", None], "flag": [None, "false"]})).all()


@given(st.datetimes(datetime.datetime(1, 1, 2), datetime.datetime(9999, 12, 30)), st.sampled_from(["s", "ms", "us", "ns"]))
def test_the_text_of_an_instant_does_not_depend_on_the_unit_and_keeps_every_digit(at, unit):
    wanted = at.replace(microsecond=0) if unit == "s" else at.replace(microsecond=at.microsecond // 1000 * 1000) if unit == "ms" else at
    if unit == "ns" and not 1700 < at.year < 2200:
        unit = "us"
    text = pa.scalar(wanted, type=pa.timestamp(unit)).cast(pa.string()).as_py()
    short = moment(text)
    assert datetime.datetime.fromisoformat(short) == wanted
    assert moment(short) == short == moment(str(wanted)) == moment(wanted.isoformat())


@given(st.lists(st.text(max_size=8), min_size=1, max_size=5))
def test_other_texts_are_left_alone(texts):
    if not all(same_value(text) in ("true", "false") for text in texts):
        assert same_levels(texts) == {}


def test_one_instant_in_several_zones():
    texts = ["2024-03-31 01:30:00+0100", "2024-03-31 00:30:00Z", "2024-03-30T20:00:00-04:30", "2024-03-31 00:30+00"]
    assert all(same_value(one) == same_value(other) for one, other in itertools.combinations(texts, 2))
    assert same_value(texts[0]) != same_value("2024-03-31 01:30:00")
