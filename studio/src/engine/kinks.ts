// Losses with kinks, to the last digit. Where the loss is straight between its kinks the optimum is a vertex, where as many rows as there are
// coefficients lie on a kink: the edges that meet in a vertex are tried, the steepest that descends is followed to its lowest kink, and
// where none descends that is the proof. Elsewhere Newton's method with the rows that lie on a kink held there.

import { designRow } from "./frame.ts";
import { dot, norm, nullSpace, solve, symmetricEigen, times } from "./linear.ts";
import type { Ending, Path } from "./newton.ts";
import { Objective, predictorsInto } from "./rows.ts";
import { slopesBeside } from "./row_loss.ts";

const MOST_STEPS = 5000;

/** Rows with what their loss does at its kinks: those of row i are numbers first[i] to first[i + 1]. */
class KinkedRows {
  readonly first: Int32Array;
  readonly place: Float64Array;
  readonly left: Float64Array; // slopes on the two sides
  readonly right: Float64Array;
  readonly tolerance: number;
  private readonly out = new Float64Array(3);

  constructor(
    readonly objective: Objective,
    same?: KinkedRows, // the same rows with other weights
  ) {
    const { rows, loss } = objective;
    if (same !== undefined) {
      ({ first: this.first, place: this.place, left: this.left, right: this.right, tolerance: this.tolerance } = same);
      return;
    }
    // Many rows share a target, and kinks of a typed loss are searched for.
    const known = new Map<number, readonly [number, number, number][]>();
    const found = Array.from(rows.y, (y) => {
      let kinks = known.get(y);
      if (kinks === undefined) {
        kinks = loss.kinks!(y).map((place) => [place, ...slopesBeside(loss, y, place, this.out)]);
        known.set(y, kinks);
      }
      return kinks;
    });
    this.first = new Int32Array(rows.count + 1);
    found.forEach((kinks, i) => (this.first[i + 1] = this.first[i]! + kinks.length));
    const total = this.first[rows.count]!;
    [this.place, this.left, this.right] = [new Float64Array(total), new Float64Array(total), new Float64Array(total)];
    let [k, size] = [0, 0];
    for (const kinks of found) {
      for (const [place, left, right] of kinks) {
        this.place[k] = place;
        this.left[k] = left;
        this.right[k++] = right;
        size = Math.max(size, Math.abs(place));
      }
    }
    this.tolerance = 1e-11 * Math.max(size, 1e-290);
  }

  get size(): number {
    return this.objective.rows.size;
  }

  row(i: number): number[] {
    return designRow(this.objective.rows, i);
  }

  /** The number of the kink at the predictor of row i; -1 for none. */
  at(i: number, p: number): number {
    for (let k = this.first[i]!; k < this.first[i + 1]!; k++) if (Math.abs(this.place[k]! - p) <= this.tolerance) return k;
    return -1;
  }

  /** The slope of row i just beside its predictor, towards `side`; 0 is the middle. */
  slope(i: number, p: number, side: number): number {
    const [from, to] = [this.first[i]!, this.first[i + 1]!];
    if (this.objective.loss.straight && to > from) {
      for (let k = from; k < to; k++) {
        const gap = p - this.place[k]!;
        if (gap < -this.tolerance) return this.left[k]!;
        if (gap <= this.tolerance) return this.between(k, side);
      }
      return this.right[to - 1]!;
    }
    const kink = this.at(i, p);
    if (kink >= 0) return this.between(kink, side);
    this.objective.loss.derive(this.objective.rows.y[i]!, p, this.out);
    return this.out[1]!;
  }

  private between(kink: number, side: number): number {
    if (side === 0) return 0.5 * (this.left[kink]! + this.right[kink]!);
    return side < 0 ? this.left[kink]! : this.right[kink]!;
  }

  /** The curvature of row i just beside its predictor. */
  curvature(i: number, p: number, side: number): number {
    const y = this.objective.rows.y[i]!;
    const off = this.at(i, p) < 0 ? p : p + (side < 0 ? -1 : 1) * 1e-6 * (1 + Math.abs(p) + Math.abs(y));
    this.objective.loss.derive(y, off, this.out);
    return this.out[2]!;
  }

  /** X b. */
  predictors(b: readonly number[]): Float64Array {
    const found = new Float64Array(this.objective.rows.count);
    predictorsInto(this.objective.rows, b, found);
    return found;
  }

