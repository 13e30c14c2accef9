// The one state of the page, and what follows from it. Everything shown is a function of the points, the settings and the step looked at:
// when one of the first two changes, the walk is taken anew to the step at which it stood, so that every control answers at once.
import { batch, computed, signal } from "@preact/signals";
import { LocalEngine } from "../engine/local";
import {
  EngineError,
  type Certificate,
  type Compared,
  type Engine,
  type LossSpec,
  type Optimum,
  type Points,
  type Problem,
  type Settings,
  type Stability,
  type Step,
  type Surface,
  type Walk,
} from "../engine/types";
import { Cancelled } from "../remote/connection";
import { equation, number, plural, sentence } from "./format";
import { padded, type Range } from "./pictures/scale";
import { toWalk } from "./pictures/coordinates";
import { preset } from "../engine/presets";
import type { Source } from "../engine/takeaway";

export type View = "watch" | "compare" | "take" | "table";
export type Pane = "points" | "surface" | "curve" | "settings";

export const engine = signal<Engine>(new LocalEngine());

const FIRST_SETTINGS: Settings = {
  loss: { kind: "catalogue", name: "squared" },
  method: "descent",
  rate: 0.1,
  momentum: 0,
  nesterov: false,
  batch: null,
  seed: 0,
  start: [0, 0],
  standardised: false,
};
const FIRST_COMPARED: readonly LossSpec[] = ["squared", "huber", "tukey"].map((name) => ({ kind: "catalogue", name }));

// What the user sets.
const FIRST = preset("few");
export const points = signal<Points>(FIRST.points());
/** Of points that a call in Python makes too, as long as none has been changed. */
export const source = signal<Source | undefined>(FIRST.source);
export const settings = signal<Settings>(FIRST_SETTINGS);
export const compared = signal<readonly LossSpec[]>(FIRST_COMPARED);
export const newInput = signal<readonly number[]>([2, 0]);

// What is looked at.
export const view = signal<View>("watch");
export const pane = signal<Pane>("points");
export const at = signal(0);
export const toOptimum = signal(false);
export const playing = signal(false);
export const speed = signal(1);
export const selected = signal<number | null>(null);
export const pair = signal<readonly [number, number]>([1, 0]);
export const residuals = signal<"whiskers" | "squares" | "none">("whiskers");
export const solid = signal(false);
export const said = signal("");
/** The step of the lesson, 1 to 7; 0 without a lesson. */
export const lesson = signal(0);
/** What somebody who made the link asks for. */
export const task = signal("");
export const locks = signal<ReadonlySet<string>>(new Set());

// What follows.
export const steps = signal<readonly Step[]>([]);
export const diverged = signal<string | null>(null);
export const optimum = signal<Optimum | null>(null);
export const stability = signal<Stability | null>(null);
export const surface = signal<Surface | null>(null);
export const comparison = signal<readonly Compared[]>([]);
export const problem = signal<Problem | null>(null);
export const compareProblem = signal<Problem | null>(null);
/** What "auto" has come to. */
const walkRate = signal<number | null>(null);
let walk: Walk | null = null;

export const dimension = computed(() => points.value.inputs.length);
export const rows = computed(() => points.value.y.length);
export const current = computed<Step | null>(() => steps.value[Math.min(at.value, steps.value.length - 1)] ?? null);
/** The coefficients on the screen: of the step looked at, or of the optimum. */
let last: readonly number[] = [];
export const shown = computed<readonly number[]>(() => {
  const next = toOptimum.value && optimum.value ? optimum.value.coefficients : (current.value?.coefficients ?? settings.value.start);
  // The same numbers are the same thing: nothing is drawn anew for them.
  if (next.length !== last.length || next.some((value, k) => !Object.is(value, last[k]))) last = next;
  return last;
});
export const shownLoss = computed(() => (toOptimum.value && optimum.value ? optimum.value.loss : (current.value?.loss ?? NaN)));
/** Predictions, also while the loss is being typed and is none yet: then those of a line. */
export function predict(of: Settings, coefficients: readonly number[], x: readonly (readonly number[])[]): readonly number[] {
  try {
    return engine.value.predict(of, coefficients, x);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    return x.map((row) => row.reduce((sum, value, j) => sum + value * coefficients[j + 1]!, coefficients[0]!));
  }
}

/** Whether the line is the prediction itself, and not a score that a curve makes a probability or a mean of. */
export const straight = computed(() => {
  const at = points.value.inputs.map(() => 0);
  return predict(settings.value, [0.7, ...at], [at])[0] === 0.7;
});
export const line = computed(() => equation(straight.value ? points.value.target : `score of ${points.value.target}`, points.value.inputs, shown.value));
export const rate = computed<number | null>(() => {
  const asked = settings.value.rate;
  if (asked !== "auto") return asked;
  return walkRate.value;
});
/** Whether the rate is above the largest stable one. */
export const tooFast = computed(() => {
  const limit = stability.value?.largestRate ?? null;
  return settings.value.method === "descent" && limit !== null && rate.value !== null && rate.value > limit * (1 + 1e-12);
});
export const names = computed(() =>
  dimension.value === 1 ? ["intercept B", "slope W"] : ["intercept B", ...points.value.inputs.map((name) => `slope of ${name}`)],
);
export const lossTitle = computed(() => titleOf(settings.value.loss));
export const lossEntry = computed(() => {
  const loss = settings.value.loss;
  return loss.kind === "catalogue" ? engine.value.losses().find((entry) => entry.name === loss.name) : undefined;
});
/** What a target may be, for the loss chosen. */
export const targetKind = computed(() => lossEntry.value?.target ?? "any");

