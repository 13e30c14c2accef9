// What the engine needs to know of a loss: what one row costs, and how that cost bends.

import type { Target } from "./types.ts";

/** value, slope and curvature in the linear predictor p. */
export type Derived = Float64Array;

/** A place in p at which the slope jumps, for a target y. */
export type Kinks = (y: number) => readonly number[];

export interface RowLoss {
  readonly name: string;
  readonly convex: boolean;
  /** c where the loss is c (y - p)^2. */
  readonly squaredScale: number | null;
  /** Whether the loss itself jumps somewhere, which no search by slopes sees. */
  readonly jumps: boolean;
  /** null where the slope is continuous everywhere. */
  readonly kinks: Kinks | null;
  /** Straight between its kinks. */
  readonly straight: boolean;
  readonly target: Target;
  /** Begin Newton's method at least squares where that is nearer, as gradline does for these. */
  readonly ofResiduals: boolean;
  /** Value, slope and curvature into `out`. At a kink the slope is the middle of those on its sides. */
  derive(y: number, p: number, out: Derived): void;
  /** The prediction that the linear predictor stands for. */
  predict(p: number): number;
  /** A constant predictor to begin at. */
  start(y: readonly number[]): number;
}

export interface Kink {
  readonly place: number;
  readonly left: number; // slopes on the two sides
  readonly right: number;
  /** Whether the loss itself is not continuous there. */
  readonly jumps: boolean;
}

/** What a loss does at places in p: its slopes a little way off, less what curvature adds, closer than the nearest other place. */
export function kinksBeside(loss: RowLoss, y: number, places: readonly number[], out: Derived): Kink[] {
  return places.map((place) => {
    let width = 1e-6 * (1 + Math.abs(place) + Math.abs(y));
    for (const other of places) if (other !== place) width = Math.min(width, 0.25 * Math.abs(other - place));
    loss.derive(y, place - width, out);
    const [before, left] = [out[0]!, out[1]! + width * out[2]!];
    loss.derive(y, place + width, out);
    const [after, right] = [out[0]!, out[1]! - width * out[2]!];
    const rise = after - before - width * (left + right);
    return { place, left, right, jumps: Math.abs(rise) > 1e-3 * width * (1 + Math.abs(left) + Math.abs(right)) + 1e-9 * Math.abs(after) };
  });
}
