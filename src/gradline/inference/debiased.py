"""Coefficients of a penalised fit with what the penalty took off put back: one Newton step on the loss alone, and its standard errors.

With g the gradient and H the whole curvature of the mean loss at the penalised coefficients b, ``b - H^-1 g`` differs from the fit without
a penalty by the square of its distance, and so has its standard errors: one step from an estimate that is near by root n is efficient (Le
Cam 1956; van de Geer, Buhlmann, Ritov and Dezeure 2014, Annals of Statistics 42, whose approximate inverse is the inverse
itself where n > p).
For squared loss the step ends at least squares. Curves keep their penalty: it is a part of what the step is of, and errors are Bayesian.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradline.base.errors import InferenceError
from gradline.inference.absent import JOINT
from gradline.inference.bread import compute_bread
from gradline.inference.inference import Inference, infer
from gradline.inference.support import support_statistics
from gradline.objective.objective import Problem
from gradline.penalties.beside_curves import curve_part
from gradline.solvers.protocol import Solution


def debiased(problem: Problem, solution: Solution) -> Inference:
    """What a fit holds that was asked for ``covariance="debiased"``.

    Raises ValueError for a fit without a penalty, a loss without a curvature, as many coefficients as rows, and where the curvature of the
    loss at the penalised fit is singular.
    """
    if problem.penalty is None:
        raise InferenceError(
            'covariance="debiased" puts back what a penalty took off, and there is none: its default is what you want, covariance="default"'
        )
    if problem.joint:
        raise InferenceError(JOINT.format(problem.loss.name))
    if problem.loss.kinks() is not None:
        raise InferenceError(f"the loss {problem.loss.name!r} has kinks, so that no Newton step says what the penalty took off")
    if problem.constraints is not None:
        raise InferenceError('covariance="debiased" knows nothing of constraints: leave them out, or ask for no standard errors')
    # A curve without its penalty would be another model.
    curves = curve_part(problem.penalty)
    plain, size = replace(problem, penalty=curves), problem.free.size
    if problem.rows.n_rows <= problem.shape[0]:
        raise InferenceError(
            f'covariance="debiased" takes one Newton step of all {size} coefficients, and {problem.rows.n_rows:,} rows do not determine'
            " them: the curvature of the loss has no inverse. Give more rows, or fewer columns"
        )
    coefficients = solution.coefficients
    try:
        bread = compute_bread(plain, coefficients, plain.free)
    except ValueError:
        raise InferenceError(
            'covariance="debiased" takes a step by the whole curvature of the loss, which is singular here: a column is constant or'
            " determined by others, or the coefficients lie where the loss is flat. Leave such a column out"
        ) from None
    kind = None if curves is None else "bayesian"
    gradient = plain.evaluate(coefficients, 1).gradient
    assert gradient is not None
    step = bread.root @ (bread.root.T @ (plain.total_weight * gradient).T.ravel())
    stepped = coefficients - step.reshape(coefficients.shape[::-1]).T
    after = replace(solution, coefficients=stepped, sums=None, curvature=None, extra=(), digits=None)
    try:
        found = infer(plain, after, kind)
    except ValueError as error:
        raise InferenceError(f"no debiased standard errors: {str(error).removeprefix('no standard errors: ')}") from None
    held = found.covariance
    if held is None:
        raise InferenceError(f"no debiased standard errors: {found.unavailable.removeprefix('no standard errors: ')}")
    what = "the loss alone" if curves is None else "the loss and the penalty of curves"
    words = f"of the coefficients one Newton step of {what} away from the penalised ones, which intervals and tests are about; "
    held = replace(held, kind="debiased", description=f"{words}{held.kind}: {held.description}", estimates=np.asarray(stepped))
    return Inference(support_statistics(problem, solution), held, None, notes=found.notes)
