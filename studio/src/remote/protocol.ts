// The messages between the page and a `gradline studio` server, as ../../PROTOCOL.md tells them. Numbers that are not finite are null.

import type { Compared, Optimum, Points, Problem, Settings, Stability, Step } from "../engine/types";

export const PROTOCOL = 1;

export type ColumnKind = "number" | "text" | "boolean" | "category" | "date" | "other";

export interface ColumnHead {
  readonly name: string;
  readonly kind: ColumnKind;
}

export interface TableHead {
  readonly name: string;
  readonly rows: number | null; // null where they are not known without reading them
  readonly columns: readonly ColumnHead[];
}

export interface FileLoss {
  readonly file: string;
  readonly name: string;
}

export interface Hello {
  readonly protocol: number;
  readonly version: string;
  readonly table: TableHead | null;
  readonly losses: readonly FileLoss[];
  readonly given: Fitted | null; // a fit that gl.studio(fit) was given
}

// What is fitted.

export type Transform = "none" | "log" | "log1p" | "sqrt" | "square" | "standardise" | "factor" | "spline" | "poly";

/** A column with what is done to it. `degree` goes with "poly". */
export interface Factor {
  readonly column: string;
  readonly transform: Transform;
  readonly degree?: number;
}

/** One factor, or the interaction of two or three. */
export interface Term {
  readonly factors: readonly Factor[];
}

export interface LossChoice {
  readonly kind: "catalogue" | "file";
  readonly name: string;
  readonly options?: Readonly<Record<string, number | string>>;
}

export interface PenaltyChoice {
  readonly name: "ridge" | "lasso" | "elastic_net" | "group_lasso" | "scad" | "mcp";
  readonly strength: number | "auto";
  readonly share?: number; // the L1 share of the elastic net
}

export interface ModelSpec {
  readonly target: string;
  readonly targetClass: string | null; // of a text target of two classes: the one that counts as 1; null for the last in order
  readonly targetTransform: "none" | "log" | "log1p" | "sqrt";
  readonly terms: readonly Term[];
  readonly intercept: boolean;
  readonly formula: string | null; // typed by hand; then target, terms and intercept are not looked at
  readonly loss: LossChoice;
  readonly weights: string | null;
  readonly frequencies: string | null;
  readonly covariance: "default" | "classical" | "HC0" | "HC1" | "HC2" | "HC3" | "cluster" | "none";
  readonly groups: string | null; // of "cluster"
  readonly penalty: PenaltyChoice | null;
}

// Answers.

export interface Column {
  readonly name: string;
  readonly kind: ColumnKind;
  readonly rows: number; // all of the table
  readonly missing: number;
  readonly low: number | string | null; // dates as text
  readonly high: number | string | null;
  readonly mean: number | null;
  readonly distinct: number | null; // among the rows sampled
  readonly histogram: { readonly edges: readonly number[]; readonly counts: readonly number[] } | null;
  readonly levels: readonly { readonly value: string; readonly count: number }[] | null; // the commonest of the rows sampled
  readonly sampled: number; // rows of which the picture is
  readonly problem: string | null; // why it cannot be read
}

export interface Coefficient {
  readonly predictor: string;
  readonly name: string;
  readonly estimate: number | null; // null: left out, determined by the others
  readonly error: number | null;
  readonly statistic: number | null;
  readonly p: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

export interface Concern {
  readonly level: "serious" | "look" | "note";
  readonly title: string;
  readonly text: string;
  readonly remedy: string;
}

export interface CurveLine {
  readonly name: string;
  readonly x: readonly number[];
  readonly y: readonly number[];
  readonly low: readonly (number | null)[];
  readonly high: readonly (number | null)[];
}

export interface Fitted {
  readonly key: string;
  readonly formula: string;
  readonly classes: readonly [string, string] | null; // of a text target: those that count as 0 and 1
  readonly rowsUsed: number;
  readonly rowsDropped: Readonly<Record<string, number>>;
  readonly loss: string;
  readonly objective: number | null;
  readonly statistic: "t" | "z" | null;
  readonly level: number;
  readonly coefficients: readonly Coefficient[];
  readonly coefficientsLeftOut: number; // beyond the first thousand
  readonly certificate: { readonly converged: boolean; readonly reason: string; readonly remedy: string; readonly gradientNorm: number | null };
  readonly warnings: readonly Concern[];
  readonly facts: readonly { readonly label: string; readonly text: string; readonly tone: "plain" | "good" | "bad" }[]; // of the summary
  readonly curves: readonly CurveLine[];
  readonly variables: readonly string[]; // columns whose effects can be asked for
  readonly passes: number;
  readonly seconds: number;
}

export interface ResultTable {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number | null)[])[];
  readonly note: string;
}

