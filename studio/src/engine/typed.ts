// A typed loss as a loss of the engine. What it is (squared, kinked, convex) is found by looking, as gradline probes a function.

import { Tape, type Guard } from "./dual.ts";
import { parse, type Program } from "./grammar.ts";
import { mean, median } from "./numbers.ts";
import { kinksBeside, type Kink, type Kinks, type RowLoss } from "./row_loss.ts";
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
    jumps: false,
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
  const places = squaredScale === null ? placesOf(tape) : null;
  const shape = places === null ? { kinked: false, convex: true, jumps: false } : shapeOf(bare, places);
  return {
    ...bare,
    squaredScale,
    kinks: shape.kinked ? kinksOf(bare, places!) : null,
    jumps: shape.jumps,
    convex: probe.convex && shape.convex && !shape.jumps,
    straight: shape.kinked && probe.straight,
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

/** Places in p, for a target, where one of the guards changes sides; then those of them where the slope does too. */
function placesOf(tape: Tape): Kinks | null {
  const guards = tape.guards.filter((guard) => TARGETS.some((y) => PLACES.some((p) => tape.guard(guard, y, p).slope !== 0)));
  if (guards.length === 0) return null;
  const roots = guards.map((guard) => (isAffine(tape, guard) ? affineRoot : scannedRoots));
  return (y) => {
    const found: number[] = [];
    guards.forEach((guard, i) => {
      for (const place of roots[i]!(tape, guard, y)) {
        if (!found.some((other) => Math.abs(other - place) <= 1e-12 * (1e-3 * Math.abs(y) + Math.abs(place)))) found.push(place);
      }
    });
    return found.sort((a, b) => a - b);
  };
}

function kinksOf(loss: RowLoss, places: Kinks): Kinks {
  const out = new Float64Array(3);
  return (y) => kinksBeside(loss, y, places(y), out).filter((kink) => bends(loss, y, kink, out)).map(({ place }) => place);
}

/** Whether slopes on the two sides differ, by more than rounding beside those a little farther off. */
function bends(loss: RowLoss, y: number, { place, left, right }: Kink, out: Float64Array): boolean {
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

/** Whether there are kinks at all, and whether the loss jumps or its slope falls at any, as no convex loss does. */
function shapeOf(loss: RowLoss, places: Kinks): { kinked: boolean; convex: boolean; jumps: boolean } {
  const out = new Float64Array(3);
  let [kinked, convex, jumps] = [false, true, false];
  for (const y of TARGETS) {
    for (const kink of kinksBeside(loss, y, places(y), out)) {
      if (kink.jumps) jumps = true;
      if (!bends(loss, y, kink, out)) continue;
      kinked = true;
      if (kink.right < kink.left) convex = false;
    }
  }
  return { kinked, convex, jumps };
}
