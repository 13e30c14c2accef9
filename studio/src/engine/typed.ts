// A typed loss as a loss of the engine. What it is (squared, kinked, convex) is found by looking, as gradline probes a function.

import { Tape, type Guard } from "./dual.ts";
import { parse, type Program } from "./grammar.ts";
import { mean, median } from "./numbers.ts";
import { slopesBeside, type Kinks, type RowLoss } from "./row_loss.ts";
import { EngineError } from "./types.ts";

const TARGETS = [-2.3, -1, -0.4, 0, 0.7, 1, 2, 5.1];
const PLACES = [-30.2, -7.3, -2.9, -1.1, -0.31, -0.012, 0.023, 0.42, 1.37, 3.3, 8.7, 31.4];

/** A loss of the text `y, p -> ...`. Raises EngineError where it cannot be read, or is nowhere finite. */
export function typedLoss(text: string): RowLoss {
  return ofProgram(parse(text));
}

function ofProgram(program: Program): RowLoss {
  const tape = new Tape(program);
  const bare: RowLoss = {
    name: "typed",
    convex: false,
    squaredScale: null,
    kinks: null,
    straight: false,
    target: "any",
    ofResiduals: false,
    derive: (y, p, out) => tape.run(y, p, out),
    predict: (p) => p,
    start: () => 0,
  };
  const probe = probed(bare);
  const squaredScale = probe.squaredScale;
  const kinks = squaredScale === null ? kinksOf(bare, tape) : null;
  const shape = kinks === null ? { falls: false, any: false } : jumps(bare, kinks);
  return {
    ...bare,
    squaredScale,
    kinks: shape.any ? kinks : null,
    convex: probe.convex && !shape.falls,
    straight: shape.any && probe.straight,
    start: (y) => finiteStart(bare, squaredScale === null ? median(y) : mean(y), y),
  };
}

interface Probe {
  readonly squaredScale: number | null;
  readonly convex: boolean;
  readonly straight: boolean;
}

function probed(loss: RowLoss): Probe {
  const out = new Float64Array(3);
  const ratios: number[] = [];
  let [finite, convex, straight, squared, moves] = [0, true, true, true, false];
  for (const y of TARGETS) {
    for (const p of PLACES) {
      loss.derive(y, p, out);
      const [value, slope, curvature] = [out[0]!, out[1]!, out[2]!];
      if (!Number.isFinite(value)) {
        squared = false;
        continue;
      }
      finite++;
      if (slope !== 0) moves = true;
      ratios.push(value / (y - p) ** 2);
      if (Number.isFinite(curvature)) {
        const size = Math.abs(value) + Math.abs(slope) + 1;
        if (curvature < -1e-9 * size) convex = false;
        if (Math.abs(curvature) > 1e-9 * size) straight = false;
      }
    }
  }
  if (finite === 0) {
    throw new EngineError({ path: "loss", message: "the loss is not a finite number at any y and p tried, such as y = 1, p = 0.42; check what is under a logarithm, a root or a fraction" });
  }
  if (!moves) throw new EngineError({ path: "loss", message: "the loss does not change with the prediction p, so that no coefficients are better than others" });
  const scale = median(ratios);
  const isSquared = squared && scale > 0 && ratios.every((ratio) => Math.abs(ratio - scale) <= 1e-9 * scale);
  const squaredScale = !isSquared ? null : Math.abs(scale - 1) < 1e-12 ? 1 : scale;
  return { squaredScale, convex, straight };
}

/** The nearest constant predictor to a wish at which every row's loss is finite. */
function finiteStart(loss: RowLoss, wish: number, y: readonly number[]): number {
  const out = new Float64Array(3);
  for (const p of [wish, 0, 1, 0.5, -1, 0.1, 10, -10]) {
    if (y.every((value) => (loss.derive(value, p, out), Number.isFinite(out[0]! + out[1]!)))) return p;
  }
  return wish;
}

/** Places in p, for a target, where one of the guards changes sides. */
function kinksOf(loss: RowLoss, tape: Tape): Kinks | null {
  const guards = tape.guards.filter((guard) => TARGETS.some((y) => PLACES.some((p) => tape.guard(guard, y, p).slope !== 0)));
  if (guards.length === 0) return null;
  const roots = guards.map((guard) => (isAffine(tape, guard) ? affineRoot : scannedRoots));
  const out = new Float64Array(3);
  return (y) => {
    const found: number[] = [];
    guards.forEach((guard, i) => {
      for (const place of roots[i]!(tape, guard, y)) {
        if (!found.some((other) => Math.abs(other - place) <= 1e-12 * (1 + Math.abs(place))) && bends(loss, y, place, out)) found.push(place);
      }
    });
    return found.sort((a, b) => a - b);
  };
}

/** Whether slopes on the two sides differ, by more than rounding beside those a little farther off. */
function bends(loss: RowLoss, y: number, place: number, out: Float64Array): boolean {
  const [left, right] = slopesBeside(loss, y, place, out);
  let size = Math.abs(left) + Math.abs(right);
  for (const side of [-1, 1]) {
    loss.derive(y, place + side * 0.1 * (1 + Math.abs(y) + Math.abs(place)), out);
    if (Number.isFinite(out[1]!)) size = Math.max(size, Math.abs(out[1]!));
  }
  return Number.isFinite(left) && Number.isFinite(right) && Math.abs(right - left) > 1e-7 * size;
}

function isAffine(tape: Tape, guard: Guard): boolean {
  return TARGETS.every((y) => {
    const seen = PLACES.map((p) => tape.guard(guard, y, p));
    return seen.every((one) => one.bend === 0 && Math.abs(one.slope - seen[0]!.slope) <= 1e-14 * Math.abs(one.slope));
  });
}

function affineRoot(tape: Tape, guard: Guard, y: number): number[] {
  let p = y;
  // A second step takes the rounding of the first away.
  for (let i = 0; i < 2; i++) {
    const { gap, slope } = tape.guard(guard, y, p);
    if (slope === 0) return [];
    if (Number.isFinite(gap)) p -= gap / slope;
  }
  return Number.isFinite(p) ? [p] : [];
}

function scannedRoots(tape: Tape, guard: Guard, y: number): number[] {
  const places: number[] = [y];
  for (let size = 2 ** -20; size < 2 ** 20; size *= 1.5) places.push(size, -size, y + size, y - size);
  places.sort((a, b) => a - b);
  const found: number[] = [];
  for (let i = 0; i + 1 < places.length; i++) {
    let [low, high] = [places[i]!, places[i + 1]!];
    let below = tape.guard(guard, y, low).gap;
    const above = tape.guard(guard, y, high).gap;
    if (below === 0) found.push(low);
    if (!(below * above < 0) || !Number.isFinite(below * above)) continue;
    for (let k = 0; k < 80 && high > low; k++) {
      const middle = 0.5 * (low + high);
      const gap = tape.guard(guard, y, middle).gap;
      if (gap * below > 0) {
        low = middle;
        below = gap;
      } else high = middle;
    }
    found.push(0.5 * (low + high));
  }
  return found;
}

/** Whether there are kinks at all, and whether the slope falls at any, as no convex loss's does. */
function jumps(loss: RowLoss, kinks: Kinks): { any: boolean; falls: boolean } {
  const out = new Float64Array(3);
  let [any, falls] = [false, false];
  for (const y of TARGETS) {
    for (const place of kinks(y)) {
      const [left, right] = slopesBeside(loss, y, place, out);
      any = true;
      if (right < left) falls = true;
    }
  }
  return { any, falls };
}
