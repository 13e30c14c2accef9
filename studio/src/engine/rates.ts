// How long a step may be: largest curvatures, the rate "auto", the largest stable rate, and the factor by which a step shortens the way.
// The arithmetic is gradline's (src/gradline/solvers/first_order).

import { symmetricEigen } from "./linear.ts";
import { secondMoments } from "./least_squares.ts";
import type { Objective } from "./rows.ts";
import { EngineError } from "./types.ts";

export interface Momentum {
  readonly momentum: number;
  readonly nesterov: boolean;
}

/** The largest curvature of the mean loss: anywhere of squared loss, else at `at`. */
export function largestCurvature(objective: Objective, at: ArrayLike<number>, squaredScale: number | null): number {
  if (squaredScale !== null) return 2 * squaredScale * symmetricEigen(secondMoments(objective.rows)).values[0]!;
  const { curvature } = objective.evaluate(at);
  if (!curvature.every((row) => row.every(Number.isFinite))) {
    throw new EngineError({ path: "start", message: "the loss's curvature is not finite at the start; begin elsewhere, or give a rate" });
  }
  return symmetricEigen(curvature).values[0]!;
}

/** The rate from which on steps overshoot ever farther. */
export function largestStable(largest: number, { momentum, nesterov }: Momentum): number {
  if (!(largest > 0)) return Infinity;
  return (2 * (1 + momentum)) / largest / (nesterov ? 1 + 2 * momentum : 1);
}

/** Smoothness of mini-batches in expectation (Gower and others 2019): between the largest row's and the whole data's. */
export function expectedSmoothness(objective: Objective, at: ArrayLike<number>, largest: number, batch: number): number {
  const n = objective.rows.count;
  const row = objective.largestRow(at);
  return ((n * (batch - 1)) / (batch * (n - 1))) * largest + ((n - batch) / (batch * (n - 1))) * row;
}

export interface Rate {
  readonly chosen: number;
  readonly adaptive: boolean; // halved when steps prove too long
  readonly stable: number | null; // of squared loss
}

export function rateOf(
  objective: Objective,
  begin: ArrayLike<number>,
  asked: number | "auto",
  batch: number | null,
  momentum: Momentum,
): Rate {
  let scale = objective.loss.squaredScale;
  if (scale === null && asked !== "auto") return { chosen: asked, adaptive: false, stable: null };
  let largest = largestCurvature(objective, begin, scale);
  const stable = scale === null ? null : largestStable(largest, momentum);
  if (asked !== "auto") return { chosen: asked, adaptive: false, stable };
  if (!(largest > 0)) {
    // Far from its optimum a robust loss is flat, and a kinked one has no curvature: begin as if it were one.
    largest = 0.5 * largestCurvature(objective, begin, 1);
    scale = null;
  }
  const smoothness = batch === null || scale === null ? largest : expectedSmoothness(objective, begin, largest, batch);
  return { chosen: 1 / (smoothness > 0 ? smoothness : 1), adaptive: scale === null, stable };
}

/** The factor by which a step at last shortens an error of this curvature: the spectral radius of the step in (error, velocity). */
export function factor(curvature: number, rate: number, { momentum, nesterov }: Momentum): number {
  const kick = rate * Math.max(curvature, 0);
  const ahead = nesterov ? momentum : 0;
  const trace = 1 - (1 + ahead) * kick + momentum;
  const determinant = (1 - (1 + ahead) * kick) * momentum + kick * (nesterov ? momentum ** 2 : momentum);
  const square = 0.25 * trace * trace - determinant;
  return square < 0 ? Math.sqrt(determinant) : Math.abs(0.5 * trace) + Math.sqrt(square);
}

/** The slowest of all directions. */
export function slowest(curvatures: readonly number[], rate: number, momentum: Momentum): number {
  return Math.max(...curvatures.map((curvature) => factor(curvature, rate, momentum)));
}
