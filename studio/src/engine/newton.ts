// Newton's method for smooth losses, in orthonormal columns, with a line search: a path of coefficients, the last of which is the optimum.

import { dot, norm, symmetricEigen } from "./linear.ts";
import type { Evaluation, Objective } from "./rows.ts";

const MOST_STEPS = 200;
const SOON = 40; // steps after which a convex loss is cut instead

export interface Ending {
  readonly converged: boolean;
  readonly toOptimum: number | null;
  readonly reason: string;
}

export interface Path {
  readonly points: readonly (readonly number[])[];
  readonly ending: Ending;
}

/** Steps from a start to the optimum. The objective's columns should be orthonormal under its weights. */
export function newton(objective: Objective, start: readonly number[]): Path {
  const points: number[][] = [[...start]];
  let at = [...start];
  let here = objective.evaluate(at);
  const usual = usualLoss(objective, start);
  const reach = radiusOf(objective, start);
  let cut = false;
  for (let step = 0; step < MOST_STEPS; step++) {
    const { direction, decrement, bent } = newtonDirection(here, reach);
    if (bent && endless(objective, at, direction)) return { points, ending: NO_OPTIMUM };
    if (decrement <= 1e-26 * Math.abs(here.value) + 1e-30 * usual + 1e-300) return { points, ending: atOptimum(objective, here, decrement, bent) };
    let next = search(objective, at, here, direction, bent);
    if (next === null) {
      if (endless(objective, at, direction) || endless(objective, at, at.map((value, j) => value - start[j]!))) return { points, ending: NO_OPTIMUM };
      // Rounding: nothing lower can be told apart. A perfect fit's loss is rounding itself.
      if (decrement <= Math.max(1e-12 * Math.abs(here.value), 1e-15 * usual)) return { points, ending: atOptimum(objective, here, decrement, bent) };
    }
    if (objective.loss.convex && !cut && (next === null || step === SOON)) {
      cut = true;
      const found = byCuts(objective, next?.b ?? at);
      if (found.value < (next?.evaluation ?? here).value) next = { b: found.b, evaluation: objective.evaluate(found.b) };
    }
    if (next === null) return { points, ending: stuck(decrement) };
    const moved = Math.sqrt(next.b.reduce((sum, value, j) => sum + (value - at[j]!) ** 2, 0));
    at = next.b;
    here = next.evaluation;
    points.push(at);
    if (step >= 8 && moved > 0.1 && endless(objective, at, direction)) return { points, ending: NO_OPTIMUM };
  }
  if (endless(objective, at, at)) return { points, ending: NO_OPTIMUM };
  return { points, ending: { converged: false, toOptimum: null, reason: `not at the optimum after ${MOST_STEPS} steps; the loss may have none` } };
}

/** A size of loss to measure rounding by: the largest of those at plain places. */
function usualLoss(objective: Objective, start: readonly number[]): number {
  const constant = start.map((_, j) => (j === 0 ? objective.loss.start(Array.from(objective.rows.y)) : 0));
  const seen = [start, constant, start.map(() => 0)].map((b) => Math.abs(objective.value(b)));
  return Math.max(0, ...seen.filter(Number.isFinite));
}

function stuck(decrement: number): Ending {
  return {
    converged: false,
    toOptimum: Number.isFinite(decrement) ? 0.5 * decrement : null,
    reason: "no step lowers the loss any more, although its gradient is not zero: it may be flat, or not finite, nearby",
  };
}

const NO_OPTIMUM: Ending = {
  converged: false,
  toOptimum: null,
  reason: "there is no optimum: in one direction the loss falls for ever, as where a line separates the labels or all counts are zero",
};

function atOptimum(objective: Objective, here: Evaluation, decrement: number, bent: boolean): Ending {
  if (bent) {
    return {
      converged: !curvesDown(here),
      toOptimum: 0.5 * decrement,
      reason: curvesDown(here)
        ? "the gradient is zero, but the loss curves downwards here: no minimum"
        : "the gradient is zero to rounding; in some direction the loss is flat, so that other coefficients are as good",
    };
  }
  const convex = objective.loss.convex;
  return {
    converged: true,
    // Elsewhere another minimum may lie lower: how far, nobody knows.
    toOptimum: convex ? 0.5 * decrement : null,
    reason: convex
      ? "the gradient is zero to rounding and the loss is convex: no other coefficients cost less"
      : "the gradient is zero to rounding and no coefficients nearby cost less; the loss is not convex, so that another minimum may lie lower",
  };
}

function curvesDown({ curvature }: Evaluation): boolean {
  const { values } = symmetricEigen(curvature);
  return values[values.length - 1]! < -1e-9 * Math.max(Math.abs(values[0]!), 1e-300);
}

