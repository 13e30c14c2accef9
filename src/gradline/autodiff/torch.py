"""Derivatives of a user's loss by PyTorch's autograd."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from gradline.autodiff.row_derivatives import RowDerivatives
from gradline.autodiff.tape import Finding, Step, Trace, UserLoss
from gradline.base.types import Array, IntArray
from gradline.rows.block import Block


class TorchTape:
    """One user's loss in PyTorch; nothing is compiled, so any row count is fine."""

    def __init__(self, loss: UserLoss) -> None:
        self.loss = loss
        self.finding: Finding | None = None

    def call(self, targets: Array, predictors: Array) -> np.ndarray[Any, Any]:
        value = self.loss(*self._tensors(targets, predictors))
        return value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)

    def gradient(self, targets: Array, predictors: Array) -> Array | None:
        y, eta = self._tensors(targets, predictors)
        eta.requires_grad_()
        total = torch.as_tensor(self.loss(y, eta)).sum()
        if not total.requires_grad:
            return None
        (gradient,) = torch.autograd.grad(total, eta, allow_unused=True)
        return None if gradient is None else gradient.numpy().reshape(predictors.shape)

    def predict(self, predictors: Array) -> Array:
        with torch.no_grad():
            eta = torch.tensor(self.loss.shape_predictors(predictors))
            return np.asarray(self.loss.forward(eta).numpy())

    def derivatives(self, targets: Array, predictors: Array, order: int) -> RowDerivatives:
        m, k = predictors.shape
        y, eta = self._tensors(targets, predictors)
        if order == 0:
            with torch.no_grad():
                return RowDerivatives(self._row_values(y, eta).numpy())
        eta.requires_grad_()
        value = self._row_values(y, eta)
        gradient = _gradient(value.sum(), eta, create_graph=order == 2)
        rows = RowDerivatives(value.detach().numpy(), gradient.detach().numpy().reshape(m, k))
        if order == 1:
            return rows
        # A row's gradient depends on its own predictors only, so the gradient of the column sums is the row's curvature.
        columns = gradient.reshape(m, k).sum(dim=0)
        # Of a straight piece PyTorch gives zeros without storage, which have to be asked for.
        curvature = [_gradient(column, eta, retain_graph=True).numpy(force=True).reshape(m, k) for column in columns]
        return rows._replace(curvature=np.stack(curvature, axis=1))

    def descent(self, rows: Block) -> TorchDescent:
        return TorchDescent(self, rows)

    def objective(self, columns: Any, targets: Any, offset: Any, weights: Any, scale: float, coefficients: Any) -> Any:
        """``scale * sum_i w_i loss_i`` over rows."""
        predictors = columns @ coefficients
        if offset is not None:
            predictors = predictors + offset
        return self.loss.objective(
            targets, predictors if self.loss.predictor_shape else predictors[:, 0], weights, scale, self._row_values, torch.sum
        )

    def _row_values(self, targets: Any, predictors: Any) -> Any:
        """One number per row, whatever form the user's function has."""
        if self.loss.form == "row":
            return self.loss(targets, predictors)
        return torch.func.vmap(lambda y, eta: self.loss(y[None], eta[None]).reshape(()))(targets, predictors)

    def _tensors(self, targets: Array, predictors: Array) -> tuple[Any, Any]:
        return torch.tensor(self.loss.shape_targets(targets)), torch.tensor(self.loss.shape_predictors(predictors))


def _gradient(total: Any, predictors: Any, *, create_graph: bool = False, retain_graph: bool = False) -> Any:
    """The gradient, zero where the total does not depend on the predictors (a curvature of zero has no graph at all)."""
    if not total.requires_grad:
        return torch.zeros_like(predictors)
    (gradient,) = torch.autograd.grad(
        total, predictors, create_graph=create_graph, retain_graph=retain_graph or create_graph, allow_unused=True
    )
    return torch.zeros_like(predictors) if gradient is None else gradient


class TorchDescent:
    """Gradient descent over in-memory rows; PyTorch runs eagerly, so the loop is a plain one."""

    def __init__(self, tape: TorchTape, rows: Block) -> None:
        weights = rows.row_weights
        self._tape = tape
        self._columns = torch.tensor(rows.design.dense())
        self._targets = torch.tensor(tape.loss.shape_targets(rows.targets))
        self._weights = None if weights is None else torch.tensor(weights)
        self._offset = None if rows.offset is None else torch.tensor(rows.offset)
        self._scale = tape.loss.scale(float(rows.n_rows) if weights is None else float(weights.sum()))

    def run(self, coefficients: Array, velocity: Array, count: int, step: Step, batches: IntArray | None) -> tuple[Array, Array, Trace]:
        b, v = torch.tensor(coefficients), torch.tensor(velocity)
        loss, norm, path = np.empty(count), np.empty(count), np.empty((count, *coefficients.shape))
        for t in range(count):
            value, gradient = self._objective(b, None)
            loss[t], norm[t], path[t] = value, float(torch.linalg.vector_norm(gradient)), b.numpy()
            if batches is not None:
                _, gradient = self._objective(b, torch.tensor(batches[t]))
            b, v = step.move(b, v, gradient)
        return b.numpy(), v.numpy(), Trace(loss, norm, path)

    def _objective(self, coefficients: Any, rows: Any) -> tuple[float, Any]:
        def pick(tensor: Any) -> Any:
            return tensor if rows is None or tensor is None else tensor[rows]

        scale = self._scale if rows is None else self._tape.loss.batch_scale(self._scale, len(self._targets), len(rows))
        b = coefficients.detach().requires_grad_()
        value = self._tape.objective(pick(self._columns), pick(self._targets), pick(self._offset), pick(self._weights), scale, b)
        (gradient,) = torch.autograd.grad(value, b)
        return float(value.detach()), gradient
