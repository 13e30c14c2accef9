// The ranges that pictures and sliders show. They hold still while something is dragged, and settle afterwards.
import { batch, signal } from "@preact/signals";
import { toWalk } from "./pictures/coordinates";
import { padded, type Range } from "./pictures/scale";
import { current, dimension, optimum, pair, points, rate, settings, stability, targetKind } from "./state";

export const frameX = signal<Range>([-3, 3]);
export const frameY = signal<Range>([-25, 15]);
export const frameFirst = signal<Range>([-1, 1]);
/** Width over height of the picture of the surface. */
export const surfaceAspect = signal(1.4);
export const frameSecond = signal<Range>([-1, 1]);

export function settleFrames(): void {
  const { x, y } = points.value;
  batch(() => {
    frameX.value = padded(x.map((row) => row[0]!));
    const second = dimension.value === 2 ? x.map((row) => row[1]!) : y;
    const [low, high] = padded(second);
    const kind = dimension.value === 1 ? targetKind.value : "any";
    frameY.value = kind === "binary" ? [-0.18, 1.18] : kind === "signs" ? [-1.4, 1.4] : [low, high];
    settleSurface();
    settleSliders();
  });
}

/** Decades that the slider of the rate spans: three below the largest stable one, and one above. */
export const rateFrame = signal<Range>([-4, 1]);
/** What the sliders of the start span, a coefficient each. */
export const startRanges = signal<readonly Range[]>([]);

function settleSliders(): void {
  const limit = stability.value?.largestRate ?? null;
  const middle = limit !== null && limit > 0 ? Math.log10(limit) : 0;
  let [low, high] = [Math.floor(middle) - 3, Math.ceil(middle + 0.2)];
  const own = rate.value;
  if (own !== null && own > 0) [low, high] = [Math.min(low, Math.floor(Math.log10(own))), Math.max(high, Math.ceil(Math.log10(own)))];
  rateFrame.value = [low, high];
  startRanges.value = settings.value.start.map((start, k) => {
    const best = optimum.value?.coefficients[k] ?? 0;
    const size = Math.max(Math.abs(start), 2 * Math.abs(best), 1e-3);
    const step = 10 ** Math.floor(Math.log10(size));
    const end = Math.ceil(size / step) * step;
    return [-end, end];
  });
}

function settleSurface(): void {
  const best = optimum.value ? toWalk(optimum.value.coefficients) : null;
  const begin = toWalk(settings.value.start);
  const [first, second] = pair.value;
  const middle = (index: number) => best?.[index] ?? 0;
  const reach = (index: number) => 1.3 * Math.max(Math.abs((begin[index] ?? 0) - middle(index)), 0.25 * Math.abs(middle(index)), 1e-3);
  let [across, up] = [reach(first), reach(second)];
  if (settings.value.standardised) {
    // One scale for both: what is round is drawn round.
    up = Math.max(up, across / surfaceAspect.value);
    across = up * surfaceAspect.value;
  }
  frameFirst.value = [middle(first) - across, middle(first) + across];
  frameSecond.value = [middle(second) - up, middle(second) + up];
}

const FURTHEST = 40; // times the frame at the start

/** A path that leaves the picture of the surface takes the picture with it, so that an explosion is seen as one. Says whether it did. */
export function zoomOut(): boolean {
  const here = current.value;
  if (!here || !optimum.value) return false;
  const [spot, middle] = [toWalk(here.coefficients), toWalk(optimum.value.coefficients)];
  const begin = toWalk(settings.value.start);
  let factor = 1;
  const frames = [frameFirst, frameSecond];
  pair.value.forEach((index, k) => {
    const [low, high] = frames[k]!.value;
    const reach = (high - low) / 2;
    const most = FURTHEST * Math.max(Math.abs(begin[index]! - middle[index]!), 0.25 * Math.abs(middle[index]!), 1e-3);
    if (Number.isFinite(spot[index]!) && Math.abs(spot[index]! - middle[index]!) > reach && reach < most) factor = Math.max(factor, 1.6);
  });
  if (factor === 1) return false;
  batch(() => {
    for (const frame of frames) {
      const [low, high] = frame.value;
      const [centre, reach] = [(low + high) / 2, ((high - low) / 2) * factor];
      frame.value = [centre - reach, centre + reach];
    }
  });
  return true;
}
