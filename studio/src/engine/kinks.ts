// Losses with kinks, to the last digit. Where the loss is straight between its kinks the optimum is a vertex, where as many rows as there are
// coefficients lie on a kink: the edges that meet in a vertex are tried, the steepest that descends is followed to its lowest kink, and
// where none descends that is the proof. Elsewhere Newton's method with the rows that lie on a kink held there.

import { designRow } from "./frame.ts";
import { dot, norm, nullSpace, solve, symmetricEigen, times } from "./linear.ts";
import type { Ending, Path } from "./newton.ts";
import type { Objective } from "./rows.ts";
import { slopesBeside } from "./row_loss.ts";

const MOST_STEPS = 5000;

/** Rows with what their loss does at its kinks. */
class KinkedRows {
  readonly rows: readonly (readonly number[])[];
  readonly places: readonly (readonly number[])[];
  readonly beside: readonly (readonly (readonly [number, number])[])[];
  readonly tolerance: number;
  private readonly out = new Float64Array(3);

  constructor(readonly objective: Objective) {
    const { rows, loss } = objective;
    this.rows = Array.from({ length: rows.count }, (_, i) => designRow(rows, i));
    // Many rows share a target; kinks of a typed loss are searched for.
    const known = new Map<number, { places: readonly number[]; beside: (readonly [number, number])[] }>();
    const of = (y: number) => {
      let found = known.get(y);
      if (found === undefined) {
        const places = loss.kinks!(y);
        found = { places, beside: places.map((place) => slopesBeside(loss, y, place, this.out)) };
        known.set(y, found);
      }
      return found;
    };
    const all = Array.from(rows.y, of);
    this.places = all.map((one) => one.places);
    this.beside = all.map((one) => one.beside);
    let size = 0;
    for (const one of this.places) for (const place of one) size = Math.max(size, Math.abs(place));
    this.tolerance = 1e-11 * Math.max(size, 1e-290);
  }

  get size(): number {
    return this.objective.rows.size;
  }

  /** Which kink of row i lies at its predictor; -1 for none. */
  at(i: number, p: number): number {
    const places = this.places[i]!;
    for (let k = 0; k < places.length; k++) if (Math.abs(places[k]! - p) <= this.tolerance) return k;
    return -1;
  }

  /** Slope and curvature of row i just beside its predictor, towards `side`; 0 is the middle. */
  slope(i: number, p: number, side: number): [number, number] {
    const kink = this.at(i, p);
    const y = this.objective.rows.y[i]!;
    if (kink < 0 || side !== 0) {
      const off = kink < 0 ? p : this.places[i]![kink]! + Math.sign(side) * 1e-6 * (1 + Math.abs(p) + Math.abs(y));
      this.objective.loss.derive(y, off, this.out);
      const curvature = this.out[2]!;
      if (kink < 0) return [this.out[1]!, curvature];
      return [this.beside[i]![kink]![side > 0 ? 1 : 0]!, curvature];
    }
    const [left, right] = this.beside[i]![kink]!;
    this.objective.loss.derive(y, p, this.out);
    return [0.5 * (left + right), Number.isFinite(this.out[2]!) ? this.out[2]! : 0];
  }

  predictors(b: readonly number[]): Float64Array {
    return Float64Array.from(this.rows, (row) => dot(row, b));
  }

  /** The derivative of the mean loss along a direction, one-sided, and the size of what was added up. */
  along(p: Float64Array, direction: readonly number[]): { slope: number; size: number } {
    const { share, count } = this.objective.rows;
    let [sum, size] = [0, 0];
    for (let i = 0; i < count; i++) {
      if (share[i] === 0) continue;
      const a = dot(this.rows[i]!, direction);
      if (Math.abs(a) < 1e-13) continue;
      const part = share[i]! * this.slope(i, p[i]!, a)[0] * a;
      sum += part;
      size += Math.abs(part);
    }
    return { slope: sum, size };
  }

  /** Rows on a kink, of different directions only. */
  active(p: Float64Array): number[] {
    const found: number[] = [];
    const units: number[][] = [];
    for (let i = 0; i < p.length; i++) {
      if (this.objective.rows.share[i] === 0 || this.at(i, p[i]!) < 0) continue;
      const length = norm(this.rows[i]!);
      const unit = this.rows[i]!.map((value) => value / length);
      if (units.some((known) => Math.abs(Math.abs(dot(known, unit)) - 1) < 1e-14)) continue;
      units.push(unit);
      found.push(i);
    }
    return found;
  }

