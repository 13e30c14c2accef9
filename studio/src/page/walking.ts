// Steps forward and back, and what is said of them.
import { batch, computed } from "@preact/signals";
import type { Walk } from "../engine/types";
import { number, sentence } from "./format";
import { zoomOut } from "./frames";
import { at, current, diverged, engine, line, optimum, playing, points, say, settings, stability, steps, toOptimum, walkRate } from "./state";
import { asked, atRate, COARSE, FINE, refresh, refreshSurface, walk } from "./working_out";

/** The walk as far as the step looked at, for what is taken away; null at the optimum. */
export function walkShown(): Walk | null {
  if (!walk || toOptimum.value) return null;
  const seen = steps.value.slice(0, at.value + 1);
  const whole = at.value === steps.value.length - 1;
  return Object.create(walk, { steps: { value: seen }, diverged: { value: whole ? walk.diverged : null } }) as Walk;
}

/** Where one more step would lead, from the end of the walk. */
export const following = computed<readonly number[] | null>(() => {
  steps.value;
  if (!walk || walk.diverged !== null) return null;
  const taken = walk.advance(1);
  walk.back(taken.length);
  return taken[0]?.coefficients ?? null;
});

export function forward(count: number): void {
  if (!walk) return;
  const target = at.value + count;
  const before = walk.rate;
  batch(() => {
    toOptimum.value = false;
    const missing = target - (walk!.steps.length - 1);
    if (missing > 0 && walk!.diverged === null) {
      walk!.advance(missing);
      steps.value = walk!.steps.slice();
      diverged.value = walk!.diverged;
      walkRate.value = walk!.rate;
    }
    at.value = Math.min(target, walk!.steps.length - 1);
  });
  if (walk.rate !== before) void predictAnew();
  if (!zoomOut()) return;
  refreshSurface(asked, playing.value ? COARSE : FINE).catch(() => {
    // The picture that is there stays.
  });
}

/** A rate that was shortened on the way predicts something else. */
async function predictAnew(): Promise<void> {
  const mine = asked;
  if (!optimum.value || !walk) return;
  const stable = await engine.value.stability(points.value, atRate(settings.value, walk), optimum.value);
  if (mine === asked) stability.value = stable;
}

export function step(count: number): void {
  playing.value = false;
  forward(count);
  sayWhere();
}

export function back(count: number): void {
  playing.value = false;
  if (toOptimum.value) toOptimum.value = false;
  else at.value = Math.max(0, at.value - count);
  sayWhere();
}

export function goTo(index: number): void {
  batch(() => {
    playing.value = false;
    toOptimum.value = false;
    at.value = Math.max(0, Math.min(index, steps.value.length - 1));
  });
}

export function reset(): void {
  batch(() => {
    playing.value = false;
    toOptimum.value = false;
    at.value = 0;
  });
  void refresh(false);
  say("Back at the start.");
}

export function jumpToOptimum(): void {
  if (!optimum.value) return;
  batch(() => {
    playing.value = false;
    toOptimum.value = true;
  });
  say(`At the optimum: ${line.value}. Loss ${number(optimum.value.loss)}. ${sentence(optimum.value.certificate.reason)}`);
}

export function sayWhere(): void {
  const here = current.value;
  if (!here) return;
  if (diverged.value !== null && at.value === steps.value.length - 1) say(`Stopped at step ${here.step}. ${sentence(diverged.value)}`);
  else say(`Step ${here.step}: loss ${number(here.loss)}, ${line.value}.`);
}
