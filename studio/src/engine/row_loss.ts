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

/** The slopes to the left and to the right of a place, which differ at a kink: the slopes a little way off, less what curvature adds. */
export function slopesBeside(loss: RowLoss, y: number, p: number, out: Derived): [number, number] {
  const width = 1e-6 * (1 + Math.abs(p) + Math.abs(y));
  loss.derive(y, p - width, out);
  const left = out[1]! + width * out[2]!;
  loss.derive(y, p + width, out);
  return [left, out[1]! - width * out[2]!];
}
