// Taking other points: an example, the reader's own, or one far from the rest.
import { PRESETS, preset } from "../engine/presets";
import type { Points } from "../engine/types";
import { loadPoints, setPoints } from "./editing";
import { frameX } from "./frames";
import { dimension, points, say, selected, targetKind } from "./state";

export { PRESETS };

export function usePreset(name: string): void {
  if (name === "") return; // what the list says of itself
  const chosen = preset(name);
  loadPoints(chosen.points(), { loss: chosen.loss, rate: chosen.source ? 0.1 : "auto", momentum: 0, nesterov: false, batch: null, method: "descent" }, chosen.source);
  say(`${chosen.title}: ${chosen.about}`);
}

/** One point far from the rest: to the right, where it turns a line most, and on the wrong side. */
export function addOutlier(): void {
  const { x, y, weights } = points.value;
  const [low, high] = frameX.value;
  const sorted = y.slice().sort((a, b) => a - b);
  const [least, middle, most] = [sorted[0]!, sorted[Math.floor(y.length / 2)]!, sorted[y.length - 1]!];
  const span = most - least || 1;
  const rising = points.value.y[x.reduce((best, row, i) => (row[0]! > x[best]![0]! ? i : best), 0)]! > middle;
  const short = (value: number) => Number(value.toPrecision(4));
  let target = rising ? least - 0.35 * span : most + 0.35 * span;
  if (targetKind.value === "binary") target = rising ? 0 : 1;
  if (targetKind.value === "signs") target = rising ? -1 : 1;
  if (targetKind.value === "count") target = Math.round(most + 0.6 * span);
  if (targetKind.value === "positive") target = most + 0.6 * span;
  const first = short(low + 0.9 * (high - low));
  const row = dimension.value === 1 ? [first] : [first, x[0]![1]!];
  const next: Points = { ...points.value, x: [...x, row], y: [...y, short(target)], ...(weights ? { weights: [...weights, 1] } : {}) };
  setPoints(next, true);
  selected.value = y.length;
  say(`An outlier was added: ${points.value.target} ${short(target)}.`);
}