export interface Cloud {
  readonly title: string;
  readonly across: string;
  readonly up: string;
  readonly x: readonly number[];
  readonly y: readonly number[];
  readonly rows: readonly number[]; // the number of each point's row, from 0
  readonly line: { readonly x: readonly number[]; readonly y: readonly number[] } | null; // a trend, or what a right model would give
  readonly band: { readonly x: readonly number[]; readonly low: readonly number[]; readonly high: readonly number[] } | null;
  readonly bars: { readonly low: readonly number[]; readonly high: readonly number[] } | null; // intervals of the points
  readonly far: readonly number[]; // places among the points of the few whose rows are named
  readonly reading: string; // how to read it
  readonly drawn: number;
  readonly of: number;
}

export interface Diagnostics {
  readonly pictures: readonly Cloud[];
  readonly concerns: readonly Concern[];
  readonly absent: readonly { readonly what: string; readonly why: string }[];
}

export interface PenaltyPath {
  readonly penalty: string;
  readonly strengths: readonly number[];
  readonly names: readonly string[]; // of the coefficients drawn, the largest ones
  readonly coefficients: readonly (readonly number[])[]; // names by strengths
  readonly columns: number; // slopes there are
  readonly nonzero: readonly number[];
  readonly heldOut: { readonly mean: readonly number[]; readonly error: readonly number[]; readonly how: string };
  readonly best: number; // places
  readonly withinOneError: number;
}

export interface Predicted {
  readonly prediction: readonly (number | null)[];
  readonly low: readonly (number | null)[] | null;
  readonly high: readonly (number | null)[] | null;
  readonly guarantee: string; // what the interval promises, or why there is none
}

export interface Taken {
  readonly text: string | null;
  readonly name: string | null;
  readonly address: string | null; // relative to the page
}

export interface Walked {
  readonly steps: readonly Step[]; // the start first
  readonly diverged: string | null;
  readonly rate: number;
  readonly warning: string | null;
}

/** Each question with what it is asked with and what it is answered with. */
export interface Questions {
  columns: { with: { readonly names: readonly string[] }; answer: { readonly columns: readonly Column[] } };
  fit: { with: { readonly model: ModelSpec }; answer: Fitted };
  effects: { with: { readonly fit: string; readonly variables: readonly string[] | null; readonly by: string | null }; answer: ResultTable };
  diagnostics: { with: { readonly fit: string }; answer: Diagnostics };
  path: { with: { readonly model: ModelSpec }; answer: PenaltyPath };
  predict: {
    with: { readonly fit: string; readonly rows: readonly Readonly<Record<string, string | number | null>>[]; readonly interval: "confidence" | "prediction" | null };
    answer: Predicted;
  };
  take: { with: { readonly fit: string; readonly what: "python" | "command" | "model" | "report" }; answer: Taken };
  walk: { with: { readonly points: Points; readonly settings: Settings; readonly steps: number }; answer: Walked };
  optimum: { with: { readonly points: Points; readonly settings: Settings }; answer: Optimum };
  stability: { with: { readonly points: Points; readonly settings: Settings }; answer: Stability };
  surface: {
    with: { readonly points: Points; readonly settings: Settings; readonly first: readonly [number, number]; readonly second: readonly [number, number]; readonly size: number };
    answer: { readonly first: readonly number[]; readonly second: readonly number[]; readonly loss: readonly (number | null)[] };
  };
  compare: { with: { readonly points: Points; readonly settings: Settings; readonly losses: readonly Settings["loss"][] }; answer: { readonly compared: readonly Compared[] } };
}

export type Ask = keyof Questions;

export interface Progress {
  readonly stage: string;
  readonly done: number;
  readonly total: number | null;
  readonly status: string;
}

export interface Question {
  readonly id: number;
  readonly ask: Ask;
  readonly lane?: string;
  readonly with: unknown;
}

export type FromServer =
  | { readonly hello: Hello }
  | { readonly id: number; readonly answer: unknown }
  | { readonly id: number; readonly problem: Problem }
  | { readonly id: number; readonly cancelled: true }
  | { readonly id: number; readonly progress: Progress };
