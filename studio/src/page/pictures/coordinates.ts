// The coefficients as the walk sees them: in the user's units or, where x is standardised, in those of standardised inputs.
import { computed } from "@preact/signals";
import { points, settings } from "../state";

const moments = computed(() => {
  const { x, inputs } = points.value;
  return inputs.map((_, k) => {
    // Of all rows alike, as the engine has them.
    const mean = x.reduce((sum, row) => sum + row[k]!, 0) / x.length;
    const square = x.reduce((sum, row) => sum + (row[k]! - mean) ** 2, 0);
    return { mean, deviation: Math.sqrt(square / x.length) || 1 };
  });
});

export function toWalk(coefficients: readonly number[]): readonly number[] {
  if (!settings.value.standardised) return coefficients;
  const [intercept = 0, ...slopes] = coefficients;
  const shift = slopes.reduce((sum, slope, k) => sum + slope * moments.value[k]!.mean, 0);
  return [intercept + shift, ...slopes.map((slope, k) => slope * moments.value[k]!.deviation)];
}

export function fromWalk(walked: readonly number[]): readonly number[] {
  if (!settings.value.standardised) return walked;
  const [intercept = 0, ...scaled] = walked;
  const slopes = scaled.map((slope, k) => slope / moments.value[k]!.deviation);
  return [intercept - slopes.reduce((sum, slope, k) => sum + slope * moments.value[k]!.mean, 0), ...slopes];
}