export function titleOf(loss: LossSpec): string {
  if (loss.kind === "typed") return "your loss";
  const known = loss.kind === "catalogue" ? engine.value.losses().find((entry) => entry.name === loss.name)?.title : undefined;
  return known ?? loss.name;
}

export function locked(control: string): boolean {
  return locks.value.has(control);
}

/** For those who hear the page: one polite sentence. */
export function say(text: string): void {
  // The same sentence twice is still news.
  said.value = said.value === text ? `${text}\u00a0` : text;
}

// The range of the two pictures. They hold still while something is dragged, and settle afterwards.
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

/** The point that is under the hand. It is drawn by itself, so that the others need not be painted again. */
export const lifted = signal<number | null>(null);
/** The points that stand still: all but the one that is lifted. */
export const resting = computed<Points>(() => (lifted.value === null ? points.value : points.peek()));

// While something is dragged the hand comes first. Where a frame takes too long, what is costly and not under the hand - the surface, the curve of
// the loss, the stable rate - waits until the hand rests.
export const waits = signal(false);
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

// Calculating anew.
let asked = 0;
let waiting = false;
let settleTimer: number | undefined;
const FINE = 56;
const COARSE = 20;
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
function atRate(chosen: Settings, walked: Walk): Settings {
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

async function refreshSurface(mine: number, size: number, live = false): Promise<void> {
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

// What happens to the state.
export function setPoints(next: Points, settle = false): void {
  pending = null;
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

/** The walk as far as the step looked at, for what is taken away; null at the optimum. */
export function walkShown(): Walk | null {
  if (!walk || toOptimum.value) return null;
  const seen = steps.value.slice(0, at.value + 1);
  const whole = at.value === steps.value.length - 1;
  return Object.create(walk, { steps: { value: seen }, diverged: { value: whole ? walk.diverged : null } }) as Walk;
}

/** Points that are under the hand: shown together with all that follows from them, once a frame. */
let pending: Points | null = null;

function latest(): Points {
  return pending ?? points.value;
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
  pending = next;
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

/** Where one more step would lead, from the end of the walk. */
export const following = computed<readonly number[] | null>(() => {
  steps.value;
  if (!walk || walk.diverged !== null) return null;
  const taken = walk.advance(1);
  walk.back(taken.length);
  return taken[0]?.coefficients ?? null;
});

// Time.
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
  zoomOut();
}

/** A rate that was shortened on the way predicts something else. */
async function predictAnew(): Promise<void> {
  const mine = asked;
  if (!optimum.value || !walk) return;
  const stable = await engine.value.stability(points.value, atRate(settings.value, walk), optimum.value);
  if (mine === asked) stability.value = stable;
}

const FURTHEST = 40; // times the frame at the start

/** A path that leaves the picture of the surface takes the picture with it, so that an explosion is seen as one. */
function zoomOut(): void {
  const here = current.value;
  if (!here || !optimum.value) return;
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
  if (factor === 1) return;
  batch(() => {
    for (const frame of frames) {
      const [low, high] = frame.value;
      const [centre, reach] = [(low + high) / 2, ((high - low) / 2) * factor];
      frame.value = [centre - reach, centre + reach];
    }
  });
  refreshSurface(asked, playing.value ? COARSE : FINE).catch(() => {
    // The picture that is there stays.
  });
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

/** Whether the walk is as near to the optimum as doubles tell. */
export const arrived = computed(() => {
  const here = current.value;
  const best = optimum.value;
  if (!here || !best?.certificate.converged) return false;
  // With momentum a walk may pass through the optimum and go on.
  const before = steps.value[Math.max(0, at.value - 1)];
  if (settings.value.momentum > 0 && before && before.loss - best.loss > 1e-12 * Math.max(Math.abs(best.loss), 1e-300)) return false;
  return here.loss - best.loss <= 1e-13 * Math.max(Math.abs(best.loss), 1e-300) && here.gradientNorm <= 1e-6 * (steps.value[0]!.gradientNorm || 1);
});

/** What is known of the coefficients on the screen. */
export const standing = computed<Certificate | null>(() => {
  const best = optimum.value;
  if (!best) return null;
  if (toOptimum.value) return best.certificate;
  const here = current.value;
  if (!here) return null;
  const above = here.loss - best.loss;
  return { converged: arrived.value, gradientNorm: here.gradientNorm, toOptimum: best.certificate.converged ? Math.max(0, above) : null, reason: "" };
});

// Remembering.
let saveTimer: number | undefined;
let saver: () => void = () => {};
export function onSave(save: () => void): void {
  saver = save;
}
export function saveSoon(): void {
  window.clearTimeout(saveTimer);
  saveTimer = window.setTimeout(() => saver(), 400);
}