  /** The derivative of the mean loss along a = X direction, one-sided, and the size of what was added up. */
  along(p: Float64Array, a: Float64Array): { slope: number; size: number } {
    const { share, count } = this.objective.rows;
    let [sum, size] = [0, 0];
    for (let i = 0; i < count; i++) {
      if (share[i] === 0 || Math.abs(a[i]!) < 1e-13) continue;
      const part = share[i]! * this.slope(i, p[i]!, a[i]!) * a[i]!;
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
      const row = this.row(i);
      const length = norm(row);
      const unit = row.map((value) => value / length);
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
      if (nullSpace(tried.map((row) => this.row(row)), this.size).rank === tried.length) independent.push(i);
    }
    if (independent.length === 0) return [...b];
    const a = independent.map((i) => this.row(i));
    const places = independent.map((i) => this.place[this.at(i, p[i]!)]!);
    if (independent.length === this.size) return solve(a, places) ?? [...b];
    const y = solve(a.map((row) => a.map((other) => dot(row, other))), places.map((place, k) => place - dot(a[k]!, b)));
    return y === null ? [...b] : b.map((value, j) => value + a.reduce((sum, row, k) => sum + row[j]! * y[k]!, 0));
  }
}

/** How far to go down a direction: to the kink, or the place between kinks, where the loss no longer falls; null where it never ends. */
function descend(kinked: KinkedRows, p: Float64Array, direction: readonly number[], straight: boolean): number | null {
  const a = kinked.predictors(direction);
  const { share, count } = kinked.objective.rows;
  const { first, place, left, right, tolerance } = kinked;
  const stop = new Float64Array(place.length); // how far each kink is, where it lies ahead
  const rise = new Float64Array(place.length); // of the derivative there
  let ahead = 0;
  for (let i = 0; i < count; i++) {
    if (share[i] === 0 || Math.abs(a[i]!) < 1e-13) continue;
    for (let k = first[i]!; k < first[i + 1]!; k++) {
      const t = (place[k]! - p[i]!) / a[i]!;
      if (!(t > 0) || Math.abs(place[k]! - p[i]!) <= tolerance) continue;
      stop[ahead] = t;
      rise[ahead++] = share[i]! * (right[k]! - left[k]!) * Math.abs(a[i]!);
    }
  }
  const order = new Int32Array(ahead).map((_, k) => k).sort((one, other) => stop[one]! - stop[other]!);
  if (straight) {
    let { slope } = kinked.along(p, a);
    const size = Math.abs(slope);
    for (const k of order) {
      slope += rise[k]!;
      if (slope >= -1e-13 * size) return stop[k]!;
    }
    return null;
  }
  return betweenStops(kinked, p, a, order.length, (k) => stop[order[k]!]!);
}

/** The same where the loss bends between its kinks: the sorted stops are halved, then the stretch between two of them. */
function betweenStops(kinked: KinkedRows, p: Float64Array, a: Float64Array, count: number, stop: (k: number) => number): number | null {
  const { share } = kinked.objective.rows;
  const derivative = (t: number, side: number): number => {
    let sum = 0;
    for (let i = 0; i < a.length; i++) {
      if (share[i] === 0 || Math.abs(a[i]!) < 1e-13) continue;
      sum += share[i]! * kinked.slope(i, p[i]! + t * a[i]!, side * a[i]!) * a[i]!;
    }
    return sum;
  };
  // Where a loss is convex its slope rises, and this finds its place; else a place where it rises.
  let [low, high] = [-1, count];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (derivative(stop(middle), 1) >= 0) high = middle;
    else low = middle;
  }
  if (high < count && derivative(stop(high), -1) < 0) return stop(high);
  let from = low < 0 ? 0 : stop(low);
  let to = high < count ? stop(high) : Math.max(2 * from, 1);
  for (let k = 0; high === count && derivative(to, 1) < 0; k++) {
    if (k > 60) return null;
    to *= 2;
  }
  let [under, over] = [derivative(from, 1), derivative(to, -1)];
  for (let k = 0; k < 100 && to - from > 4e-16 * to; k++) {
    // Illinois's false position, and halves where it creeps.
    const share_ = k % 3 === 2 || !(over > under) ? 0.5 : -under / (over - under);
    const middle = from + Math.min(Math.max(share_, 1e-3), 1 - 1e-3) * (to - from);
    if (middle <= from || middle >= to) break;
    const slope = derivative(middle, 1);
    if (slope === 0) return middle;
    if (slope > 0) [to, over] = [middle, slope];
    else [from, under] = [middle, slope];
  }
  return 0.5 * (from + to);
}

/** The optimum of a kinked loss, from a start. */
export function kinkedOptimum(objective: Objective, start: readonly number[]): Path {
  const kinked = new KinkedRows(objective);
  return objective.loss.straight ? alongEdges(kinked, start) : withRowsHeld(kinked, start);
}

