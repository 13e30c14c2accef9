"""What statsmodels and marginaleffects find on the five data sets: writes effects_python.json.

Run where both are installed (marginaleffects 0.6.0 wants polars below 2): python effects_python.py
The derivatives in the coefficients that marginaleffects takes are one-sided, good to 1e-5 of themselves; central ones of five points
stand in their place.
"""

import json
from importlib.metadata import version
from pathlib import Path

import marginaleffects
import marginaleffects.comparisons
import marginaleffects.predictions
import marginaleffects.uncertainty
import numpy as np
import pandas as pd
import statsmodels.api as sm
import statsmodels.formula.api as smf
from marginaleffects.datagrid import datagrid

HERE = Path(__file__).parent


STEP = 1e-4
"""Of a coefficient; 1 for a model that is linear in them, where every step is exact and a long one leaves the least rounding."""


def central(func, coefs, eps_vcov=None):
    coefs = np.asarray(coefs, dtype=np.float64)
    columns = []
    for i in range(coefs.size):
        step = STEP * max(1.0, abs(coefs[i]))
        values = []
        for multiple in (-2, -1, 1, 2):
            moved = coefs.copy()
            moved[i] += multiple * step
            values.append(np.asarray(marginaleffects.uncertainty._estimate_vector(func(moved)), dtype=np.float64))
        columns.append((values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step))
    return np.stack(columns, axis=1)


for module in (marginaleffects.uncertainty, marginaleffects.comparisons, marginaleffects.predictions):
    module.get_jacobian = central


def read(name):
    table = pd.read_csv(HERE / f"{name}.csv")
    for column in table:
        if not pd.api.types.is_numeric_dtype(table[column]):
            table[column] = table[column].astype("category")
    return table


def rows(found, *names):
    frame = found.to_pandas()
    return frame[[*names, "estimate", "std_error"]].astype(object).values.tolist()


penguins, spector, scotland, warpbreaks, visits = (read(n) for n in ("penguins", "spector", "scotland", "warpbreaks", "visits"))
exact = {"tol": 1e-14, "maxiter": 200}
models = {
    "penguins": smf.ols("body_mass_g ~ flipper_length_mm * C(species) + bill_length_mm + C(sex)", penguins).fit(),
    "penguins HC3": smf.ols("body_mass_g ~ flipper_length_mm * C(species) + bill_length_mm + C(sex)", penguins).fit(
        cov_type="HC3", use_t=True
    ),
    "spector": smf.glm("grade ~ gpa + tuce + C(psi)", spector, family=sm.families.Binomial()).fit(**exact),
    "scotland": smf.glm("yes ~ unemployment + mortality + C(area)", scotland, family=sm.families.Gamma(sm.families.links.Log())).fit(
        **exact
    ),
    "warpbreaks": smf.glm("breaks ~ C(wool) * C(tension)", warpbreaks, family=sm.families.Poisson()).fit(**exact),
    "visits": smf.glm("visits ~ age * C(smokes) + C(clinic)", visits, family=sm.families.Poisson()).fit(**exact),
}
found = {"versions": {name: version(name) for name in ("statsmodels", "marginaleffects")}}
for name, model in models.items():
    STEP = 1.0 if name.startswith("penguins") else 1e-4
    found[name] = {"average effects": rows(marginaleffects.avg_slopes(model, eps=1e-4), "term", "contrast")}
STEP = 1.0
found["penguins"]["by species"] = rows(
    marginaleffects.avg_slopes(models["penguins"], variables="flipper_length_mm", by="species"), "species"
)
STEP = 1e-4
found["visits"]["by clinic"] = rows(marginaleffects.avg_slopes(models["visits"], variables="age", by="clinic"), "clinic")
found["visits"]["step of ten"] = rows(marginaleffects.avg_comparisons(models["visits"], variables={"age": [40, 50]}), "term")
found["visits"]["predictions by clinic"] = rows(marginaleffects.avg_predictions(models["visits"], by="clinic"), "clinic")
grid = datagrid(model=models["visits"], age=[30, 60], clinic=["north", "west"])
found["visits"]["at means"] = rows(marginaleffects.predictions(models["visits"], newdata=grid), "age", "clinic")
found["spector"]["at means"] = rows(
    marginaleffects.slopes(models["spector"], newdata=datagrid(model=models["spector"])), "term", "contrast"
)
found["warpbreaks"]["ratios"] = rows(
    marginaleffects.avg_comparisons(models["warpbreaks"], variables="wool", comparison="ratioavg"), "contrast"
)

# statsmodels' own margins, where it has them.
logit = smf.logit("grade ~ gpa + tuce", spector).fit(disp=False, method="newton", tol=1e-14)
for at in ("overall", "mean"):
    margins = logit.get_margeff(at=at)
    found["spector"][f"get_margeff {at}"] = [["gpa", *values] for values in zip(margins.margeff[:1], margins.margeff_se[:1])]
    found["spector"][f"get_margeff {at}"] += [["tuce", *values] for values in zip(margins.margeff[1:], margins.margeff_se[1:])]
for kind in (2, 3):  # of type 1 the order is another, categories first
    table = sm.stats.anova_lm(models["penguins"], typ=kind)
    found["penguins"][f"anova {kind}"] = [
        [str(term), float(row.df), float(row.F), float(row["PR(>F)"])]
        for term, row in table.iterrows()
        if term not in ("Residual", "Intercept")
    ]
found["spector"]["null log likelihood"] = float(logit.llnull)
found["spector"]["log likelihood"] = float(logit.llf)
found["spector"]["McFadden"] = float(logit.prsquared)


def plain(value):
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    return float(value) if isinstance(value, float | np.floating) else int(value) if isinstance(value, np.integer) else value


(HERE / "effects_python.json").write_text(json.dumps(plain(found), indent=1) + "\n")