  /** b moved so that these rows lie on their kinks exactly. */
  settled(b: readonly number[], p: Float64Array, rows: readonly number[]): number[] {
    const independent: number[] = [];
    for (const i of rows) {
      if (independent.length === this.size) break;
      const tried = [...independent, i];
      if (nullSpace(tried.map((row) => this.rows[row]!), this.size).rank === tried.length) independent.push(i);
    }
    if (independent.length === 0) return [...b];
    const a = independent.map((i) => this.rows[i]!);
    const gap = independent.map((i) => this.places[i]![this.at(i, p[i]!)]! - dot(this.rows[i]!, b));
    const y = solve(a.map((row) => a.map((other) => dot(row, other))), gap);
    if (y === null) return [...b];
    let moved = b.map((value, j) => value + a.reduce((sum, row, k) => sum + row[j]! * y[k]!, 0));
    if (independent.length === this.size) moved = solve(a, independent.map((i) => this.places[i]![this.at(i, p[i]!)]!)) ?? moved;
    return moved;
  }
}

/** How far to go down a direction: to the kink, or the place between kinks, where the loss no longer falls. */
function descend(kinked: KinkedRows, p: Float64Array, direction: readonly number[], straight: boolean): number | null {
  const a = Float64Array.from(kinked.rows, (row) => dot(row, direction));
  const { share, count } = kinked.objective.rows;
  const stops: { t: number; rise: number }[] = [];
  for (let i = 0; i < count; i++) {
    if (share[i] === 0 || Math.abs(a[i]!) < 1e-13) continue;
    kinked.places[i]!.forEach((place, k) => {
      if (Math.abs(place - p[i]!) <= kinked.tolerance) return;
      const t = (place - p[i]!) / a[i]!;
      const [left, right] = kinked.beside[i]![k]!;
      if (t > 0) stops.push({ t, rise: share[i]! * (right - left) * Math.abs(a[i]!) });
    });
  }
  stops.sort((one, other) => one.t - other.t);
  if (straight) {
    let { slope } = kinked.along(p, direction);
    const size = Math.abs(slope);
    for (const stop of stops) {
      slope += stop.rise;
      if (slope >= -1e-13 * size) return stop.t;
    }
    return null;
  }
  const derivative = (t: number, side: number): number => {
    let sum = 0;
    for (let i = 0; i < count; i++) {
      if (share[i] === 0 || Math.abs(a[i]!) < 1e-13) continue;
      sum += share[i]! * kinked.slope(i, p[i]! + t * a[i]!, side * a[i]!)[0] * a[i]!;
    }
    return sum;
  };
  // Where a loss is convex its slope rises, and the place is found by halving; else this finds a place of a rising slope.
  let [low, high] = [-1, stops.length];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (derivative(stops[middle]!.t, 1) >= 0) high = middle;
    else low = middle;
  }
  if (high < stops.length && derivative(stops[high]!.t, -1) < 0) return stops[high]!.t;
  let from = low < 0 ? 0 : stops[low]!.t;
  let to = high < stops.length ? stops[high]!.t : Math.max(2 * from, 1);
  for (let k = 0; high === stops.length && derivative(to, 1) < 0; k++) {
    if (k > 60) return null;
    to *= 2;
  }
  for (let k = 0; k < 200 && to - from > 1e-16 * to; k++) {
    const middle = 0.5 * (from + to);
    if (middle === from || middle === to) break;
    if (derivative(middle, 1) >= 0) to = middle;
    else from = middle;
  }
  return 0.5 * (from + to);
}

/** The optimum of a kinked loss, from a start. */
export function kinkedOptimum(objective: Objective, start: readonly number[]): Path {
  const kinked = new KinkedRows(objective);
  return objective.loss.straight ? alongEdges(kinked, start) : withRowsHeld(kinked, start);
}

function better(b: readonly number[], direction: readonly number[], t: number): number[] {
  return b.map((value, j) => value + t * direction[j]!);
}

function alongEdges(kinked: KinkedRows, start: readonly number[]): Path {
  const size = kinked.size;
  const points: number[][] = [[...start]];
  let b = [...start];
  for (let step = 0; step < MOST_STEPS; step++) {
    const p = kinked.predictors(b);
    const active = kinked.active(p);
    const { basis, rank } = nullSpace(active.map((i) => kinked.rows[i]!), size);
    const directions = rank < size ? inside(kinked, p, basis) : edges(kinked, active);
    let steepest: { direction: number[]; slope: number } | null = null;
    for (const direction of directions) {
      const { slope, size: scale } = kinked.along(p, direction);
      if (slope < -1e-12 * scale && slope < (steepest?.slope ?? 0)) steepest = { direction, slope };
    }
    if (steepest === null && rank === size) return { points, ending: provedVertex(kinked) };
    let t: number | null = null;
    let direction: number[] | null = steepest?.direction ?? null;
    if (direction !== null) {
      t = descend(kinked, p, direction, true);
      if (t === null) return { points, ending: NEVER_ENDS };
    } else {
      // Flat between kinks: on to the next one, where the loss is as low and a proof can be given.
      for (const flat of directions) {
        t = nextKink(kinked, p, flat);
        if (t !== null) {
          direction = flat;
          break;
        }
      }
      if (direction === null || t === null) return { points, ending: flatOptimum(kinked) };
    }
    const moved = better(b, direction, t);
    const there = kinked.predictors(moved);
    // Those held stay exactly where they were; the new one joins them.
    const held = kinked.active(there);
    b = kinked.settled(moved, there, held);
    points.push(b);
  }
  return { points, ending: { converged: false, toOptimum: null, reason: `not at the optimum after ${MOST_STEPS} vertices` } };
}

