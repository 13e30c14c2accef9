// The one state of the page: what the user sets, what is looked at, and what follows from these. Everything shown is a function of the points, the
// settings and the step looked at. What changes them is in editing.ts and walking.ts, what is worked out anew in working_out.ts.
import { computed, signal } from "@preact/signals";
import { LocalEngine } from "../engine/local";
import { preset } from "../engine/presets";
import type { Source } from "../engine/takeaway";
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
} from "../engine/types";
import { equation } from "./format";

export type View = "watch" | "compare" | "take" | "table";
export type Pane = "points" | "surface" | "curve" | "settings";

export const engine = signal<Engine>(new LocalEngine());

export const FIRST_SETTINGS: Settings = {
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
export const FIRST_COMPARED: readonly LossSpec[] = ["squared", "huber", "tukey"].map((name) => ({ kind: "catalogue", name }));

// What the user sets.
export const FIRST = preset("few");
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
export const walkRate = signal<number | null>(null);

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

/** The point that is under the hand. It is drawn by itself, so that the others need not be painted again. */
export const lifted = signal<number | null>(null);
/** The points that stand still: all but the one that is lifted. */
export const resting = computed<Points>(() => (lifted.value === null ? points.value : points.peek()));

// While something is dragged the hand comes first. Where a frame takes too long, what is costly and not under the hand - the surface, the curve of
// the loss, the stable rate - waits until the hand rests.
export const waits = signal(false);

/** Whether the walk is as near to the optimum as doubles tell. */
export const arrived = computed(() => {
  const here = current.value;
  const best = optimum.value;
  if (!here || !best?.certificate.converged) return false;
  // With momentum a walk may pass through the optimum and go on.
  const before = steps.value[Math.max(0, at.value - 1)];
  if (settings.value.momentum > 0 && before && before.loss - best.loss > 1e-12 * Math.max(Math.abs(best.loss), 1e-300)) return false;
  // On a kink the gradient of either side is not zero, and yet it is the optimum's.
  const least = Math.max(1e-6 * (steps.value[0]!.gradientNorm || 1), best.certificate.gradientNorm * (1 + 1e-9));
  return Math.abs(here.loss - best.loss) <= 1e-13 * Math.max(Math.abs(best.loss), 1e-300) && here.gradientNorm <= least;
});

/** Whether the optimum is the lowest point of all, and not only of those nearby. */
export const lowestProved = computed(() => optimum.value?.certificate.converged === true && optimum.value.certificate.toOptimum !== null);

/** What is known of the coefficients on the screen; above the lowest point found where none is proved the lowest. */
export const standing = computed<Certificate | null>(() => {
  const best = optimum.value;
  if (!best) return null;
  if (toOptimum.value) return best.certificate;
  const here = current.value;
  if (!here) return null;
  const above = here.loss - best.loss;
  const lowest = lowestProved.value ? Math.max(0, above) : above;
  return { converged: arrived.value, gradientNorm: here.gradientNorm, toOptimum: best.certificate.converged ? lowest : null, reason: "" };
});
