// How a loss of the catalogue is put together: what it says of itself, the usual answer to the rest.

import { median } from "../numbers.ts";
import type { Derived, Kinks, RowLoss } from "../row_loss.ts";
import type { Target } from "../types.ts";

export interface Parts {
  readonly derive: (y: number, p: number, out: Derived) => void;
  readonly convex?: boolean;
  readonly squaredScale?: number | null;
  readonly kinks?: Kinks;
  readonly straight?: boolean;
  readonly target?: Target;
  readonly ofResiduals?: boolean;
  readonly predict?: (p: number) => number;
  readonly start?: (y: readonly number[]) => number;
}

const itself = (p: number): number => p;

export function loss(name: string, parts: Parts): RowLoss {
  return {
    name,
    convex: parts.convex ?? true,
    squaredScale: parts.squaredScale ?? null,
    jumps: false,
    kinks: parts.kinks ?? null,
    straight: parts.straight ?? false,
    target: parts.target ?? "any",
    ofResiduals: parts.ofResiduals ?? false,
    derive: parts.derive,
    predict: parts.predict ?? itself,
    start: parts.start ?? median,
  };
}

export function set(out: Derived, value: number, slope: number, curvature: number): void {
  out[0] = value;
  out[1] = slope;
  out[2] = curvature;
}
