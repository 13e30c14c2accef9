// Points as rows of a design [1, x...], and what a loss costs on them: value, gradient and curvature.

import { catalogueLoss, targetFault } from "./catalogue.ts";
import type { RowLoss } from "./row_loss.ts";
import { typedLoss } from "./typed.ts";
import { EngineError, type LossSpec, type Points } from "./types.ts";

const typed = new Map<string, RowLoss>(); // a typed loss is looked at closely once, and not for every answer

export function lossOf(spec: LossSpec): RowLoss {
  if (spec.kind === "catalogue") return catalogueLoss(spec.name, spec.option);
  if (spec.kind === "typed") {
    const known = typed.get(spec.text) ?? typedLoss(spec.text);
    if (typed.size > 20) typed.clear();
    typed.set(spec.text, known);
    return known;
  }
  throw new EngineError({
    path: "loss",
    message: `the loss '${spec.name}' of a file runs in a server only: gradline studio table.csv --loss ${spec.name}`,
  });
}

/** Rows held in columns: `columns[0]` is all ones. `weights` are given as shares of their sum, so that a mean is a plain sum. */
export interface Rows {
  readonly count: number;
  readonly size: number; // coefficients
  readonly columns: readonly Float64Array[];
  readonly y: Float64Array;
  readonly share: Float64Array; // weight / sum of weights
  readonly totalWeight: number;
}

export const MOST_ROWS = 100_000;

const LARGEST = 1e150; // of an input: curvatures are sums of squares

export function rowsOf(points: Points): Rows {
  const { x, y, inputs, weights } = points;
  const fault = (path: string, message: string): never => {
    throw new EngineError({ path, message });
  };
  if (inputs.length < 1 || inputs.length > 2) fault("data", `the page fits one or two inputs, and there are ${inputs.length}`);
  if (y.length === 0) fault("data", "there is no point yet; add some, or choose an example");
  if (y.length > MOST_ROWS) {
    fault("data", `the page holds at most ${MOST_ROWS.toLocaleString("en-US")} rows and there are ${y.length.toLocaleString("en-US")}; run gradline studio table.csv, which takes tables of any size`);
  }
  if (x.length !== y.length) fault("data", `there are ${x.length} rows of inputs and ${y.length} targets`);
  const columns = [new Float64Array(y.length).fill(1), ...inputs.map(() => new Float64Array(y.length))];
  for (let i = 0; i < y.length; i++) {
    const row = x[i]!;
    for (let j = 0; j < inputs.length; j++) {
      const value = row[j];
      if (!Number.isFinite(value)) fault(`row ${i + 1}, column ${inputs[j]}`, `row ${i + 1}, column ${inputs[j]}: ${value} is not a finite number`);
      if (Math.abs(value!) > LARGEST) {
        fault(`row ${i + 1}, column ${inputs[j]}`, `row ${i + 1}, column ${inputs[j]}: the square of ${value} is beyond what a number can hold; give the column in a larger unit`);
      }
      columns[j + 1]![i] = value!;
    }
    if (!Number.isFinite(y[i])) fault(`row ${i + 1}, column ${points.target}`, `row ${i + 1}, column ${points.target}: ${y[i]} is not a finite number`);
  }
  const share = new Float64Array(y.length);
  let total = 0;
  for (let i = 0; i < y.length; i++) {
    const weight = weights === undefined ? 1 : weights[i]!;
    if (!(Number.isFinite(weight) && weight >= 0)) fault(`row ${i + 1}, weight`, `row ${i + 1}: a weight is 0 or above, not ${weight}`);
    share[i] = weight;
    total += weight;
  }
  if (!(total > 0)) fault("weights", "all weights are 0; give at least one row a weight above 0");
  for (let i = 0; i < share.length; i++) share[i] = share[i]! / total;
  return { count: y.length, size: columns.length, columns, y: Float64Array.from(y), share, totalWeight: total };
}

