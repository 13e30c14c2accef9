// The optimum of any loss the engine knows, with what proves it, in the user's coefficients.

import { orthonormal, type Orthonormal } from "./frame.ts";
import { kinkedOptimum } from "./kinks.ts";
import { leastSquares } from "./least_squares.ts";
import { norm } from "./linear.ts";
import { median } from "./numbers.ts";
import { newton, type Ending, type Path } from "./newton.ts";
import { Objective, predictorsInto, type Rows } from "./rows.ts";
import type { RowLoss } from "./row_loss.ts";
import { EngineError, type Optimum } from "./types.ts";

export interface Solved extends Optimum {
  readonly frame: Orthonormal;
  /** In the frame's columns. */
  readonly theta: readonly number[];
  /** The way there, in the user's coefficients. */
  readonly path: readonly (readonly number[])[];
}

/** From gradline's usual start, or from coefficients of the user. */
export function optimumOf(rows: Rows, loss: RowLoss, inputs: readonly string[], start?: readonly number[]): Solved {
  const frame = orthonormal(rows);
  const objective = new Objective(frame.rows, loss);
  const { points, ending } = pathTo(frame, objective, start);
  const theta = points[points.length - 1]!;
  const coefficients = frame.outside(theta);
  const user = new Objective(rows, loss).evaluate(coefficients);
  const note = aliasNote(frame, inputs);
  return {
    coefficients,
    loss: user.value,
    certificate: {
      converged: ending.converged,
      gradientNorm: norm(user.gradient),
      toOptimum: ending.toOptimum,
      reason: note === "" ? ending.reason : `${ending.reason}; ${note}`,
    },
    frame,
    theta,
    path: points.map((point) => frame.outside(point)),
  };
}

function aliasNote(frame: Orthonormal, inputs: readonly string[]): string {
  if (frame.aliased.length === 0) return "";
  const names = frame.aliased.map((j) => inputs[j - 1]).join(" and ");
  return `the points do not tell the slope of ${names}, which is given as 0`;
}

function pathTo(frame: Orthonormal, objective: Objective, start?: readonly number[]): Path {
  const { loss, rows } = objective;
  if (loss.squaredScale !== null) {
    const best = leastSquares(rows);
    const begin = start === undefined ? [] : [frame.inside(start)];
    return { points: [...begin, best], ending: SQUARED };
  }
  const begin = start === undefined ? usualStart(objective) : frame.inside(start);
  const fault = objective.notFinite(begin);
  if (fault !== null) {
    throw new EngineError({ path: `row ${fault.row + 1}`, message: `${fault.message}, where the search begins; change the loss, or the start` });
  }
  const { points, ending } = loss.kinks === null ? newton(objective, begin) : kinkedOptimum(objective, begin);
  return { points, ending: loss.jumps ? JUMPS : ending };
}

const JUMPS: Ending = {
  converged: false,
  toOptimum: null,
  reason: "the loss jumps where its choice changes sides, which slopes do not show: other coefficients may cost less",
};

const SQUARED: Ending = {
  converged: true,
  toOptimum: 0,
  reason: "squared loss is solved exactly: its gradient is zero to rounding, and it is convex, so no other coefficients cost less",
};

/** A constant at which the loss is finite; of a loss of residuals, or with kinks, least squares where that is nearer. */
function usualStart(objective: Objective): number[] {
  const { rows, loss } = objective;
  const constant = rows.columns.map((_, j) => (j === 0 ? loss.start(repeated(rows)) : 0));
  if (!(loss.ofResiduals || (loss.kinks !== null && loss.target === "any"))) return constant;
  const squares = leastSquares(rows);
  if (objective.notFinite(squares) !== null) return constant;
  return typicalResidual(rows, squares) < typicalResidual(rows, constant) ? squares : constant;
}

/** The targets, each as often as its weight says where weights are small whole numbers, as gradline begins. */
function repeated(rows: Rows): number[] {
  const weights = Array.from(rows.share, (share) => share * rows.totalWeight);
  const whole = weights.every((weight) => Math.abs(weight - Math.round(weight)) < 1e-9) && rows.totalWeight <= 1_000_000;
  const found: number[] = [];
  rows.y.forEach((y, i) => {
    if (weights[i]! > 0) for (let k = whole ? Math.round(weights[i]!) : 1; k > 0; k--) found.push(y);
  });
  return found;
}

function typicalResidual(rows: Rows, b: readonly number[]): number {
  const p = new Float64Array(rows.count);
  predictorsInto(rows, b, p);
  return median(Array.from(p, (value, i) => Math.abs(value - rows.y[i]!)));
}
