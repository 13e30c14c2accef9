"""Right digits of the worst coefficient on NIST's eleven linear problems, beside the peers: writes docs/accuracy.md.

    python benchmarks/accuracy.py

The truth is the exact rational solution for the doubles given (polynomial columns formed in double).
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "solvers"))

import exact  # noqa: E402
from test_least_squares import NIST, families, nist, scaled_condition  # noqa: E402

from gradline.moments.moments import Moments  # noqa: E402
from gradline.rows.arrays import ArrayRows  # noqa: E402
from gradline.solvers.least_squares.least_squares import least_squares  # noqa: E402

Solve = Callable[[np.ndarray, np.ndarray, bool], np.ndarray]
RANDOM = 200


def design_of(x, intercept):
    return np.column_stack([np.ones(len(x)), x]) if intercept else x


def gradline(x, y, intercept):
    return least_squares(ArrayRows(x, y[:, None], intercept=intercept)).coefficients[:, 0]


def numpy_lstsq(x, y, intercept):
    return np.linalg.lstsq(design_of(x, intercept), y, rcond=None)[0]


def scipy_gelsy(x, y, intercept):
    import scipy.linalg

    return scipy.linalg.lstsq(design_of(x, intercept), y, lapack_driver="gelsy")[0]


def scikit_learn(x, y, intercept):
    from sklearn.linear_model import LinearRegression

    fit = LinearRegression(fit_intercept=intercept).fit(x, y)
    return np.concatenate([[fit.intercept_], fit.coef_]) if intercept else fit.coef_


def statsmodels(method):
    def solve(x, y, intercept):
        from statsmodels.api import OLS

        return OLS(y, design_of(x, intercept)).fit(method=method).params

    return solve


PEERS: dict[str, Solve] = {
    "numpy lstsq": numpy_lstsq,
    "scipy gelsy": scipy_gelsy,
    "scikit-learn": scikit_learn,
    "statsmodels pinv": statsmodels("pinv"),
    "statsmodels qr": statsmodels("qr"),
}


def digits(solve: Solve, x, y, intercept, truth):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            b = solve(x, y, intercept)
        except (np.linalg.LinAlgError, ValueError):
            return 0.0
    if not np.isfinite(b).all():
        return 0.0
    return float(np.clip(exact.right_digits(b, truth).min(), 0.0, 16.0))


def nist_table():
    head = ["problem", "gradline", "claimed", *PEERS, "certified: gradline", "certified: exact"]
    lines = [head, ["---"] * len(head)]
    for name in NIST:
        x, y, design, data = nist(name)
        intercept = data["intercept"]
        truth = exact.least_squares(design, y)
        certified = [Fraction(v) for v in data["certified"]["coefficients"]]
        ours = least_squares(ArrayRows(x, y[:, None], intercept=intercept))
        row = [name, f"{digits(gradline, x, y, intercept, truth):.1f}", f"{ours.digits.min():.1f}"]
        row += [f"{digits(peer, x, y, intercept, truth):.1f}" for peer in PEERS.values()]
        row.append(f"{min(exact.right_digits(ours.coefficients[:, 0], certified).min(), 16):.1f}")
        row.append(f"{min(exact.right_digits([float(v) for v in truth], certified).min(), 16):.1f}")
        lines.append(row)
    return lines


def random_table():
    """The fewest digits by condition number over random ill-conditioned problems."""
    edges = [1.0, 1e4, 1e7, 1e10, 1e13, np.inf]
    found: dict[int, list[list[float]]] = {}
    left_out = 0
    for seed in range(RANDOM):
        _, x, y, intercept = families(seed)
        design = design_of(x, intercept)
        ours = least_squares(ArrayRows(x, y[:, None], intercept=intercept))
        if ours.aliased:
            left_out += 1
            continue
        truth = exact.least_squares(design, y)
        place = int(np.searchsorted(edges, scaled_condition(design), side="right"))
        row = [digits(solve, x, y, intercept, truth) for solve in (gradline, *PEERS.values())]
        found.setdefault(place, []).append([*row, float(ours.digits.min())])
    head = ["condition after scaling", "problems", "gradline", "claimed", *PEERS]
    lines = [head, ["---"] * len(head)]
    for place in sorted(found):
        worst = np.min(found[place], axis=0)
        label = f"{edges[place - 1]:.0e} to {edges[place]:.0e}" if edges[place] < np.inf else f"above {edges[place - 1]:.0e}"
        values = [f"{v:.1f}" for v in (worst[0], worst[-1], *worst[1:-1])]
        lines.append([label.replace("e+", "e"), str(len(found[place])), *values])
    return lines, left_out


def moments_table():
    lines = [["problem", "right", "claimed", "left out"], ["---"] * 4]
    for name in NIST:
        x, y, design, data = nist(name)
        fit = Moments.from_arrays(x, y).fit(target="y", intercept=data["intercept"])
        right = exact.right_digits(fit.coefficients, exact.least_squares(design, y)).min()
        claimed = "" if fit.aliased else f"{fit.digits.min():.1f}"
        lines.append([name, "" if fit.aliased else f"{np.clip(right, 0, 16):.1f}", claimed, ", ".join(fit.aliased)])
    return lines


def markdown(lines):
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)


def page():
    problems, left_out = random_table()
    return f"""# Accuracy

Right significant digits of the worst coefficient, against the exact rational solution for the doubles given. Made by
`python benchmarks/accuracy.py`; 16 stands for "the exact value, rounded". "claimed" is the number of digits that gradline itself
promises (`Fit.digits`). The tests check that it promises no more than is true.

## NIST's reference problems

The last two columns compare with the values NIST certifies, which answer to the printed decimals and not to the doubles nearest
them: no solver of the doubles can be expected to beat the exact solution of those doubles, in the last column.

{markdown(nist_table())}

## {RANDOM} random ill-conditioned problems

Powers of a variable, Hilbert-like and Läuchli's designs, offsets to 1e13, column scales from 1e-150 to 1e150, nearly collinear columns,
and noise orthogonal to the columns (Wampler's case). The worst of each class of condition number, columns scaled to length one;
the {left_out} problems where gradline reports a column as aliased are left out.

{markdown(problems)}

## From moments alone

`Moments` keeps sums, not rows, and what it can know of nearly dependent columns is less. It says so.

{markdown(moments_table())}
"""


def main() -> int:
    np.seterr(all="ignore")
    path = ROOT / "docs" / "accuracy.md"
    text = page()
    path.write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
