"""Selective intervals with 50 digits, from the rows: writes selective.json.

An independent way to the same numbers: the polyhedron of Lee, Sun, Sun and Taylor (2016) over the targets y themselves, and the normal
distribution between two limits by mpmath. Run it with mpmath installed: python tests/reference/selective.py
"""

import json
from pathlib import Path

import mpmath as mp
import numpy as np

mp.mp.dps = 50
LEVEL = mp.mpf("0.95")


def data(seed, n=60, p=6):
    """Columns and targets, exactly representable."""
    rng = np.random.default_rng(seed)
    X = np.round(rng.normal(size=(n, p)) @ (np.eye(p) + 0.3), 3)
    y = np.round(X @ [2.0, -1.0, 0.3, 0, 0, 0][:p] + rng.normal(size=n) + 1.0, 3)
    return X, y


def solved(X, y, strength, share):
    """The penalised slopes by coordinate descent at 50 digits, of columns and targets about their means."""
    n, p = X.rows, X.cols
    l1, l2 = strength * share, strength * (1 - share)
    b = [mp.mpf(0)] * p
    left = y.copy()
    size = [sum(X[i, j] ** 2 for i in range(n)) * 2 / n for j in range(p)]
    for _ in range(2000):
        change = mp.mpf(0)
        for j in range(p):
            start = 2 * sum(X[i, j] * left[i] for i in range(n)) / n + size[j] * b[j]
            new = mp.sign(start) * max(abs(start) - l1, 0) / (size[j] + l2)
            if new != b[j]:
                for i in range(n):
                    left[i] -= X[i, j] * (new - b[j])
                change = max(change, abs(new - b[j]))
                b[j] = new
        if change < mp.mpf(10) ** -45:
            break
    return b


def share_below(x, mean, spread, low, high):
    """P(value <= x) between the limits, by tails that do not cancel."""

    def mass(a, b):
        a, b = (a - mean) / spread, (b - mean) / spread
        if a > 0:
            a, b = -b, -a
        return (mp.erfc(-b / mp.sqrt(2)) - mp.erfc(-a / mp.sqrt(2))) / 2

    return mass(low, x) / mass(low, high)


def mean_at(share, x, spread, low, high):
    """The mean at which so much lies below x, by bisection."""
    first, last = x - spread, x + spread
    while share_below(x, first, spread, low, high) < share:
        first -= 2 * (x - first)
    while share_below(x, last, spread, low, high) > share:
        last += 2 * (last - x)
    for _ in range(150):
        middle = (first + last) / 2
        if share_below(x, middle, spread, low, high) > share:
            first = middle
        else:
            last = middle
    return (first + last) / 2


def intervals(X, y, strength, share):
    """Rows (estimate, spread, low, high, lower, upper, p) of the kept columns, and which they are."""
    n, p = X.shape
    X, y = mp.matrix(X.tolist()), mp.matrix([mp.mpf(float(v)) for v in y])
    for j in range(p):
        mean = sum(X[i, j] for i in range(n)) / n
        for i in range(n):
            X[i, j] -= mean
    mean = sum(y) / n
    y = y - mp.matrix([mean] * n)
    strength, share = mp.mpf(strength), mp.mpf(share)
    b = solved(X, y, strength, share)
    kept = [j for j in range(p) if b[j] != 0]
    idle = [j for j in range(p) if b[j] == 0]
    whole = mp.lu_solve(X.T * X, X.T * y)
    left = y - X * whole
    sigma = mp.sqrt(sum(v**2 for v in left) / (n - p - 1))
    E = mp.matrix([[X[i, j] for j in kept] for i in range(n)])
    sign = mp.matrix([mp.sign(b[j]) for j in kept])
    bent = (2 * (E.T * E) / n + strength * (1 - share) * mp.eye(len(kept))) ** -1
    # b_E = bent (2 E'y / n - l1 sign): rows of conditions A y <= c.
    A, c = [], []
    to_slopes, shrink = bent * (2 * E.T / n), bent * sign * (strength * share)
    for i in range(len(kept)):
        A.append([-sign[i] * to_slopes[i, t] for t in range(n)])
        c.append(-sign[i] * shrink[i])
    for j in idle:
        column = mp.matrix([X[i, j] for i in range(n)])
        onto = (column.T * 2 / n) * (mp.eye(n) - E * to_slopes)
        constant = (column.T * 2 / n * E * shrink)[0]
        A.append([onto[t] for t in range(n)])
        c.append(strength * share - constant)
        A.append([-onto[t] for t in range(n)])
        c.append(strength * share + constant)
    least = (E.T * E) ** -1 * E.T
    rows = []
    for place in range(len(kept)):
        eta = least[place, :].T
        size = sum(v**2 for v in eta)
        x = sum(eta[t] * y[t] for t in range(n))
        low, high = mp.mpf("-1e30"), mp.mpf("1e30")
        for row, limit in zip(A, c):
            rate = sum(row[t] * eta[t] for t in range(n)) / size
            slack = limit - sum(row[t] * y[t] for t in range(n))
            assert slack > -(mp.mpf(10) ** -30)
            if rate > mp.mpf(10) ** -30:
                high = min(high, x + slack / rate)
            elif rate < -(mp.mpf(10) ** -30):
                low = max(low, x + slack / rate)
        spread = sigma * mp.sqrt(size)
        below = share_below(x, mp.mpf(0), spread, low, high)
        above = 1 - below if below < 0.5 else share_below(-x, mp.mpf(0), spread, -high, -low)
        p_value = 2 * min(below, above)
        ends = [mean_at(q, x, spread, low, high) for q in ((1 + LEVEL) / 2, (1 - LEVEL) / 2)]
        rows.append([mp.nstr(v, 20) for v in (x, spread, low, high, *ends, p_value)])
    return kept, rows


def ends(below, above, tail):
    """The largest mean, for what is seen at 0 in units of the spread."""
    return mp.nstr(mean_at(mp.mpf(tail), mp.mpf(0), mp.mpf(1), mp.mpf(below), mp.mpf(above)), 20)


def main():
    found = {"fits": [], "ends": []}
    for seed, strength, share in ((1, 0.5, 1.0), (2, 1.0, 1.0), (3, 0.25, 1.0), (4, 0.5, 0.5), (5, 1.0, 0.75)):
        kept, rows = intervals(*data(seed), strength, share)
        found["fits"].append({"seed": seed, "strength": strength, "share": share, "kept": kept, "rows": rows})
    for below, above in ((-1, 1), (-1e-3, 1e-3), (-1e-6, 2), (-5, 1e-6), (-40, 0.5), (-0.01, 60), (-1e-8, 1e-3), (-9, 9), (-0.3, 1e30)):
        for tail in ("0.025", "0.5", "1e-12"):
            mp.mp.dps = 50 if min(-below, above) > 1e-4 else 60
            found["ends"].append([below, above, tail, ends(below, above, tail)])
    Path(__file__).with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
