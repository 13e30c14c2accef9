"""Small tables of real data, in the public domain. Each is a CSV file of the package, and comes as a dict of arrays."""

from __future__ import annotations

import csv
import math
from importlib import resources
from typing import Any

import numpy as np

Table = dict[str, np.ndarray[Any, Any]]


def penguins() -> Table:
    """Measurements of 344 penguins of three species: real data with real gaps.

    Returns
    -------
    dict
        From the name of a column to its array. Numbers (bill_length_mm, bill_depth_mm, flipper_length_mm, body_mass_g, year) are float64,
        NaN where missing. species, island and sex are text, sex None where missing.

    Notes
    -----
    Source: A. M. Horst, A. P. Hill and K. B. Gorman (2020), "palmerpenguins: Palmer Archipelago (Antarctica) penguin data",
    doi:10.5281/zenodo.3960218, from K. B. Gorman, T. D. Williams and W. R. Fraser (2014), "Ecological sexual dimorphism and environmental
    variability within a community of Antarctic penguins (genus Pygoscelis)", PLoS ONE 9(3): e90081. Licence: CC0 1.0, public domain.

    Examples
    --------
    >>> import gradline as gl
    >>> penguins = gl.datasets.penguins()
    >>> gl.fit("body_mass_g ~ flipper_length_mm", penguins).slopes.round(1)
    array([49.7])
    """
    return _read("penguins.csv", text=("species", "island", "sex"))


def engel() -> Table:
    """What 235 Belgian working-class households earned in a year, and spent on food: an economist's data.

    Returns
    -------
    dict
        From the name of a column to its array: income and food, in Belgian francs, float64.

    Notes
    -----
    Source: E. Engel (1857), "Die Productions- und Consumtionsverhältnisse des Königreichs Sachsen", from the households of E. Ducpetiaux
    (1855). R. Koenker and G. Bassett (1982), Econometrica 50, 43-61, made them the example of quantile regression: who earns more spends
    more on food, and the households differ more among themselves. Public domain.

    Examples
    --------
    >>> import gradline as gl
    >>> gl.fit("food ~ income", gl.datasets.engel(), loss=gl.losses.quantile(0.5)).slopes.round(2)
    array([0.56])
    """
    return _read("engel.csv")


def grunfeld() -> Table:
    """What eleven American firms invested in each year from 1935 to 1954: an economist's panel of 220 rows.

    Returns
    -------
    dict
        From the name of a column to its array. firm is text. year, invest (gross investment), value (what the firm is worth on the market)
        and capital (its stock of plant and equipment) are float64; all but the year in millions of dollars of 1947.

    Notes
    -----
    Source: Y. Grunfeld (1958), "The determinants of corporate investment", dissertation, University of Chicago, as restored by C. Kleiber
    and A. Zeileis (2010), "The Grunfeld data at 50", German Economic Review 11(4), 404-417. Public domain.

    Examples
    --------
    >>> import gradline as gl
    >>> gl.fit("invest ~ value + capital | firm", gl.datasets.grunfeld()).slopes.round(2)
    array([0.11, 0.31])
    """
    return _read("grunfeld.csv", text=("firm",))


def doctors() -> Table:
    """British doctors who died of coronary heart disease, by age and smoking: an epidemiologist's data.

    Returns
    -------
    dict
        From the name of a column to its array, ten groups: age ("35-44" to "75-84") and smokes ("no", "yes") are text; deaths, and the
        person_years during which they were counted, are float64.

    Notes
    -----
    Source: R. Doll and A. B. Hill (1966), "Mortality of British doctors in relation to smoking: observations on coronary thrombosis",
    National Cancer Institute Monograph 19, 205-268, a publication of the government of the United States. Public domain.

    Examples
    --------
    >>> import gradline as gl
    >>> import numpy as np
    >>> doctors = gl.datasets.doctors()
    >>> fit = gl.fit("deaths ~ smokes + age + offset(log(person_years))", doctors, loss="poisson")
    >>> np.exp(fit.slopes[0]).round(2)
    np.float64(1.43)
    """
    return _read("doctors.csv", text=("age", "smokes"))


def travel() -> Table:
    """How 210 people travelled between Sydney, Canberra and Melbourne in 1987: a marketer's data on a choice.

    Returns
    -------
    dict
        From the name of a column to its array. mode ("air", "bus", "car", "train") is text; income, of the household in thousands of
        dollars a year, and party, how many travelled together, are float64.

    Notes
    -----
    Few people choose buses and trains, so more of these were asked than their share: compare groups of travellers, and do not read off
    market shares. Source: W. H. Greene and D. Hensher (1997), "Multinomial logit and discrete choice models", in LIMDEP 7.0 user's manual;
    table F18-2 of W. H. Greene (2011), "Econometric Analysis", 7th edition. Public domain.

    Examples
    --------
    >>> import gradline as gl
    >>> gl.fit("mode ~ income + party", gl.datasets.travel(), loss="multinomial").class_names
    ('air', 'bus', 'car', 'train')
    """
    return _read("travel.csv", text=("mode",))


def stack_loss() -> Table:
    """Twenty-one days of a plant that oxidises ammonia to nitric acid: an engineer's data.

    Returns
    -------
    dict
        From the name of a column to its array: loss (ammonia that escaped, in tenths of a percent), air (flow of cooling air), water
        (temperature of the cooling water, degrees Celsius), acid (concentration, in tenths of a percent above 50), all float64.

    Notes
    -----
    The first days and the last are known not to follow the others. Source: K. A. Brownlee (1965), "Statistical Theory and Methodology in
    Science and Engineering", 2nd edition, Wiley. Public domain.

    Examples
    --------
    >>> import gradline as gl
    >>> gl.fit("loss ~ air + water + acid", gl.datasets.stack_loss()).slopes.round(2)
    array([ 0.72,  1.3 , -0.15])
    """
    return _read("stack_loss.csv")


def _read(file_name: str, text: tuple[str, ...] = ()) -> Table:
    text_of_file = (resources.files("gradline") / "data" / file_name).read_text(encoding="utf-8")
    rows = list(csv.DictReader(text_of_file.splitlines()))
    return {name: _column([row[name] for row in rows], name in text) for name in rows[0]}


def _column(cells: list[str], is_text: bool) -> np.ndarray[Any, Any]:
    if not is_text:
        return np.array([float(cell) if cell not in ("", "NA") else math.nan for cell in cells])
    if any(cell in ("", "NA") for cell in cells):
        # None rather than an empty string: every table library reads it as missing, and none mistakes it for a third sex.
        return np.array([cell if cell not in ("", "NA") else None for cell in cells], dtype=object)
    return np.array(cells)
