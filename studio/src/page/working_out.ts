// What follows from points and settings, worked out anew when they change: the walk is taken again to the step at which it stood, so that every
// control answers at once.
import { batch } from "@preact/signals";
import { EngineError, type Points, type Problem, type Settings, type Walk } from "../engine/types";
import { Cancelled } from "../remote/connection";
import { sentence } from "./format";
import { frameFirst, frameSecond, settleFrames } from "./frames";
import { toWalk } from "./pictures/coordinates";
import { saveSoon } from "./saving";
import {
  at,
  compared,
  compareProblem,
  comparison,
  dimension,
  diverged,
  engine,
  lifted,
  optimum,
  pair,
  playing,
  points,
  problem,
  say,
  selected,
  settings,
  source,
  stability,
  steps,
  surface,
  toOptimum,
  view,
  waits,
  walkRate,
} from "./state";

/** The walk behind the steps. */
export let walk: Walk | null = null;

/** Points that are under the hand: shown together with all that follows from them, once a frame. */
let pending: Points | null = null;

/** Points go under the hand, or, with null, leave it. */
export function takeUp(next: Points | null): void {
  pending = next;
}

export function latest(): Points {
  return pending ?? points.value;
}

const FRAME = 20; // milliseconds of work that a frame may take before the costly pictures wait
let tooLong = false;

/** Notes how long this frame takes, its painting included: a message posted within it arrives once it is painted. */
function timeFrame(): void {
  const began = performance.now();
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    tooLong ||= performance.now() - began > FRAME;
    port1.close();
  };
  port2.postMessage(0);
}

export let asked = 0;
let waiting = false;
let settleTimer: number | undefined;
export const FINE = 56;
export const COARSE = 20;
const LIVE_WORK = 400_000; // rows times steps that may be walked within a frame

/** Once a frame, whatever changed within it. */
export function refreshSoon(): void {
  playing.value = false;
  if (!waiting) {
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      timeFrame();
      waits.value = tooLong;
      void refresh(true);
    });
  }
  window.clearTimeout(settleTimer);
  settleTimer = window.setTimeout(() => {
    // Whether frames are long is asked anew of every drag.
    tooLong = false;
    void refresh(false);
  }, 160);
}

/** The settings with the rate that "auto" has come to: what theory predicts is of that one. */
export function atRate(chosen: Settings, walked: Walk): Settings {
  return chosen.rate === "auto" && chosen.method === "descent" && walked.rate > 0 ? { ...chosen, rate: walked.rate } : chosen;
}

/** Everything that follows from points and settings. `live`: while something is being dragged, the pictures hold still and are coarser. */
export async function refresh(live: boolean): Promise<void> {
  const mine = ++asked;
  const own = engine.value;
  const data = latest();
  const chosen = settings.value;
  const count = at.value;
  const show = () => {
    if (pending !== data) return;
    pending = null;
    points.value = data;
    source.value = undefined;
    toOptimum.value = false;
  };
  try {
    const best = await own.optimum(data, chosen);
    const walked = await own.walk(data, chosen);
    const held = live && data.y.length * count > LIVE_WORK;
    if (!held && count > 0) walked.advance(count);
    const costly = !live || !waits.value;
    const stable = costly ? await own.stability(data, atRate(chosen, walked), best) : stability.value;
    if (mine !== asked) return;
    batch(() => {
      show();
      problem.value = null;
      walk = walked;
      optimum.value = best;
      stability.value = stable;
      steps.value = walked.steps.slice();
      diverged.value = walked.diverged;
      walkRate.value = walked.rate;
      if (!held) at.value = Math.min(count, walked.steps.length - 1);
      if (!live) {
        lifted.value = null;
        waits.value = false;
        settleFrames();
      }
    });
    if (costly) await refreshSurface(mine, live ? COARSE : FINE, live);
    if (mine !== asked) return;
    if (costly && view.value === "compare") await refreshComparison(mine);
  } catch (error) {
    if (mine !== asked || error instanceof Cancelled) return;
    batch(() => {
      show();
      lifted.value = null;
      waits.value = false;
      report(error);
    });
  }
  if (!live) saveSoon();
}

export async function refreshSurface(mine: number, size: number, live = false): Promise<void> {
  const third = optimum.value && dimension.value === 2 ? toWalk(optimum.value.coefficients)[3 - pair.value[0] - pair.value[1]] : undefined;
  const rows = live ? sampled(points.value) : points.value;
  // What is standardised by other rows stands elsewhere: such a picture waits until the hand rests.
  if (rows !== points.value && settings.value.standardised) return;
  const seen = await engine.value.surface(rows, settings.value, frameFirst.value, frameSecond.value, size, third, pair.value);
  if (mine === asked) surface.value = seen;
}

const ENOUGH = 150; // rows for a sketch of the surface

/** Rows for a sketch of the surface while something is dragged: every few of them. Squared loss needs no sketch, it has its moments. */
function sampled(all: Points): Points {
  const loss = settings.value.loss;
  const n = all.y.length;
  if (n <= ENOUGH || (loss.kind === "catalogue" && loss.name === "squared")) return all;
  const every = Math.ceil(n / ENOUGH);
  const keep = (_: unknown, i: number) => i % every === 0 || i === selected.value;
  const part = { ...all, x: all.x.filter(keep), y: all.y.filter(keep) };
  return all.weights ? { ...part, weights: all.weights.filter(keep) } : part;
}

async function refreshComparison(mine: number): Promise<void> {
  try {
    const result = await engine.value.compare(points.value, settings.value, compared.value);
    if (mine !== asked) return;
    batch(() => {
      comparison.value = result;
      compareProblem.value = null;
    });
  } catch (error) {
    if (mine === asked && !(error instanceof Cancelled)) compareProblem.value = problemOf(error);
  }
}

function problemOf(error: unknown): Problem {
  if (error instanceof EngineError) return error.problem;
  return { path: "", message: error instanceof Error ? error.message : String(error) };
}

function report(error: unknown): void {
  batch(() => {
    problem.value = problemOf(error);
    playing.value = false;
    steps.value = [];
    optimum.value = null;
    stability.value = null;
    surface.value = null;
    diverged.value = null;
    walk = null;
  });
  say(sentence(problem.value!.message));
}
