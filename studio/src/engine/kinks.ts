// Losses with kinks, to the last digit. At the optimum some rows lie exactly on a kink: on the face that these span the loss is smooth, and
// Newton's method finds its lowest point; from there the rays that leave the face are tried, along which the loss is straight at first. The
// steepest that descends is followed to its lowest point, and where none descends that is the proof. Where the loss is straight between
// its kinks the faces end in vertices, and this is the simplex method of Barrodale and Roberts (1973).

import { designRow } from "./frame.ts";
import { dot, norm, nullSpace, solve, symmetricEigen, times } from "./linear.ts";
import type { Ending, Path } from "./newton.ts";
import { Objective, predictorsInto } from "./rows.ts";
import { kinksBeside } from "./row_loss.ts";

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
    const known = new Map<number, ReturnType<typeof kinksBeside>>();
    const found = Array.from(rows.y, (y) => {
      let kinks = known.get(y);
      if (kinks === undefined) {
        kinks = kinksBeside(loss, y, loss.kinks!(y), this.out);
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
      for (const { place, left, right } of kinks) {
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

const [MOST_STEPS, MOST_IDLE] = [5000, 30];

/** The optimum of a kinked loss, from a start. */
export function kinkedOptimum(objective: Objective, start: readonly number[]): Path {
  return descent(new KinkedRows(objective), start);
}

function descent(kinked: KinkedRows, start: readonly number[]): Path {
  const { objective, size } = kinked;
  const { straight } = objective.loss;
  const points: number[][] = [[...start]];
  let b = [...start];
  let lowest = objective.value(b);
  let idle = 0;
  for (let step = 0; step < MOST_STEPS && idle < MOST_IDLE; step++) {
    const p = kinked.predictors(b);
    const active = kinked.active(p);
    const { basis } = nullSpace(active.map((i) => kinked.row(i)), size);
    const face = idle < MOST_IDLE / 2 ? faceNewton(kinked, p, basis, lowest) : null;
    const way = face ?? steepestRay(kinked, p, rays(kinked, active));
    let t: number | null = null;
    let direction = way;
    if (way !== null) {
      t = descend(kinked, p, way, straight);
      if (t === null) return { points, ending: NEVER_ENDS };
    } else if (straight && basis.length > 0) {
      // Flat between kinks: on to the next one, where the loss is as low and more points lie on the line.
      for (const flat of basis.flatMap((one) => [one, one.map((value) => -value)])) {
        t ??= nextKink(kinked, p, (direction = flat));
        if (t !== null) break;
      }
    }
    if (direction === null || t === null) return { points, ending: proved(kinked, active.length) };
    const moved = b.map((value, j) => value + t * direction[j]!);
    const there = kinked.predictors(moved);
    const next = kinked.settled(moved, there, kinked.active(there));
    const value = objective.value(next);
    idle = value < lowest - 1e-15 * Math.abs(lowest) ? 0 : idle + 1;
    if (value > lowest + 1e-13 * Math.abs(lowest)) continue;
    lowest = Math.min(value, lowest);
    b = next;
    points.push(b);
  }
  return idle < MOST_IDLE ? { points, ending: { converged: false, toOptimum: null, reason: `not at the optimum after ${MOST_STEPS} steps between kinks` } } : { points, ending: nearly(kinked, b) };
}

/** Newton's direction within the face that keeps its rows on their kinks, of length one; null at the face's lowest point. */
function faceNewton(kinked: KinkedRows, p: Float64Array, basis: readonly (readonly number[])[], value: number): number[] | null {
  if (basis.length === 0) return null;
  const { rows, loss } = kinked.objective;
  const { share, count, columns, y } = rows;
  const gradient = new Array<number>(rows.size).fill(0);
  const curvature = gradient.map(() => new Array<number>(rows.size).fill(0));
  const out = new Float64Array(3);
  for (let i = 0; i < count; i++) {
    if (share[i] === 0 || kinked.at(i, p[i]!) >= 0) continue;
    loss.derive(y[i]!, p[i]!, out);
    const slope = share[i]! * out[1]!;
    const bend = share[i]! * out[2]!;
    for (let j = 0; j < gradient.length; j++) {
      const x = columns[j]![i]!;
      gradient[j] = gradient[j]! + slope * x;
      for (let k = 0; k < gradient.length; k++) curvature[j]![k] = curvature[j]![k]! + bend * x * columns[k]![i]!;
    }
  }
  const part = basis.map((one) => dot(one, gradient));
  const { values, vectors } = symmetricEigen(basis.map((one) => basis.map((other) => dot(one, times(curvature, other)))));
  const floor = Math.max(1e-9 * Math.max(...values.map(Math.abs)), 1e-12 * norm(part));
  const direction = new Array<number>(rows.size).fill(0);
  let decrement = 0;
  values.forEach((one, k) => {
    const along = vectors.reduce((sum, row, i) => sum + row[k]! * part[i]!, 0);
    const bend = Math.max(Math.abs(one), floor);
    if (bend > 0) decrement += (along * along) / bend;
    if (bend > 0) basis.forEach((unit, i) => unit.forEach((x, j) => (direction[j] = direction[j]! - (x * vectors[i]![k]! * along) / bend)));
  });
  const length = norm(direction);
  if (!(length > 0) || decrement <= 1e-26 * Math.abs(value)) return null;
  const unit = direction.map((x) => x / length);
  const { slope, size } = kinked.along(p, kinked.predictors(unit));
  return slope < -1e-14 * size ? unit : null;
}

function steepestRay(kinked: KinkedRows, p: Float64Array, tried: readonly (readonly number[])[]): number[] | null {
  let steepest: number[] | null = null;
  let lowest = 0;
  for (const ray of tried) {
    const { slope, size } = kinked.along(p, kinked.predictors(ray));
    if (slope < -1e-12 * size && slope < lowest) [steepest, lowest] = [[...ray], slope];
  }
  return steepest;
}

/** The edges, both ways, of the cells that the active rows' kinks cut around a point: modulo directions that leave all rows on theirs. */
function rays(kinked: KinkedRows, active: readonly number[]): number[][] {
  const rows = active.map((i) => kinked.row(i));
  const { basis: free, rank } = nullSpace(rows, kinked.size);
  const found: number[][] = [];
  const add = (held: readonly number[][]): void => {
    const { basis } = nullSpace([...free, ...held], kinked.size);
    if (basis.length === 1) found.push([...basis[0]!], basis[0]!.map((value) => -value));
  };
  if (rank === 1) add([]);
  else if (rank === 2) for (const row of rows) add([row]);
  else if (rank === 3) rows.forEach((row, k) => rows.slice(k + 1).forEach((other) => add([row, other])));
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

function proved(kinked: KinkedRows, held: number): Ending {
  const { convex } = kinked.objective.loss;
  const rows = held === 0 ? "no point lies on a kink" : held === 1 ? "one point lies exactly on a kink" : `${held} points lie exactly on kinks`;
  const so = `${rows} and in no direction from there does the loss fall`;
  return {
    converged: true,
    toOptimum: convex ? 0 : null,
    reason: convex ? `${so}: no other coefficients cost less` : `${so} at first; it is not convex, so that another minimum may lie lower`,
  };
}

/** Where steps no longer lower the loss although it seems to fall in some direction: by rounding, or since it is not continuous. */
function nearly(kinked: KinkedRows, b: readonly number[]): Ending {
  const p = kinked.predictors(b);
  const active = kinked.active(p);
  const left = steepestRay(kinked, p, rays(kinked, active));
  if (left === null) return proved(kinked, active.length);
  return { converged: false, toOptimum: null, reason: "steps no longer lower the loss, although it seems to fall in some direction: it may jump, or be known to few digits only" };
}

/** The predictor of every row by the optimum without it, each fitted again from the optimum of all; null where that cannot be had. */
export function leftOutPredictors(objective: Objective, optimum: readonly number[]): Float64Array | null {
  const { rows, loss } = objective;
  const all = new KinkedRows(objective);
  const p = all.predictors(optimum);
  const found = Float64Array.from(p);
  const active = all.active(p);
  const vertex = loss.straight && nullSpace(active.map((i) => all.row(i)), rows.size).rank === rows.size;
  const along = rays(all, active).map((ray) => {
    const a = all.predictors(ray);
    return { a, ...all.along(p, a) };
  });
  for (let i = 0; i < rows.count; i++) {
    if (rows.share[i] === 0) continue;
    // A vertex stays the optimum where no edge descends without the row: most rows need no new fit.
    const stays =
      vertex &&
      all.at(i, p[i]!) < 0 &&
      along.every(({ a, slope, size }) => slope - rows.share[i]! * all.slope(i, p[i]!, a[i]!) * a[i]! >= 1e-12 * size);
    if (stays) continue;
    const share = Float64Array.from(rows.share);
    share[i] = 0;
    const { points, ending } = descent(new KinkedRows(new Objective({ ...rows, share }, loss), all), optimum);
    if (!ending.converged) return null;
    found[i] = dot(all.row(i), points[points.length - 1]!);
  }
  return found;
}
