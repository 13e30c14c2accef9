// Linear scales, their ticks, and the range a picture shows.

export interface Scale {
  readonly low: number;
  readonly high: number;
  readonly from: number;
  readonly to: number;
  (value: number): number;
  invert(pixel: number): number;
}

export function linear(low: number, high: number, from: number, to: number): Scale {
  const span = high - low || 1;
  const scale = ((value: number) => from + ((value - low) / span) * (to - from)) as Scale;
  return Object.assign(scale, { low, high, from, to, invert: (pixel: number) => low + ((pixel - from) / (to - from || 1)) * span });
}

/** Round numbers within [low, high], about `count` of them. */
export function ticks(low: number, high: number, count: number): number[] {
  const span = high - low;
  if (!(span > 0) || !Number.isFinite(span)) return [];
  const rough = span / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const factors = [10, 5, 2, 1, 0.5, 0.2];
  const coarsest = factors.length - 3 - [1, 2, 5, 10].findIndex((factor) => factor * power >= rough);
  // A picture that shows one number has no scale: then the next finer step is taken.
  let out: number[] = [];
  for (const factor of factors.slice(Math.max(0, coarsest))) {
    const step = factor * power;
    out = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * span; k++) out.push(Number((k * step).toPrecision(12)));
    if (out.length > 1) break;
  }
  return out;
}

export type Range = readonly [number, number];

/** The range of values with air around it; around a single value too. */
export function padded(values: Iterable<number>, share = 0.08): Range {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return [-1, 1];
  const span = high - low;
  const air = span > 0 ? share * span : Math.max(1, Math.abs(low) * 0.5);
  return [low - air, high + air];
}
