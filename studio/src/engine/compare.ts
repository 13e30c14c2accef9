// Several losses on the same points: their optima, how hard a residual pulls, and what they cost on points left out.

import { leaveOneOut, optimumOf } from "./optimum.ts";
import { checkTargets, lossOf, predictorsInto, type Rows } from "./rows.ts";
import type { RowLoss } from "./row_loss.ts";
import { median } from "./numbers.ts";
import type { Compared, LossSpec, Points } from "./types.ts";

const CURVE = 121;

export function compared(rows: Rows, spec: LossSpec, points: Points): Compared {
  const loss = lossOf(spec);
  checkTargets(rows, loss, points.target);
  const solved = optimumOf(rows, loss, points.inputs);
  const { coefficients, loss: value, certificate } = solved;
  return {
    loss: spec,
    optimum: { coefficients, loss: value, certificate },
    leaveOneOut: leaveOneOut(solved, loss),
    influence: influence(rows, loss, coefficients),
  };
}

/** The slope of the loss in p against the residual y - p: about the middle target of a number, at p from -4 to 4 of a label. */
function influence(rows: Rows, loss: RowLoss, coefficients: readonly number[]): { residual: number[]; slope: number[] } {
  const p = new Float64Array(rows.count);
  predictorsInto(rows, coefficients, p);
  const middle = median(Array.from(rows.y));
  let width = 0;
  for (let i = 0; i < rows.count; i++) width = Math.max(width, Math.abs(rows.y[i]! - loss.predict(p[i]!)));
  if (!(width > 0) || !Number.isFinite(width)) width = 1;
  const out = new Float64Array(3);
  const residual: number[] = [];
  const slope: number[] = [];
  for (let k = 0; k < CURVE; k++) {
    const r = width * ((2 * k) / (CURVE - 1) - 1);
    loss.derive(middle, middle - r, out);
    residual.push(r);
    slope.push(out[1]!);
  }
  return { residual, slope };
}
