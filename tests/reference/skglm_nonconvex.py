"""SCAD and MCP by skglm on a small fixed data set: python tests/reference/skglm_nonconvex.py > tests/reference/skglm_nonconvex.json

Its objective is |y - X b|^2 / (2 n) + penalty, half of gradline's where strength and gamma are twice and half of its: see the test.
"""

import json
import sys

import numpy as np
import skglm
from skglm.datafits import Quadratic
from skglm.penalties import SCAD, MCPenalty
from skglm.solvers import AndersonCD


def data():
    """Rows that any language makes anew."""
    i, j = np.arange(1, 121)[:, None], np.arange(1, 13)[None, :]
    x = np.sin(0.7 * i * j) + np.cos(1.3 * i + 2.1 * j)
    noise = 2 * ((np.arange(1, 121) * 0.6180339887498949) % 1) - 1
    y = x[:, 0] * 2 - x[:, 3] + 0.5 * x[:, 7] + noise
    x, y = x - x.mean(axis=0), y - y.mean()
    return x / np.sqrt(np.mean(np.square(x), axis=0)), y


def main():
    x, y = data()
    found = {"program": f"skglm {skglm.__version__}, AndersonCD, tol 1e-14"}
    for name, make in (("mcp", lambda a: MCPenalty(a, 3.0)), ("scad", lambda a: SCAD(a, 3.7))):
        strengths = np.max(np.abs(x.T @ y)) / len(y) * np.geomspace(1.0, 0.02, 25)
        slopes, start = [], np.zeros(x.shape[1])
        for strength in strengths:
            solver = AndersonCD(tol=1e-14, fit_intercept=False, warm_start=True, max_iter=500)
            start, _, _ = solver.solve(np.asfortranarray(x), y, Quadratic(), make(float(strength)), start, x @ start)
            slopes.append(start.tolist())
        found[name] = {"strengths": strengths.tolist(), "slopes": slopes}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
