// Squared loss solved exactly, and its second moments, by which any step of descent costs nothing per row.

import { orthonormal } from "./frame.ts";
import { symmetricEigen, type Matrix } from "./linear.ts";
import type { Rows } from "./rows.ts";

/** The coefficients of least squares in the rows' own columns: orthonormal columns, and one refinement by the residuals. */
export function leastSquares(rows: Rows): number[] {
  const frame = orthonormal(rows);
  const theta = frame.rows.columns.map(() => 0);
  const residual = Float64Array.from(rows.y);
  for (let round = 0; round < 3; round++) {
    const step = frame.rows.columns.map((column) => {
      let sum = 0;
      for (let i = 0; i < rows.count; i++) sum += rows.share[i]! * column[i]! * residual[i]!;
      return sum;
    });
    step.forEach((value, k) => (theta[k] = theta[k]! + value));
    for (let i = 0; i < rows.count; i++) {
      let left = rows.y[i]!;
      for (let k = 0; k < theta.length; k++) left -= theta[k]! * frame.rows.columns[k]![i]!;
      residual[i] = left;
    }
  }
  return frame.outside(theta);
}

/** X' W X / sum W. */
export function secondMoments(rows: Rows): Matrix {
  return rows.columns.map((a) =>
    rows.columns.map((b) => {
      let sum = 0;
      for (let i = 0; i < rows.count; i++) sum += rows.share[i]! * a[i]! * b[i]!;
      return sum;
    }),
  );
}

/** loss(b) = lowest + sum_k curvature_k error_k^2 / 2 with error = vectors' (b - best). */
export interface SquaredModel {
  readonly best: readonly number[];
  readonly lowest: number;
  readonly curvature: readonly number[]; // largest first
  readonly vectors: Matrix;
}

export function squaredModel(rows: Rows, scale: number): SquaredModel {
  const best = leastSquares(rows);
  let lowest = 0;
  for (let i = 0; i < rows.count; i++) {
    let residual = rows.y[i]!;
    for (let j = 0; j < best.length; j++) residual -= best[j]! * rows.columns[j]![i]!;
    lowest += rows.share[i]! * residual * residual;
  }
  const { values, vectors } = symmetricEigen(secondMoments(rows));
  return { best, lowest: scale * lowest, curvature: values.map((value) => 2 * scale * Math.max(value, 0)), vectors };
}
