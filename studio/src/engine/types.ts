// What the page asks of an engine, and what an engine answers. Two engines satisfy it: the one in this page (local.ts) and the one that a
// `gradline studio` server runs (../remote). All numbers are doubles; coefficients are [intercept, slope, ...] as gradline orders them.

/** Rows of one or two inputs and a target. `weights` are precision weights; absent means one each. */
export interface Points {
  readonly inputs: readonly string[]; // names, one or two
  readonly target: string;
  readonly x: readonly (readonly number[])[]; // rows by inputs
  readonly y: readonly number[];
  readonly weights?: readonly number[];
}

/** A loss of the catalogue by its gradline name, one typed as `y, p -> ...`, or one that the server was given on its command line. */
export type LossSpec =
  | { readonly kind: "catalogue"; readonly name: string; readonly option?: number }
  | { readonly kind: "typed"; readonly text: string }
  | { readonly kind: "file"; readonly name: string };

export interface Settings {
  readonly loss: LossSpec;
  readonly method: "descent" | "newton";
  readonly rate: number | "auto"; // "auto" is 1 / lambda_max
  readonly momentum: number; // 0 is none
  readonly nesterov: boolean;
  readonly batch: number | null; // rows of a mini-batch; null is all rows
  readonly seed: number;
  readonly start: readonly number[]; // length 1 + inputs
  readonly standardised: boolean; // walk in inputs of mean 0 and standard deviation 1; coefficients are reported in the user's units
}

/** One step as gradline's history records it: the loss and the norm of its gradient at `coefficients`, before the step is taken. */
export interface Step {
  readonly step: number;
  readonly loss: number;
  readonly gradientNorm: number;
  readonly coefficients: readonly number[];
}

/** The largest learning rate at which descent does not diverge: 2 / lambda_max, 2 (1 + momentum) / lambda_max with heavy-ball momentum. */
export interface Stability {
  readonly largestRate: number | null; // null where the loss has no largest curvature (then `reason` says why)
  readonly curvatures: readonly number[]; // eigenvalues of the curvature at the optimum, largest first
  readonly predictedRate: number | null; // the factor by which the distance to the optimum shrinks a step at the rate chosen
  readonly reason: string;
}

/** Proof of an optimum: what is known of the distance to it. */
export interface Certificate {
  readonly converged: boolean;
  readonly gradientNorm: number;
  readonly toOptimum: number | null; // loss above the optimum's; null where that is not known, as of a minimum that may be a local one
  readonly reason: string; // one plain sentence
}

export interface Optimum {
  readonly coefficients: readonly number[];
  readonly loss: number;
  readonly certificate: Certificate;
}

/** A walk that can be stepped, and stepped back: the engine keeps its records. */
export interface Walk {
  readonly steps: readonly Step[];
  readonly diverged: string | null; // why it ended, in one sentence
  readonly rate: number; // the rate of the last step: the one asked for, or what "auto" has come to
  readonly warning: string | null; // said before the first step: the rate is above the largest stable one (squared loss)
  advance(count: number): readonly Step[]; // the new ones
  back(count: number): void;
}

/** Loss on a grid of two coefficients, the third held; row-major, `second` by `first`. */
export interface Surface {
  readonly first: readonly number[];
  readonly second: readonly number[];
  readonly loss: Float64Array;
}

export interface Compared {
  readonly loss: LossSpec;
  readonly optimum: Optimum;
  readonly leaveOneOut: number | null; // mean held-out loss of its own kind
  readonly influence: { readonly residual: readonly number[]; readonly slope: readonly number[] }; // derivative of the loss in p against the residual
}

/** What a loss takes: any number, labels 0 and 1, labels -1 and 1, numbers of 0 or above, or numbers above 0. */
export type Target = "any" | "binary" | "signs" | "count" | "positive";

export interface Problem {
  readonly path: string; // where in the input: "loss, character 7", "row 12, column x"
  readonly message: string; // what is wrong and what to do
}

export class EngineError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.message);
  }
}

export interface Engine {
  /** Names of losses it knows, each with the sentence that says what it is for and its option, if it takes one. */
  losses(): readonly { name: string; title: string; about: string; option?: { name: string; value: number; low: number; high: number }; target: Target }[];
  walk(points: Points, settings: Settings): Promise<Walk>;
  optimum(points: Points, settings: Settings): Promise<Optimum>;
  stability(points: Points, settings: Settings, optimum: Optimum): Promise<Stability>;
  /** `over`: the two coefficients, the intercept and the first slope unless given; `held`: the value of the third, in the walk's coordinates. */
  surface(
    points: Points,
    settings: Settings,
    first: readonly [number, number],
    second: readonly [number, number],
    size: number,
    held?: number,
    over?: readonly [number, number],
  ): Promise<Surface>;
  compare(points: Points, settings: Settings, losses: readonly LossSpec[]): Promise<readonly Compared[]>;
  predict(settings: Settings, coefficients: readonly number[], x: readonly (readonly number[])[]): readonly number[];
}
