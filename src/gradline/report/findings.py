"""What a report says, before anybody decides how it looks: the fit with its uncertainty, tests, collinearity and the rows that matter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from gradline.effects.classification import Classification, check_classes, classified
from gradline.inference.diagnostics import Collinearity, SpecificationTest
from gradline.inference.inference import infer
from gradline.inference.overdispersion import Overdispersion
from gradline.inference.tests import HypothesisResult
from gradline.model.diagnose import Diagnosis
from gradline.plot.diagnostic_sample import DiagnosticSample
from gradline.plot.subject import PlotSubject, diagnosed

if TYPE_CHECKING:
    from gradline.model.record import Model

Found = TypeVar("Found")


@dataclass(frozen=True)
class Findings:
    """given: the fit, with its uncertainty, over the rows. data: what the rows are called. A quantity is None where there is none, and
    ``absent`` says why by its name."""

    given: PlotSubject
    data: str
    seen: DiagnosticSample | None
    breusch_pagan: SpecificationTest | None
    reset: SpecificationTest | None
    durbin_watson: float | None
    collinearity: Collinearity | None
    joint: HypothesisResult | None
    left_out_loss: float | None
    overdispersion: Overdispersion | None
    classes: Classification | None
    absent: Mapping[str, str]

    @property
    def fit(self) -> Model:
        """The fit."""
        return self.given.fit

    @property
    def own(self) -> bool:
        """Whether the rows are those of the fit."""
        return self.given.own


def find(fit: Model, data: Any, target: Any, rows: Mapping[str, Any], name: str) -> Findings:
    """Everything, in a few passes over the rows. Raises ValueError for rows that do not go with the fit."""
    given = _with_inference(diagnosed(fit, data, target, rows))
    fit, diagnosis = given.fit, given.diagnosis
    absent: dict[str, str] = {}

    def attempt(what: str, compute: Callable[[], Found], *, own: bool = True) -> Found | None:
        if own and not given.own:
            absent[what] = "of the rows a model was fitted to only"
            return None
        try:
            return compute()
        except (ValueError, np.linalg.LinAlgError) as error:
            absent[what] = str(error)
            return None

    seen = attempt("rows", lambda: given.seen, own=False)
    joint = None
    if fit.inference is not None and fit.inference.covariance is not None and not fit.curves:
        joint = attempt("joint", lambda: fit.joint_test, own=False)
    return Findings(
        given,
        name,
        seen,
        attempt("breusch_pagan", lambda: diagnosis.breusch_pagan),
        attempt("reset", lambda: diagnosis.reset),
        attempt("durbin_watson", lambda: diagnosis.durbin_watson),
        # The columns of a curve overlap by design.
        None if fit.curves else attempt("collinearity", lambda: diagnosis.collinearity),
        joint,
        attempt("left_out_loss", lambda: diagnosis.leave_one_out_loss.left_out),
        attempt("overdispersion", lambda: diagnosis.overdispersion),
        attempt("classes", lambda: _classes(given), own=False),
        absent,
    )


def _with_inference(given: PlotSubject) -> PlotSubject:
    """The fit with standard errors and fit measures, where it was made without and its rows are here."""
    fit, diagnosis = given.fit, given.diagnosis
    done = fit.inference is not None or fit.absorbed is not None
    if done or not given.own or diagnosis.rows.problem.joint or not fit.certificate.converged:
        return given
    fit = replace(fit, uncertainty=infer(diagnosis.rows.problem, fit.solution))
    return PlotSubject(Diagnosis(fit, diagnosis.rows), True)


def _classes(given: PlotSubject) -> Classification:
    """How well classes are told apart. Raises ValueError for other models, and for more rows than can be sorted."""
    check_classes(given.fit)
    return classified(given.fit, given.diagnosis.rows)
