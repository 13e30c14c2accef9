// Several losses on the same points: their optima, how hard a residual pulls, and what they cost on points left out.

import { leaveOneOut } from "./leave_one_out.ts";
import { optimumOf } from "./optimum.ts";
import { checkTargets, lossOf, predictorsInto, type Rows } from "./rows.ts";
import type { RowLoss } from "./row_loss.ts";
import { median } from "./numbers.ts";
import type { Compared, LossSpec, Points } from "./types.ts";

const CURVE = 121; // places

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

type Curve = { residual: number[]; slope: number[] };

/** How hard a row pulls: the slope of the loss in p against the residual, the target less its prediction. */
function influence(rows: Rows, loss: RowLoss, coefficients: readonly number[]): Curve {
  const p = new Float64Array(rows.count);
  predictorsInto(rows, coefficients, p);
  const residuals = Array.from(rows.y, (y, i) => Math.abs(y - loss.predict(p[i]!))).filter(Number.isFinite);
  const width = Math.max(0, ...residuals.slice(0, 10_000)) || 1;
  const middle = median(Array.from(rows.y));
  if (loss.target === "binary") return ofLabels(loss);
  if (loss.target === "count" || loss.target === "positive") return ofAmounts(loss, median(Array.from(p)), width);
  const out = new Float64Array(3);
  return curve(places(-width, width), (residual) => {
    loss.derive(middle, middle - residual, out);
    return [residual, out[1]!];
  });
}

function places(low: number, high: number): number[] {
  return Array.from({ length: CURVE }, (_, k) => low + ((high - low) * k) / (CURVE - 1));
}

function curve(at: readonly number[], point: (place: number) => readonly [number, number]): Curve {
  const found = at.map(point).filter(([residual, slope]) => Number.isFinite(residual) && Number.isFinite(slope));
  return { residual: found.map(([residual]) => residual), slope: found.map(([, slope]) => slope) };
}

/** A label's residual is between -1 and 1: that of 0 from sure to wrong, then that of 1 from wrong to sure. */
function ofLabels(loss: RowLoss): Curve {
  const out = new Float64Array(3);
  const points = (y: number): Curve =>
    curve(places(6, -6), (p) => {
      loss.derive(y, p, out);
      return [y - loss.predict(p), out[1]!];
    });
  const [zero, one] = [points(0), points(1)];
  return { residual: [...zero.residual, ...one.residual], slope: [...zero.slope, ...one.slope] };
}

/** Targets about one prediction, down to zero. */
function ofAmounts(loss: RowLoss, p: number, width: number): Curve {
  const out = new Float64Array(3);
  const prediction = loss.predict(p);
  return curve(places(Math.max(-width, -prediction * (loss.target === "count" ? 1 : 0.999)), width), (residual) => {
    loss.derive(prediction + residual, p, out);
    return [residual, out[1]!];
  });
}