/** Directions within a subspace: down the gradient of its rows first. */
function inside(kinked: KinkedRows, p: Float64Array, basis: readonly (readonly number[])[]): number[][] {
  const { share, count } = kinked.objective.rows;
  const gradient = new Array<number>(kinked.size).fill(0);
  for (let i = 0; i < count; i++) {
    if (share[i] === 0) continue;
    const slope = share[i]! * kinked.slope(i, p[i]!, 0)[0];
    kinked.rows[i]!.forEach((value, j) => (gradient[j] = gradient[j]! + slope * value));
  }
  const parts = basis.map((one) => dot(one, gradient));
  const down = gradient.map((_, j) => -basis.reduce((sum, one, k) => sum + one[j]! * parts[k]!, 0));
  const length = norm(down);
  const found = basis.flatMap((one) => [[...one], one.map((value) => -value)]);
  return length > 0 ? [down.map((value) => value / length), ...found] : found;
}

/** The edges of the cells that meet in a vertex, both ways. */
function edges(kinked: KinkedRows, active: readonly number[]): number[][] {
  const size = kinked.size;
  const found: number[][] = [];
  const add = (rows: readonly number[]): void => {
    const { basis } = nullSpace(rows.map((i) => kinked.rows[i]!), size);
    if (basis.length === 1) found.push([...basis[0]!], basis[0]!.map((value) => -value));
  };
  if (size === 1) add([]);
  else if (size === 2) for (const i of active) add([i]);
  else active.forEach((i, k) => active.slice(k + 1).forEach((other) => add([i, other])));
  return found;
}

function nextKink(kinked: KinkedRows, p: Float64Array, direction: readonly number[]): number | null {
  let nearest: number | null = null;
  kinked.rows.forEach((row, i) => {
    const a = dot(row, direction);
    if (kinked.objective.rows.share[i] === 0 || Math.abs(a) < 1e-13) return;
    for (const place of kinked.places[i]!) {
      const t = (place - p[i]!) / a;
      if (Math.abs(place - p[i]!) > kinked.tolerance && t > 0 && (nearest === null || t < nearest)) nearest = t;
    }
  });
  return nearest;
}

const NEVER_ENDS: Ending = { converged: false, toOptimum: null, reason: "there is no optimum: in one direction the loss falls for ever" };

function provedVertex(kinked: KinkedRows): Ending {
  const rows = kinked.size === 1 ? "a point lies" : `${kinked.size} points lie`;
  return {
    converged: true,
    toOptimum: kinked.objective.loss.convex ? 0 : null,
    reason: kinked.objective.loss.convex
      ? `${rows} exactly on a kink and along no edge from there does the loss fall: no other coefficients cost less`
      : `${rows} exactly on a kink and along no edge from there does the loss fall; it is not convex, so that another minimum may lie lower`,
  };
}

function flatOptimum(kinked: KinkedRows): Ending {
  return {
    converged: true,
    toOptimum: kinked.objective.loss.convex ? 0 : null,
    reason: "the loss is flat here in every direction, so that other coefficients are as good",
  };
}