/** Refuses targets that the loss is not defined for, by row. */
export function checkTargets(rows: Rows, loss: RowLoss, target: string): void {
  for (let i = 0; i < rows.count; i++) {
    const words = targetFault(loss, rows.y[i]!);
    if (words !== null) {
      throw new EngineError({
        path: `row ${i + 1}, column ${target}`,
        message: `loss ${loss.name}: row ${i + 1} of ${target} is ${rows.y[i]}, and this loss wants ${words}`,
      });
    }
  }
}

/** The same rows with other input columns. */
export function withColumns(rows: Rows, columns: readonly Float64Array[]): Rows {
  return { ...rows, columns, size: columns.length };
}

export function predictorsInto(rows: Rows, b: ArrayLike<number>, into: Float64Array): void {
  const [first, second, third] = [b[0]!, b[1] ?? 0, b[2] ?? 0];
  const x1 = rows.columns[1];
  const x2 = rows.columns[2];
  const x0 = rows.columns[0]!;
  for (let i = 0; i < rows.count; i++) {
    let p = first * x0[i]!;
    if (x1 !== undefined) p += second * x1[i]!;
    if (x2 !== undefined) p += third * x2[i]!;
    into[i] = p;
  }
}

export interface Evaluation {
  readonly value: number;
  readonly gradient: number[];
  readonly curvature: number[][];
}

/** The mean loss, its gradient and its curvature at b. */
export class Objective {
  private readonly out = new Float64Array(3);
  constructor(
    readonly rows: Rows,
    readonly loss: RowLoss,
  ) {}

