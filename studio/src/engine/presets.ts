// Points to begin with.

import { sigmoid } from "./numbers.ts";
import { Generator } from "./pcg64.ts";
import { penguins } from "./penguins.ts";
import type { Source } from "./takeaway.ts";
import { EngineError, type LossSpec, type Points } from "./types.ts";

export interface Preset {
  readonly name: string;
  readonly title: string;
  readonly about: string;
  readonly loss: LossSpec;
  /** Of the points a call in Python makes too. */
  readonly source?: Source;
  readonly points: () => Points;
}

/** gl.datasets.line(count, slope, intercept, noise, seed), number by number. */
export function line(source: Source): Points {
  const generator = new Generator(source.seed);
  const xs = Array.from({ length: source.count }, () => generator.normal());
  const y = xs.map((x) => source.slope * x + source.intercept + source.noise * generator.normal());
  return { inputs: ["x"], target: "y", x: xs.map((x) => [x]), y };
}

const TUTORIAL: Source = { kind: "line", count: 1000, slope: 6, intercept: -5, noise: 1, seed: 1 };
const FEW: Source = { ...TUTORIAL, count: 30 };

const catalogue = (name: string, option?: number): LossSpec => (option === undefined ? { kind: "catalogue", name } : { kind: "catalogue", name, option });

/** To two decimals: points that one can read. */
const rounded = (value: number): number => Math.round(value * 100) / 100;

function scattered(count: number, seed: number, y: (x: number, generator: Generator) => number, low = 0, high = 10): { x: number[]; y: number[] } {
  const generator = new Generator(seed);
  const x = Array.from({ length: count }, () => rounded(low + (high - low) * generator.uniform()));
  return { x, y: x.map((one) => y(one, generator)) };
}

function onePredictor(found: { x: readonly number[]; y: readonly number[] }, input = "x", target = "y"): Points {
  return { inputs: [input], target, x: found.x.map((one) => [one]), y: found.y };
}

function lever(): Points {
  const { x, y } = scattered(25, 4, (one, generator) => rounded(1 + 0.8 * one + 0.6 * generator.normal()), 0, 5);
  return onePredictor({ x: [...x, 16], y: [...y, 3] });
}

function outliers(): Points {
  const { x, y } = scattered(60, 9, (one, generator) => rounded(2 + 0.7 * one + 0.5 * generator.normal()));
  // Every ninth was written down wrongly.
  return onePredictor({ x, y: y.map((one, i) => (i % 9 === 4 ? rounded(one + 9 + (i % 5)) : one)) });
}

function plane(): Points {
  const generator = new Generator(12);
  const x = Array.from({ length: 80 }, () => [rounded(10 * generator.uniform()), rounded(6 * generator.uniform())]);
  return { inputs: ["x", "z"], target: "y", x, y: x.map(([a, b]) => rounded(3 + 0.9 * a! - 1.4 * b! + 0.8 * generator.normal())) };
}

function binary(): Points {
  return onePredictor(scattered(70, 21, (x, generator) => (generator.uniform() < sigmoid(1.1 * (x - 5)) ? 1 : 0)), "hours", "passed");
}

function counts(): Points {
  // Poisson numbers, by multiplying uniform ones until they fall below exp(-mean).
  return onePredictor(
    scattered(60, 33, (x, generator) => {
      const limit = Math.exp(-Math.exp(0.2 + 0.25 * x));
      let count = -1;
      for (let product = 1; product > limit; count++) product *= generator.uniform();
      return count;
    }),
    "x",
    "count",
  );
}

function flippers(inputs: readonly ("flipper" | "bill")[]): Points {
  const found = penguins();
  const names = { flipper: "flipper_length_mm", bill: "bill_length_mm" };
  return { inputs: inputs.map((one) => names[one]), target: "body_mass_g", x: found.mass.map((_, i) => inputs.map((one) => found[one][i]!)), y: found.mass };
}

export const PRESETS: readonly Preset[] = [
  { name: "line", title: "A noisy line", about: "The tutorial's 1,000 points of y = 6x - 5, with noise.", loss: catalogue("squared"), source: TUTORIAL, points: () => line(TUTORIAL) },
  { name: "few", title: "Thirty points", about: "The first few of a noisy line: drag them about.", loss: catalogue("squared"), source: FEW, points: () => line(FEW) },
  { name: "penguins", title: "Penguins", about: "How heavy 342 penguins are, by the length of their flippers.", loss: catalogue("squared"), points: () => flippers(["flipper"]) },
  { name: "lever", title: "A lever", about: "One point far to the right turns the whole line.", loss: catalogue("squared"), points: lever },
  { name: "outliers", title: "Outliers", about: "One row in nine was written down wrongly.", loss: catalogue("huber", 1.35), points: outliers },
  { name: "plane", title: "Two inputs", about: "A plane through points in space.", loss: catalogue("squared"), points: plane },
  { name: "penguins2", title: "Penguins, two inputs", about: "Their weight by flippers and bills.", loss: catalogue("squared"), points: () => flippers(["flipper", "bill"]) },
  { name: "binary", title: "Yes or no", about: "Who passed, by the hours learned.", loss: catalogue("logistic"), points: binary },
  { name: "counts", title: "Counts", about: "How often something happened: 0, 1, 2, ...", loss: catalogue("poisson"), points: counts },
];

export function preset(name: string): Preset {
  const found = PRESETS.find((one) => one.name === name);
  if (found === undefined) throw new EngineError({ path: "example", message: `no example is called '${name}'` });
  return found;
}
