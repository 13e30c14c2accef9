// Where points stand in their picture: its scales, what is under the pointer, where the line can be taken hold of.
import { computed, signal } from "@preact/signals";
import { frameX, frameY } from "../frames";
import { at, dimension, locked, points, settings, solid, straight, targetKind, toOptimum, view } from "../state";
import { type Size } from "./canvas";
import { MARGINS } from "./marks";
import { linear, type Scale } from "./scale";

export const size = signal<Size>({ width: 0, height: 0 });
export const hovered = signal<number | null>(null);
export const showPrediction = signal(false);

export const xScale = computed(() => linear(frameX.value[0], frameX.value[1], MARGINS.left, size.value.width - MARGINS.right));
export const yScale = computed(() => linear(frameY.value[0], frameY.value[1], size.value.height - MARGINS.bottom, MARGINS.top));
export const flat = computed(() => dimension.value === 1 || !solid.value);

export function heightOf(index: number): number {
  const { x, y } = points.value;
  return dimension.value === 1 ? y[index]! : x[index]![1]!;
}

/** Where the line can be taken hold of, before the first step. */
export const grips = computed<readonly (readonly [number, number])[]>(() => {
  if (dimension.value !== 1 || at.value > 0 || toOptimum.value || view.value !== "watch" || locked("start") || !straight.value) return [];
  const x = xScale.value;
  const [intercept = 0, slope = 0] = settings.value.start;
  return [0.1, 0.9].map((share) => {
    const where = x.low + (x.high - x.low) * share;
    return [where, intercept + slope * where] as const;
  });
});

/** A value as short as the screen can tell it, and as the loss needs it. */
export function tidy(value: number, scale: Scale): number {
  const grain = Math.abs(scale.high - scale.low) / Math.max(100, Math.abs(scale.to - scale.from));
  const digits = Math.max(0, Math.min(12, Math.ceil(-Math.log10(grain)) + 1));
  return Number(value.toFixed(digits));
}

export function asTarget(value: number): number {
  if (targetKind.value === "binary") return value > 0.5 ? 1 : 0;
  if (targetKind.value === "signs") return value > 0 ? 1 : -1;
  if (targetKind.value === "count") return Math.max(0, Math.round(value));
  return value;
}
