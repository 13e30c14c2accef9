// The model file of docs/model-file.md, as gradline itself would save what the page shows.

import { entry } from "./catalogue.ts";
import { pythonLoss, pythonNumber } from "./python.ts";
import { lossOf } from "./rows.ts";
import { sha256 } from "./sha256.ts";
import type { Certificate, LossSpec } from "./types.ts";
import { EngineError } from "./types.ts";

/** What is saved: coefficients of a walk's last step, or of the optimum. */
export interface Fitted {
  readonly inputs: readonly string[];
  readonly target: string;
  readonly rows: number;
  readonly loss: LossSpec;
  readonly coefficients: readonly number[];
  readonly objective: number;
  readonly certificate: Certificate;
  readonly solver: string;
  readonly solverAsked: boolean;
  readonly passes: number;
  readonly learningRate: number | null;
  readonly weighted: boolean;
}

/** A double, which JSON would not tell from a whole number. */
class Double {
  constructor(readonly value: number) {}
}

type Json = null | boolean | number | string | Double | readonly Json[] | { readonly [key: string]: Json };

const PREDICTORS: Readonly<Record<string, string>> = {
  squared: "mean",
  absolute: "median",
  quantile: "quantile",
  expectile: "expectile",
  logistic: "log_odds",
  cloglog: "log_rate",
  hinge: "score",
  poisson: "log_mean",
  negative_binomial: "log_mean",
  gamma: "log_mean",
  tweedie: "log_mean",
  "gaussian:log": "log_mean",
};

/** The text of the file. `version` is the gradline that would have written it. */
export function modelFile(fitted: Fitted, version: string): string {
  const document: Record<string, Json> = { format: "gradline model", version: 2, gradline: version, model: model(fitted) };
  const checksum = `sha256:${sha256(canonical(document))}`;
  const fields = Object.entries(document["model"] as Record<string, Json>).map(([key, value]) => `    ${JSON.stringify(key)}: ${spaced(value)}`);
  return `{\n  "format": "gradline model",\n  "version": 2,\n  "gradline": ${quoted(version)},\n  "checksum": "${checksum}",\n  "model": {\n${fields.join(",\n")}\n  }\n}\n`;
}

function model(fitted: Fitted): Record<string, Json> {
  const { certificate } = fitted;
  const plainNames = [...fitted.inputs, fitted.target].every((name) => !name.includes("`"));
  return {
    names: ["Intercept", ...fitted.inputs],
    intercept: true,
    target_names: [fitted.target],
    predictor_names: [fitted.loss.kind === "catalogue" ? (PREDICTORS[fitted.loss.name] ?? "location") : "prediction"],
    columns_named: true,
    coefficients: fitted.coefficients.map((value) => [number(value)]),
    aliased: [],
    digits: null,
    loss: lossRecord(fitted.loss),
    penalty: null,
    objective: number(fitted.objective),
    rows_used: fitted.rows,
    rows_dropped: {},
    certificate: {
      converged: certificate.converged,
      gradient_norm: number(certificate.gradientNorm),
      reason: certificate.reason,
      remedy: certificate.converged ? "" : "Take more steps, or let gl.fit find the optimum.",
      gap: certificate.toOptimum === null ? null : number(certificate.toOptimum),
    },
    solver: fitted.solver,
    solver_asked: fitted.solverAsked,
    passes: fitted.passes,
    seconds: null,
    learning_rate: fitted.learningRate === null ? null : number(fitted.learningRate),
    notes: ["fitted in the page of gradline studio"],
    formula: plainNames ? formula(fitted) : null,
    beside: fitted.weighted ? { weights: "weight" } : {},
    class_labels: [],
    fingerprint: null,
    constraints: null,
    uncertainty: { kind: "none", reason: "the page of gradline studio works out no standard errors: fit the rows again with gl.fit" },
    curves: [],
    absorbed: null,
    smoothing: "",
  };
}

function formula({ inputs, target }: Fitted): Json {
  return {
    formulas: [{ predictor: "", text: formulaText(inputs, target), targets: [[target, true]], terms: [[], ...inputs.map((name) => [[name, true]])], offsets: [] }],
    columns: Object.fromEntries([...inputs, target].map((name) => [name, "number"])),
    states: {},
    levels: {},
  };
}

/** `y ~ x + z`, names that are no plain words in backquotes. */
export function formulaText(inputs: readonly string[], target: string): string {
  const name = (one: string): string => (/^[A-Za-z_][A-Za-z0-9_]*$/.test(one) ? one : `\`${one}\``);
  return `${name(target)} ~ ${inputs.map(name).join(" + ")}`;
}

function lossRecord(spec: LossSpec): Json {
  if (spec.kind === "file") throw new EngineError({ path: "loss", message: "a loss of a file is saved by the server that holds it" });
  if (spec.kind === "typed") {
    const { source } = pythonLoss(spec.text);
    const scale = lossOf(spec).squaredScale;
    return {
      kind: "own",
      name: "loss",
      framework: "jax",
      form: "row",
      linear_predictors: null,
      likelihood: false,
      squared_scale: scale === null ? null : number(scale),
      function: { name: "loss", source, sha256: sha256(source), numbers: {} },
      prediction: null,
      identity: true,
    };
  }
  const [name, link] = spec.name.split(":") as [string, string | undefined];
  const { option } = entry(spec.name);
  const parameters: Record<string, Json> = {};
  if (option !== undefined) parameters[option.name] = number(spec.option ?? option.value);
  if (name === "huber" || name === "student_t") parameters["scale"] = number(1);
  if (link !== undefined) parameters["link"] = link;
  return { kind: "built-in", name, parameters };
}

function number(value: number): Json {
  return Number.isFinite(value) ? new Double(value) : Number.isNaN(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
}

/** As json.dumps(value, sort_keys=True, separators=(",", ":")) of Python writes it. */
function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (isRecord(value)) {
    const keys = Object.keys(value).sort(byCodePoint);
    return `{${keys.map((key) => `${quoted(key)}:${canonical(value[key]!)}`).join(",")}}`;
  }
  return atom(value as Json);
}

function spaced(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(spaced).join(", ")}]`;
  if (isRecord(value)) return `{${Object.entries(value).map(([key, one]) => `${quoted(key)}: ${spaced(one)}`).join(", ")}}`;
  return atom(value as Json);
}

function isRecord(value: Json): value is { readonly [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Double);
}

function atom(value: Json): string {
  if (value instanceof Double) return pythonNumber(value.value);
  if (typeof value === "string") return quoted(value);
  return String(value);
}

function quoted(text: string): string {
  return JSON.stringify(text).replace(/[\u007f-\uffff]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Python sorts by code points, JavaScript by halves of them. */
function byCodePoint(a: string, b: string): number {
  const [left, right] = [[...a], [...b]];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const gap = left[i]!.codePointAt(0)! - right[i]!.codePointAt(0)!;
    if (gap !== 0) return gap;
  }
  return left.length - right.length;
}