  value(b: ArrayLike<number>): number {
    const { columns, y, share, count } = this.rows;
    const [c0, c1, c2] = columns;
    const [b0, b1, b2] = [b[0]!, b[1] ?? 0, b[2] ?? 0];
    const { loss, out } = this;
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const weight = share[i]!;
      if (weight === 0) continue;
      let p = b0 * c0![i]!;
      if (c1 !== undefined) p += b1 * c1[i]!;
      if (c2 !== undefined) p += b2 * c2[i]!;
      loss.derive(y[i]!, p, out);
      sum += weight * out[0]!;
    }
    return sum;
  }

  /** The gradient into `gradient`; returns the value. */
  slope(b: ArrayLike<number>, gradient: Float64Array): number {
    const { columns, y, share, count } = this.rows;
    const [c0, c1, c2] = columns;
    const [b0, b1, b2] = [b[0]!, b[1] ?? 0, b[2] ?? 0];
    const { loss, out } = this;
    let [sum, g0, g1, g2] = [0, 0, 0, 0];
    for (let i = 0; i < count; i++) {
      const weight = share[i]!;
      if (weight === 0) continue;
      let p = b0 * c0![i]!;
      if (c1 !== undefined) p += b1 * c1[i]!;
      if (c2 !== undefined) p += b2 * c2[i]!;
      loss.derive(y[i]!, p, out);
      sum += weight * out[0]!;
      const slope = weight * out[1]!;
      g0 += slope * c0![i]!;
      if (c1 !== undefined) g1 += slope * c1[i]!;
      if (c2 !== undefined) g2 += slope * c2[i]!;
    }
    setThree(gradient, g0, g1, g2, 1);
    return sum;
  }

  /** The gradient that a mini-batch estimates: of rows `from` to `to` of `order`. */
  batchSlope(b: ArrayLike<number>, order: Int32Array, from: number, to: number, gradient: Float64Array): void {
    const { columns, y, share, count } = this.rows;
    const [c0, c1, c2] = columns;
    const [b0, b1, b2] = [b[0]!, b[1] ?? 0, b[2] ?? 0];
    const { loss, out } = this;
    let [g0, g1, g2] = [0, 0, 0];
    for (let k = from; k < to; k++) {
      const i = order[k]!;
      const weight = share[i]!;
      if (weight === 0) continue;
      let p = b0 * c0![i]!;
      if (c1 !== undefined) p += b1 * c1[i]!;
      if (c2 !== undefined) p += b2 * c2[i]!;
      loss.derive(y[i]!, p, out);
      const slope = weight * out[1]!;
      g0 += slope * c0![i]!;
      if (c1 !== undefined) g1 += slope * c1[i]!;
      if (c2 !== undefined) g2 += slope * c2[i]!;
    }
    setThree(gradient, g0, g1, g2, count / (to - from));
  }

  evaluate(b: ArrayLike<number>): Evaluation {
    const { columns, y, share, count, size } = this.rows;
    const [c0, c1, c2] = columns;
    const [b0, b1, b2] = [b[0]!, b[1] ?? 0, b[2] ?? 0];
    const { loss, out } = this;
    let [value, g0, g1, g2, h00, h10, h11, h20, h21, h22] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for (let i = 0; i < count; i++) {
      const weight = share[i]!;
      if (weight === 0) continue;
      const x0 = c0![i]!;
      const x1 = c1 === undefined ? 0 : c1[i]!;
      const x2 = c2 === undefined ? 0 : c2[i]!;
      loss.derive(y[i]!, b0 * x0 + b1 * x1 + b2 * x2, out);
      value += weight * out[0]!;
      const slope = weight * out[1]!;
      const bend = weight * out[2]!;
      g0 += slope * x0;
      g1 += slope * x1;
      g2 += slope * x2;
      h00 += bend * x0 * x0;
      h10 += bend * x1 * x0;
      h11 += bend * x1 * x1;
      h20 += bend * x2 * x0;
      h21 += bend * x2 * x1;
      h22 += bend * x2 * x2;
    }
    const curvature = [
      [h00, h10, h20],
      [h10, h11, h21],
      [h20, h21, h22],
    ];
    return { value, gradient: [g0, g1, g2].slice(0, size), curvature: curvature.slice(0, size).map((row) => row.slice(0, size)) };
  }

  /** The largest curvature of one row's own objective, n w f'' |x|^2 / sum w. */
  largestRow(b: ArrayLike<number>): number {
    const { columns, y, share, count, size } = this.rows;
    let largest = 0;
    for (let i = 0; i < count; i++) {
      let p = 0;
      let square = 0;
      for (let j = 0; j < size; j++) {
        const x = columns[j]![i]!;
        p += b[j]! * x;
        square += x * x;
      }
      this.loss.derive(y[i]!, p, this.out);
      largest = Math.max(largest, share[i]! * this.out[2]! * square);
    }
    return largest * count;
  }

  /** Which row's loss or slope is not finite at b, in one sentence; null where all are. */
  notFinite(b: ArrayLike<number>): { row: number; message: string } | null {
    const { columns, y, share, count, size } = this.rows;
    for (let i = 0; i < count; i++) {
      if (share[i] === 0) continue;
      let p = 0;
      for (let j = 0; j < size; j++) p += b[j]! * columns[j]![i]!;
      this.loss.derive(y[i]!, p, this.out);
      for (const [place, what] of [[0, "loss"], [1, "slope of the loss"]] as const) {
        const value = this.out[place]!;
        if (!Number.isFinite(value)) {
          return {
            row: i,
            message: `the ${what} is ${Number.isNaN(value) ? "not a number" : "infinite"} in row ${i + 1}, where y = ${show(y[i]!)} and p = ${show(p)}`,
          };
        }
      }
    }
    return null;
  }
}

function setThree(into: Float64Array, first: number, second: number, third: number, scale: number): void {
  into[0] = first * scale;
  if (into.length > 1) into[1] = second * scale;
  if (into.length > 2) into[2] = third * scale;
}

/** A number in a sentence: six digits at most. */
export function show(value: number): string {
  return String(Number(value.toPrecision(6)));
}
