// What the points cost when each is predicted by the fit without it.

import { leftOutPredictors } from "./kinks.ts";
import { solve } from "./linear.ts";
import type { Solved } from "./optimum.ts";
import { Objective } from "./rows.ts";
import type { RowLoss } from "./row_loss.ts";

const MOST_REFITS = 400; // rows of a loss with kinks, each of which is fitted again

/** The mean loss of rows left out: gradline's `leave_one_out_loss`, or null where it cannot be had. */
export function leaveOneOut(solved: Solved, loss: RowLoss): number | null {
  if (!solved.certificate.converged) return null;
  const objective = new Objective(solved.frame.rows, loss);
  const predictors = loss.kinks === null ? byOneStep(objective, solved.theta) : byFits(objective, solved.theta);
  if (predictors === null) return null;
  const { rows } = objective;
  const out = new Float64Array(3);
  let sum = 0;
  for (let i = 0; i < rows.count; i++) {
    if (rows.share[i] === 0) continue;
    loss.derive(rows.y[i]!, predictors[i]!, out);
    sum += rows.share[i]! * out[0]!;
  }
  return Number.isFinite(sum) ? sum : null;
}

/** One Newton step from the optimum: exact for squared loss (Allen 1974), to second order for others (Rad and Maleki 2020). */
function byOneStep(objective: Objective, theta: readonly number[]): Float64Array | null {
  const { rows, loss } = objective;
  const { curvature } = objective.evaluate(theta);
  const out = new Float64Array(3);
  const found = new Float64Array(rows.count);
  for (let i = 0; i < rows.count; i++) {
    if (rows.share[i] === 0) continue;
    const row = rows.columns.map((column) => column[i]!);
    let p = 0;
    row.forEach((value, j) => (p += value * theta[j]!));
    loss.derive(rows.y[i]!, p, out);
    const spread = solve(curvature, row);
    if (spread === null) return null;
    const q = rows.share[i]! * row.reduce((total, value, j) => total + value * spread[j]!, 0);
    const left = 1 - q * out[2]!;
    // A row that alone decides a coefficient: without it there is nothing to predict from.
    if (!(left > 1e-10)) return null;
    found[i] = p + (q * out[1]!) / left;
  }
  return found;
}

/** By fits without each row. */
function byFits(objective: Objective, theta: readonly number[]): Float64Array | null {
  const { rows } = objective;
  if (rows.count > MOST_REFITS) return null;
  for (let i = 0; i < rows.count; i++) {
    let leverage = 0;
    for (const column of rows.columns) leverage += rows.share[i]! * column[i]! ** 2;
    if (leverage > 1 - 1e-10) return null;
  }
  return leftOutPredictors(objective, theta);
}