/** The predictor of every row by the optimum without it, each fitted again from the optimum of all; null where that cannot be had. */
export function leftOutPredictors(objective: Objective, optimum: readonly number[]): Float64Array | null {
  const { rows, loss } = objective;
  const all = new KinkedRows(objective);
  const p = all.predictors(optimum);
  const found = Float64Array.from(p);
  const active = all.active(p);
  const rays = loss.straight && nullSpace(active.map((i) => all.row(i)), rows.size).rank === rows.size ? edges(all, active) : null;
  const along = rays?.map((ray) => {
    const a = all.predictors(ray);
    return { a, ...all.along(p, a) };
  });
  for (let i = 0; i < rows.count; i++) {
    if (rows.share[i] === 0) continue;
    // A vertex stays the optimum where no edge descends without the row: most rows need no new fit.
    const stays =
      along !== undefined &&
      all.at(i, p[i]!) < 0 &&
      along.every(({ a, slope, size }) => slope - rows.share[i]! * all.slope(i, p[i]!, a[i]!) * a[i]! >= 1e-12 * size);
    if (stays) continue;
    const share = Float64Array.from(rows.share);
    share[i] = 0;
    const without = new KinkedRows(new Objective({ ...rows, share }, loss), all);
    const { points, ending } = loss.straight ? alongEdges(without, optimum) : withRowsHeld(without, optimum);
    if (!ending.converged) return null;
    found[i] = dot(all.row(i), points[points.length - 1]!);
  }
  return found;
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
    const { basis, rank } = nullSpace(active.map((i) => kinked.row(i)), size);
    const directions = rank < size ? inside(kinked, p, basis) : edges(kinked, active);
    let steepest: { direction: number[]; slope: number } | null = null;
    for (const direction of directions) {
      const { slope, size: scale } = kinked.along(p, kinked.predictors(direction));
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
  const { share, count, columns } = kinked.objective.rows;
  const gradient = new Array<number>(kinked.size).fill(0);
  for (let i = 0; i < count; i++) {
    if (share[i] === 0) continue;
    const slope = share[i]! * kinked.slope(i, p[i]!, 0);
    for (let j = 0; j < gradient.length; j++) gradient[j] = gradient[j]! + slope * columns[j]![i]!;
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
    const { basis } = nullSpace(rows.map((i) => kinked.row(i)), size);
    if (basis.length === 1) found.push([...basis[0]!], basis[0]!.map((value) => -value));
  };
  if (size === 1) add([]);
  else if (size === 2) for (const i of active) add([i]);
  else active.forEach((i, k) => active.slice(k + 1).forEach((other) => add([i, other])));
  return found;
}

function nextKink(kinked: KinkedRows, p: Float64Array, direction: readonly number[]): number | null {
  const a = kinked.predictors(direction);
  let nearest: number | null = null;
  for (let i = 0; i < a.length; i++) {
    if (kinked.objective.rows.share[i] === 0 || Math.abs(a[i]!) < 1e-13) continue;
    for (let k = kinked.first[i]!; k < kinked.first[i + 1]!; k++) {
      const gap = kinked.place[k]! - p[i]!;
      const t = gap / a[i]!;
      if (Math.abs(gap) > kinked.tolerance && t > 0 && (nearest === null || t < nearest)) nearest = t;
    }
  }
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
  const { share, count, columns } = kinked.objective.rows;
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
      if (isHeld) continue;
      const side = released.get(i) ?? 0;
      const slope = share[i]! * kinked.slope(i, p[i]!, side);
      const bend = share[i]! * kinked.curvature(i, p[i]!, side);
      for (let j = 0; j < size; j++) {
        const x = columns[j]![i]!;
        gradient[j] = gradient[j]! + slope * x;
        for (let k = 0; k < size; k++) curvature[j]![k] = curvature[j]![k]! + bend * x * columns[k]![i]!;
      }
    }
    const { basis } = nullSpace(held.map((i) => kinked.row(i)), size);
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
    const more = arrived.find((i) => nullSpace([...held, i].map((row) => kinked.row(row)), size).rank === held.length + 1);
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
  const a = held.map((i) => kinked.row(i));
  const found = solve(a.map((row) => a.map((other) => dot(row, other))), a.map((row) => -dot(row, gradient)));
  if (found === null) return null;
  let worst: { row: number; side: number; by: number } | null = null;
  found.forEach((value, k) => {
    const i = held[k]!;
    const slope = value / kinked.objective.rows.share[i]!;
    const kink = Math.max(kinked.at(i, p[i]!), kinked.first[i]!);
    const [left, right] = [kinked.left[kink]!, kinked.right[kink]!];
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