/** Newton's method with a working set of rows held on their kinks. */
function withRowsHeld(kinked: KinkedRows, start: readonly number[]): Path {
  const { share, count } = kinked.objective.rows;
  const size = kinked.size;
  const points: number[][] = [[...start]];
  let b = [...start];
  let held: number[] = [];
  let released = new Map<number, number>(); // to which side a row has left its kink
  for (let step = 0; step < 500; step++) {
    const p = kinked.predictors(b);
    const gradient = new Array<number>(size).fill(0);
    const curvature = gradient.map(() => new Array<number>(size).fill(0));
    for (let i = 0; i < count; i++) {
      if (share[i] === 0) continue;
      const isHeld = held.includes(i);
      const [slope, bend] = kinked.slope(i, p[i]!, released.get(i) ?? 0);
      const row = kinked.rows[i]!;
      for (let j = 0; j < size; j++) {
        if (!isHeld) gradient[j] = gradient[j]! + share[i]! * slope * row[j]!;
        for (let k = 0; k < size; k++) curvature[j]![k] = curvature[j]![k]! + (isHeld ? 0 : share[i]! * bend) * row[j]! * row[k]!;
      }
    }
    const { basis } = nullSpace(held.map((i) => kinked.rows[i]!), size);
    const reduced = basis.map((one) => basis.map((other) => dot(one, times(curvature, other))));
    const part = basis.map((one) => dot(one, gradient));
    const { values, vectors } = basis.length > 0 ? symmetricEigen(reduced) : { values: [], vectors: [] };
    const largest = Math.max(0, ...values.map(Math.abs));
    let decrement = 0;
    const direction = new Array<number>(size).fill(0);
    values.forEach((value, k) => {
      const along = vectors.reduce((sum, row, i) => sum + row[k]! * part[i]!, 0);
      const bend = Math.max(Math.abs(value), 1e-9 * largest, 1e-12);
      decrement += (along * along) / bend;
      basis.forEach((one, i) => one.forEach((value_, j) => (direction[j] = direction[j]! - (value_ * vectors[i]![k]! * along) / bend)));
    });
    const scale = Math.abs(kinked.objective.value(b)) + 1e-300;
    if (decrement <= 1e-24 * scale) {
      const verdict = multipliers(kinked, held, p, gradient);
      if (verdict === null) return { points, ending: heldOptimum(kinked, held.length, decrement) };
      held = held.filter((i) => i !== verdict.row);
      released = new Map([[verdict.row, verdict.side]]);
      continue;
    }
    const t = descend(kinked, p, direction, false);
    if (t === null) return { points, ending: NEVER_ENDS };
    const moved = better(b, direction, t);
    const there = kinked.predictors(moved);
    const before = kinked.objective.value(b);
    const arrived = kinked.active(there).filter((i) => !held.includes(i));
    const more = arrived.find((i) => nullSpace([...held, i].map((row) => kinked.rows[row]!), size).rank === held.length + 1);
    const next = more === undefined ? held : [...held, more];
    const settled = kinked.settled(moved, there, next);
    const value = kinked.objective.value(settled);
    if (!(value < before) && more === undefined && !(t > 0.5 && value <= before + 1e-15 * scale && decrement > 1e-20 * scale)) {
      // Rounding has the last word: what is held decides.
      const verdict = multipliers(kinked, held, p, gradient);
      if (verdict === null || released.has(verdict.row)) return { points, ending: heldOptimum(kinked, held.length, decrement) };
      held = held.filter((i) => i !== verdict.row);
      released = new Map([[verdict.row, verdict.side]]);
      continue;
    }
    held = next;
    released = new Map();
    b = settled;
    points.push(b);
  }
  return { points, ending: { converged: false, toOptimum: null, reason: "not at the optimum after 500 steps between kinks" } };
}

/** The row whose slope would have to lie outside those on the sides of its kink, and to which side it leaves; null where none. */
function multipliers(kinked: KinkedRows, held: readonly number[], p: Float64Array, gradient: readonly number[]): { row: number; side: number } | null {
  if (held.length === 0) return null;
  const a = held.map((i) => kinked.rows[i]!);
  const found = solve(a.map((row) => a.map((other) => dot(row, other))), a.map((row) => -dot(row, gradient)));
  if (found === null) return null;
  let worst: { row: number; side: number; by: number } | null = null;
  found.forEach((value, k) => {
    const i = held[k]!;
    const slope = value / kinked.objective.rows.share[i]!;
    const [left, right] = kinked.beside[i]![Math.max(kinked.at(i, p[i]!), 0)]!;
    const slack = 1e-9 * (Math.abs(left) + Math.abs(right));
    const by = Math.max(left - slope, slope - right);
    if (by > slack && by > (worst?.by ?? 0)) worst = { row: i, side: slope > right ? 1 : -1, by };
  });
  return worst;
}

function heldOptimum(kinked: KinkedRows, held: number, decrement: number): Ending {
  const convex = kinked.objective.loss.convex;
  const rows = held === 0 ? "no point lies on a kink" : held === 1 ? "one point is held exactly on a kink" : `${held} points are held exactly on kinks`;
  return {
    converged: true,
    toOptimum: convex ? 0.5 * decrement : null,
    reason: convex
      ? `${rows} and the gradient of the others is balanced: no other coefficients cost less`
      : `${rows} and the gradient of the others is balanced; the loss is not convex, so that another minimum may lie lower`,
  };
}
