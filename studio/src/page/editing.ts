// What the user does to points and settings.
import { batch } from "@preact/signals";
import type { Source } from "../engine/takeaway";
import type { Points, Settings } from "../engine/types";
import { plural } from "./format";
import { settleFrames } from "./frames";
import {
  at,
  compared,
  dimension,
  FIRST,
  FIRST_COMPARED,
  FIRST_SETTINGS,
  lesson,
  lifted,
  locks,
  newInput,
  optimum,
  pair,
  points,
  say,
  selected,
  settings,
  source,
  steps,
  surface,
  task,
  toOptimum,
  view,
} from "./state";
import { latest, refreshSoon, takeUp } from "./working_out";

export function setPoints(next: Points, settle = false): void {
  takeUp(null);
  batch(() => {
    lifted.value = null;
    const other = next.inputs.length !== dimension.value;
    points.value = next;
    source.value = undefined;
    toOptimum.value = false;
    if (selected.value !== null && selected.value >= next.y.length) selected.value = next.y.length > 0 ? next.y.length - 1 : null;
    if (other) {
      settings.value = { ...settings.value, start: new Array<number>(next.inputs.length + 1).fill(0) };
      pair.value = [1, 0];
      at.value = 0;
    }
    if (settle) settleFrames();
  });
  refreshSoon();
}

/** Data of another kind: from the first step, with nothing of the old in view. */
export function loadPoints(next: Points, changes: Partial<Settings> = {}, made?: Source): void {
  batch(() => {
    at.value = 0;
    selected.value = null;
    steps.value = [];
    surface.value = null;
    optimum.value = null;
    settings.value = { ...settings.value, start: new Array<number>(next.inputs.length + 1).fill(0), ...changes };
    const size = settings.value.batch;
    if (size !== null && size > next.y.length) settings.value = { ...settings.value, batch: null };
    pair.value = [1, 0];
    newInput.value = next.inputs.map((_, j) => {
      const values = next.x.map((row) => row[j]!).sort((a, b) => a - b);
      const [low, high] = [values[0]!, values[values.length - 1]!];
      // Some round value near the right edge.
      const unit = 10 ** Math.floor(Math.log10(high - low || 1)) / 2;
      return Number((Math.round((low + 0.9 * (high - low)) / unit) * unit).toPrecision(6));
    });
    setPoints(next, true);
    source.value = made;
  });
}

/** As on the first visit. */
export function startAfresh(): void {
  batch(() => {
    locks.value = new Set();
    task.value = "";
    lesson.value = 0;
    view.value = "watch";
    compared.value = FIRST_COMPARED;
    loadPoints(FIRST.points(), FIRST_SETTINGS, FIRST.source);
  });
}

export function movePoint(index: number, x: readonly number[], y: number): void {
  const { x: inputs, y: targets } = latest();
  const nextX = inputs.slice();
  const nextY = targets.slice();
  nextX[index] = x;
  nextY[index] = y;
  const next = { ...latest(), x: nextX, y: nextY };
  // A server answers later than a frame: then the point goes ahead.
  if (settings.value.loss.kind === "file") {
    setPoints(next);
    return;
  }
  takeUp(next);
  lifted.value = index;
  refreshSoon();
}

export function addPoint(x: readonly number[], y: number): void {
  const { x: inputs, y: targets, weights } = latest();
  const next = { ...latest(), x: [...inputs, x], y: [...targets, y] };
  setPoints(weights ? { ...next, weights: [...weights, 1] } : next);
  selected.value = targets.length;
  say(`Point ${targets.length + 1} added.`);
}

export function deletePoint(index: number): void {
  const { x, y, weights } = latest();
  if (y.length <= 1) {
    say("The last point stays: there must be one.");
    return;
  }
  const keep = (_: unknown, i: number) => i !== index;
  const next = { ...latest(), x: x.filter(keep), y: y.filter(keep) };
  setPoints(weights ? { ...next, weights: weights.filter(keep) } : next);
  say(`Point deleted; ${plural(y.length - 1, "point")} left.`);
}

export function set(changes: Partial<Settings>): void {
  batch(() => {
    settings.value = { ...settings.value, ...changes };
    toOptimum.value = false;
  });
  refreshSoon();
}
