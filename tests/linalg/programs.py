"""Random quadratic programs: degenerate, redundant, singular, and some that cannot be met."""

import numpy as np


def program(seed):
    """(curvature, linear, matrix, lower, upper)."""
    random = np.random.default_rng(seed)
    d, m = int(random.integers(1, 12)), int(random.integers(1, 25))
    regular = random.random() < 0.7
    factor = random.normal(size=(d + 5 if regular else max(1, d - 2), d))
    curvature = factor.T @ factor
    linear = random.normal(size=d) if regular else curvature @ random.normal(size=d)
    matrix = random.normal(size=(m, d))
    for row in np.flatnonzero(random.random(m) < 0.4):
        matrix[row] = 0
        matrix[row, random.integers(d)] = random.choice([1.0, -2.0])
    if random.random() < 0.3:
        matrix[random.integers(m)] = matrix[0]  # redundant
    value = matrix @ random.normal(size=d)
    slack = np.abs(random.normal(size=m)) * (random.random(m) < 0.6)  # without slack many rows meet in one point
    lower, upper = value - slack, np.full(m, np.inf)
    equal = random.random(m) < 0.1
    upper[equal] = lower[equal] = value[equal]
    two = (random.random(m) < 0.2) & ~equal
    upper[two] = lower[two] + np.abs(random.normal(size=two.sum())) + 1e-3 + slack[two]
    if random.random() < 0.1:
        row = int(random.integers(m))  # what one row asks for another forbids
        matrix, lower, upper = np.vstack([matrix, -matrix[row]]), np.append(lower, 0.5 - lower[row]), np.append(upper, np.inf)
    return curvature, linear, matrix, lower, upper


def by_clarabel(curvature, linear, matrix, lower, upper):
    """The lowest objective, infinity where no point meets the rows, None where Clarabel gave up."""
    cvxpy = __import__("cvxpy")
    x = cvxpy.Variable(len(linear))
    low, high = np.isfinite(lower), np.isfinite(upper)
    rows = [matrix[part] @ x <= end[part] if up else matrix[part] @ x >= end[part] for part, end, up in ((low, lower, 0), (high, upper, 1))]
    rows = [row for row, part in zip(rows, (low, high), strict=True) if part.any()]
    problem = cvxpy.Problem(cvxpy.Minimize(0.5 * cvxpy.quad_form(x, cvxpy.psd_wrap(curvature)) + linear @ x), rows)
    try:
        problem.solve(solver=cvxpy.CLARABEL, tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11)
    except cvxpy.error.SolverError:
        return None
    if problem.status in ("infeasible", "infeasible_inaccurate"):
        return np.inf
    return float(problem.value) if problem.status == "optimal" else None