/** -|H|^-1 g with small and negative curvatures turned into large enough positive ones; `bent` where that was needed. */
function newtonDirection({ gradient, curvature }: Evaluation, reach: number): { direction: number[]; decrement: number; bent: boolean } {
  const { values, vectors } = symmetricEigen(curvature);
  const largest = Math.max(...values.map(Math.abs));
  // No step is longer than the points are wide: the columns are of size one.
  const floor = Math.max(1e-9 * largest, norm(gradient) / reach, 1e-300);
  const direction = gradient.map(() => 0);
  let decrement = 0;
  let bent = false;
  for (let k = 0; k < values.length; k++) {
    let part = 0;
    for (let j = 0; j < gradient.length; j++) part += vectors[j]![k]! * gradient[j]!;
    if (values[k]! < floor) bent = true;
    const bend = Math.max(Math.abs(values[k]!), floor);
    decrement += (part * part) / bend;
    for (let j = 0; j < gradient.length; j++) direction[j] = direction[j]! - (vectors[j]![k]! * part) / bend;
  }
  return { direction, decrement, bent };
}

function search(
  objective: Objective,
  at: readonly number[],
  here: Evaluation,
  direction: readonly number[],
  bent: boolean,
): { b: number[]; evaluation: Evaluation } | null {
  const slope = dot(direction, here.gradient);
  const to = (t: number): number[] => at.map((value, j) => value + t * direction[j]!);
  let t = 1;
  let value = objective.value(to(1));
  for (let halvings = 0; halvings < 60 && !(value <= here.value + 1e-4 * t * slope); halvings++) {
    if (Math.abs(t * slope) < 1e-15 * Math.abs(here.value)) break;
    t *= 0.5;
    value = objective.value(to(t));
  }
  if (bent && t === 1) {
    // A step without curvature behind it says nothing of how far to go.
    for (let doublings = 0; doublings < 60; doublings++) {
      const farther = objective.value(to(2 * t));
      if (!(farther < value)) break;
      t *= 2;
      value = farther;
    }
  }
  const b = to(t);
  if (b.every((one, j) => one === at[j])) return null;
  const evaluation = objective.evaluate(b);
  const good = Number.isFinite(evaluation.value) && evaluation.gradient.every(Number.isFinite);
  if (!good) return null;
  if (evaluation.value < here.value) return { b, evaluation };
  // Equal to rounding: still a step if the gradient has fallen.
  const equal = evaluation.value <= here.value + 4e-16 * Math.abs(here.value);
  return equal && norm(evaluation.gradient) < 0.5 * norm(here.gradient) ? { b, evaluation } : null;
}

/**
 * The lowest of a convex loss by the ellipsoid method (Shor 1977), for one that is all but straight between all but kinks, as log cosh of
 * wild residuals is: slow, sure, and needs nothing but gradients.
 */
function byCuts(objective: Objective, start: readonly number[]): { b: number[]; value: number } {
  const n = start.length;
  const gradient = new Float64Array(n);
  const radius = 4 * Math.sqrt(objective.rows.count) * radiusOf(objective, start);
  let centre = [...start];
  let shape = start.map((_, i) => start.map((__, j) => (i === j ? radius * radius : 0)));
  let best = { b: [...start], value: objective.value(start) };
  for (let cut = 0; cut < 400 * n; cut++) {
    const value = objective.slope(centre, gradient);
    if (value < best.value) best = { b: [...centre], value };
    const along = shape.map((row) => dot(row, gradient));
    const width = Math.sqrt(dot(gradient, along));
    if (!(width > 1e-16 * Math.abs(value)) || !Number.isFinite(width)) break;
    centre = centre.map((one, i) => one - along[i]! / width / (n + 1));
    if (n === 1) shape = [[shape[0]![0]! / 4]];
    else {
      const grow = (n * n) / (n * n - 1);
      shape = shape.map((row, i) => row.map((one, j) => grow * (one - (2 / (n + 1)) * (along[i]! / width) * (along[j]! / width))));
    }
  }
  return best;
}

/** How far coefficients of orthonormal columns may have to go: the size of targets and of the start. */
function radiusOf(objective: Objective, start: readonly number[]): number {
  let size = Math.max(norm(start), 1);
  for (const y of objective.rows.y) size = Math.max(size, Math.abs(y));
  return size;
}

/** Whether the loss of no row rises along a direction, however far one goes. */
function endless(objective: Objective, at: readonly number[], direction: readonly number[]): boolean {
  const { rows, loss } = objective;
  const out = new Float64Array(3);
  const length = norm(direction);
  if (!(length > 0)) return false;
  let falls = false;
  let size = 1;
  for (const y of rows.y) size = Math.max(size, Math.abs(y));
  for (let i = 0; i < rows.count; i++) {
    if (rows.share[i] === 0) continue;
    let [p, a] = [0, 0];
    for (let j = 0; j < rows.size; j++) {
      p += at[j]! * rows.columns[j]![i]!;
      a += (direction[j]! / length) * rows.columns[j]![i]!;
    }
    // On the line of a separating direction a row does not move.
    if (Math.abs(a) < 1e-9) continue;
    for (const far of [0, 10 * size, 1000 * size]) {
      loss.derive(rows.y[i]!, p + far * a, out);
      const along = out[1]! * a;
      if (along > 0) return false;
      if (along < 0) falls = true;
    }
  }
  return falls;
}

