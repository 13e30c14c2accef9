// What one takes home: a Python script, a command, a table and a model file that give the numbers on the screen again.

import { entry } from "./catalogue.ts";
import { standardised } from "./frame.ts";
import { formulaText, modelFile } from "./model_file.ts";
import { norm } from "./linear.ts";
import { pythonLoss, pythonNumber } from "./python.ts";
import { lossOf, Objective, rowsOf } from "./rows.ts";
import { EngineError, type Certificate, type LossSpec, type Optimum, type Points, type Settings, type Step, type Walk } from "./types.ts";

/** Where the points are from, where a call makes them again. */
export type Source = { readonly kind: "line"; readonly count: number; readonly slope: number; readonly intercept: number; readonly noise: number; readonly seed: number };

export interface Shown {
  readonly points: Points;
  readonly source?: Source; // only while the points are as they were made
  readonly settings: Settings;
  readonly walk: Walk | null;
  readonly optimum: Optimum | null;
}

const CHUNK = 50;

/** A CSV of the points: inputs, target and, where there are any, weights. */
export function csvOf(points: Points): string {
  const { weights } = points;
  const cell = (text: string): string => (/[",\r\n;]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const heading = [...points.inputs, points.target, ...(weights === undefined ? [] : ["weight"])].map(cell).join(",");
  const lines = points.y.map((y, i) => [...points.x[i]!, y, ...(weights === undefined ? [] : [weights[i]!])].join(","));
  return `${heading}\n${lines.join("\n")}\n`;
}

/** A script that prints the walk's last step and the optimum. With `file` it reads the points of csvOf from there, else it holds them. */
export function pythonScript(shown: Shown, file?: string): string {
  const { points, settings, walk, optimum } = shown;
  const lines: string[] = [];
  const typed = settings.loss.kind === "typed" ? pythonLoss(settings.loss.text) : null;
  const jax = typed === null ? "" : '   # pip install "gradline[jax]"';
  lines.push("# What the page of gradline studio showed.");
  if (typed !== null) lines.push(...typed.imports);
  lines.push("import numpy as np", "", `import gradline as gl${jax}`, "");
  lines.push(...data(shown, file), "");
  if (typed !== null) lines.push("", typed.source.trimEnd(), "", "");
  const loss = pythonLossName(settings.loss);
  const weights = points.weights === undefined ? "" : ", weights=weights";
  const walked = walk !== null && settings.method === "descent" && walk.steps.length > 1 ? walk.steps[walk.steps.length - 1]! : null;
  if (walked !== null) lines.push(...walkLines(shown, walk!, walked, loss, weights), "");
  lines.push("# The optimum.", `fit = gl.fit(x, y, loss=${loss}${weights})`, 'print("optimum: loss", fit.loss, "coefficients", fit.coefficients.ravel().tolist())', "print(fit.certificate.reason)");
  if (optimum !== null) lines.push(`# The page: loss ${pythonNumber(optimum.loss)}, coefficients ${list(optimum.coefficients)}`);
  return `${lines.join("\n")}\n`;
}

function data({ points, source }: Shown, file?: string): string[] {
  const count = points.inputs.length;
  const names = `# x: ${points.inputs.map(clean).join(", ")}; y: ${clean(points.target)}`;
  if (source !== undefined) {
    const { count: n, slope, intercept, noise, seed } = source;
    const usual = n === 1000 && slope === 6 && intercept === -5 && noise === 1;
    const given = usual ? "" : `n_examples=${n}, slope=${short(slope)}, intercept=${short(intercept)}, noise=${short(noise)}, `;
    return [`x, y = gl.datasets.line(${given}seed=${seed})`];
  }
  if (file !== undefined) {
    const columns = count === 1 ? "table[:, 0]" : `table[:, :${count}]`;
    const weights = points.weights === undefined ? [] : [`weights = table[:, ${count + 1}]`];
    return [`table = np.loadtxt(${text(file)}, delimiter=",", skiprows=1, ndmin=2)`, `${names}`, `x = ${columns}`, `y = table[:, ${count}]`, ...weights];
  }
  const rows = count === 1 ? points.x.map((row) => short(row[0]!)) : points.x.map((row) => `[${row.map(short).join(", ")}]`);
  const weights = points.weights === undefined ? [] : [`weights = np.array(${wrapped(points.weights.map(short))}, dtype=float)`];
  return [names, `x = np.array(${wrapped(rows)}, dtype=float)`, `y = np.array(${wrapped(points.y.map(short))}, dtype=float)`, ...weights];
}

function walkLines({ points, settings }: Shown, walk: Walk, last: Step, loss: string, weights: string): string[] {
  const lines: string[] = [`# ${last.step.toLocaleString("en-US")} ${last.step === 1 ? "step" : "steps"} of gradient descent.`];
  let start = settings.start;
  if (settings.standardised) {
    const frame = standardised(rowsOf(points));
    start = frame.inside(settings.start);
    lines.push("centre, width = x.mean(axis=0), x.std(axis=0)", ...(anyConstant(points) ? ["width = np.where(width > 0, width, 1.0)  # an input that does not vary"] : []));
  }
  const given = [`learning_rate=${settings.rate === "auto" ? '"auto"' : short(settings.rate)}`];
  const adaptive = settings.rate === "auto" && lossOf(settings.loss).squaredScale === null;
  const stopped = adaptive && (walk.rate !== firstRate(walk) || points.y.length * (1 + points.inputs.length) > 40_000);
  const steps = stopped ? Math.max(5000, Math.ceil(last.step / CHUNK) * CHUNK) : last.step;
  given.push(`steps=${steps}`);
  if (settings.momentum > 0) given.push(`momentum=${short(settings.momentum)}`);
  if (settings.nesterov && settings.momentum > 0) given.push("nesterov=True");
  if (settings.batch !== null && settings.batch < points.y.length) given.push(`batch_size=${settings.batch}`, `seed=${settings.seed}`, "record_every=1");
  if (start.some((value) => value !== 0)) given.push(`start=${list(start)}`);
  if (walk.warning !== null) given.push("allow_divergence=True");
  // The rate "auto" looks at fifty steps at a time, so the run is as long as the page's and ends where the page's did.
  if (stopped && steps !== last.step) given.push(`callbacks=[lambda record: record.step >= ${last.step}]`);
  const x = settings.standardised ? "(x - centre) / width" : "x";
  lines.push(`walk = gl.fit(${x}, y, loss=${loss}${weights}, solver=gl.GradientDescent(${given.join(", ")}), covariance=False)`, "last = walk.history[-1]");
  lines.push("coefficients = last.coefficients.ravel()");
  if (settings.standardised) lines.push("slopes = coefficients[1:] / width", "coefficients = np.concatenate([[coefficients[0] - np.sum(slopes * centre)], slopes])");
  lines.push('print("step", last.step, "loss", last.loss, "coefficients", coefficients.tolist())');
  lines.push(`# The page: loss ${pythonNumber(last.loss)}, coefficients ${list(last.coefficients)}`);
  return lines;
}

/** The rate a walk began with. */
function firstRate(walk: Walk): number {
  return "firstRate" in walk ? (walk.firstRate as number) : walk.rate;
}

function anyConstant(points: Points): boolean {
  return points.inputs.some((_, j) => points.x.every((row) => row[j] === points.x[0]![j]));
}

/** The command line, what it gives, and what it leaves out. */
export function command(shown: Shown, file: string): { readonly text: string; readonly note: string } {
  const { points, settings, walk } = shown;
  const parts = ["gradline", "fit", shell(file), shell(formulaText(points.inputs, points.target))];
  const { loss } = settings;
  if (loss.kind === "typed") parts.push("--loss-from", "my_loss.py:loss");
  else if (loss.kind === "file") parts.push("--loss-from", shell(loss.name));
  else if (loss.name !== "squared") parts.push("--loss", shell(commandLoss(loss)));
  if (points.weights !== undefined) parts.push("--weights", "weight");
  const steps = walk === null ? 0 : walk.steps.length - 1;
  const hard = [
    ...(settings.momentum > 0 ? ["momentum"] : []),
    ...(settings.batch !== null && settings.batch < points.y.length ? ["mini-batches"] : []),
    ...(settings.start.some((value) => value !== 0) ? ["a start other than zero"] : []),
    ...(settings.standardised ? ["standardised inputs"] : []),
    ...(walk?.warning != null || walk?.diverged != null ? ["a walk that diverges"] : []),
  ];
  if (settings.method !== "descent" || steps === 0) return { text: parts.join(" "), note: "gives the optimum" };
  if (hard.length > 0) return { text: parts.join(" "), note: `gives the optimum; a walk with ${hard.join(", ")} needs the Python script` };
  parts.push("--solver", "gradient-descent", "--learning-rate", settings.rate === "auto" ? "auto" : short(settings.rate), "--steps", String(steps));
  return { text: parts.join(" "), note: `gives the coefficients after ${steps.toLocaleString("en-US")} ${steps === 1 ? "step" : "steps"}` };
}

/** The file my_loss.py of a typed loss; null for others. */
export function lossFile(loss: LossSpec): string | null {
  if (loss.kind !== "typed") return null;
  const { source, imports } = pythonLoss(loss.text);
  return `${imports.join("\n")}\n\n\n${source}`;
}

/** The model file of the walk's last step or, before there is one, of the optimum. */
export function modelOf(shown: Shown, version: string): string {
  const { points, settings, walk, optimum } = shown;
  const loss = lossOf(settings.loss);
  const rows = rowsOf(points);
  const last = walk !== null && walk.steps.length > 1 ? walk.steps[walk.steps.length - 1]! : null;
  const coefficients = last?.coefficients ?? optimum?.coefficients;
  if (coefficients === undefined) throw new EngineError({ path: "walk", message: "take a step or find the optimum first: there is no model yet" });
  if (!coefficients.every(Number.isFinite)) throw new EngineError({ path: "walk", message: "the walk has left the numbers; step back before saving a model" });
  const { value, gradient } = new Objective(rows, loss).evaluate(coefficients);
  const descent = last !== null && settings.method === "descent";
  const certificate: Certificate = last === null || settings.method === "newton" && optimum !== null && same(coefficients, optimum.coefficients) ? optimum!.certificate : halfway(last, walk!, norm(gradient), value, optimum);
  return modelFile(
    {
      inputs: points.inputs,
      target: points.target,
      rows: rows.share.reduce((sum, share) => sum + (share > 0 ? 1 : 0), 0),
      loss: settings.loss,
      coefficients,
      objective: value,
      certificate,
      solver: descent ? "gradient descent" : loss.squaredScale !== null ? "least_squares" : loss.kinks === null ? "Newton" : loss.straight ? "PiecewiseLinear" : "ActiveSetNewton",
      solverAsked: descent,
      passes: last === null ? 1 : last.step + 1,
      learningRate: descent ? walk!.rate : null,
      weighted: points.weights !== undefined,
    },
    version,
  );
}

function same(a: readonly number[], b: readonly number[]): boolean {
  return a.every((value, j) => value === b[j]);
}

function halfway(last: Step, walk: Walk, gradientNorm: number, loss: number, optimum: Optimum | null): Certificate {
  const steps = `${last.step.toLocaleString("en-US")} ${last.step === 1 ? "step" : "steps"}`;
  const above = optimum !== null && optimum.certificate.converged && optimum.certificate.toOptimum !== null ? Math.max(loss - optimum.loss, 0) : null;
  const near = above !== null && above <= 1e-9 * Math.abs(loss);
  return {
    converged: walk.diverged === null && near,
    gradientNorm,
    toOptimum: above,
    reason: walk.diverged ?? (above === null ? `${steps} done` : `${steps} done; the loss is ${pythonNumber(Number(above.toPrecision(3)))} above its optimum`),
  };
}

function pythonLossName(spec: LossSpec): string {
  if (spec.kind === "typed") return "loss";
  if (spec.kind === "file") return text(spec.name);
  const [name, link] = spec.name.split(":") as [string, string | undefined];
  if (link !== undefined) return `gl.losses.${name}(${text(link)})`;
  const { option } = entry(name);
  return option === undefined ? `gl.losses.${name}` : `gl.losses.${name}(${short(spec.option ?? option.value)})`;
}

function commandLoss(spec: { readonly name: string; readonly option?: number }): string {
  const { option } = entry(spec.name);
  return option === undefined ? spec.name : `${spec.name}:${short(spec.option ?? option.value)}`;
}

/** A double with all its digits, whole numbers without a point. */
function short(value: number): string {
  return pythonNumber(value).replace(/^(-?\d+)\.0$/, "$1");
}

function list(values: readonly number[]): string {
  return `[${values.map(pythonNumber).join(", ")}]`;
}

/** A Python list over as many lines as it needs. */
function wrapped(items: readonly string[]): string {
  const one = `[${items.join(", ")}]`;
  if (one.length <= 100) return one;
  const lines: string[] = [];
  let line = "   ";
  for (const item of items) {
    if (line.length + item.length > 118) {
      lines.push(line);
      line = "   ";
    }
    line += ` ${item},`;
  }
  return `[\n${[...lines, line].join("\n")}\n]`;
}

/** A Python string, whatever it holds. */
function text(value: string): string {
  return JSON.stringify(value).replace(/[\u007f-\uffff]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** A name in a comment: on one line. */
function clean(name: string): string {
  return name.replace(/[^\P{C}]/gu, " ").slice(0, 100);
}

function shell(value: string): string {
  return /^[A-Za-z0-9_.,:/=-]+$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`;
}
