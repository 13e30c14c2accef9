// gradline's losses of one linear predictor, with the same names, options and conventions (src/gradline/losses): squared loss is
// (y - p)^2 without a half; huber, log_cosh and tukey are r^2 / 2 near zero; likelihoods carry their constants.

import { exponential, gamma, gaussianOfLog, negativeBinomial, poisson, tweedie } from "./losses/amounts.ts";
import { cauchit, cloglog, hinge, logistic, loglog, probit } from "./losses/labels.ts";
import { absolute, epsilonInsensitive, expectile, heavyTailed, huber, logCosh, quantileLoss, squared, tukey } from "./losses/residuals.ts";
import type { RowLoss } from "./row_loss.ts";
import { EngineError, type Target } from "./types.ts";

interface Entry {
  readonly title: string;
  readonly about: string;
  readonly option?: { name: string; value: number; low: number; high: number };
  readonly make: (option: number) => RowLoss;
}

const ENTRIES: Readonly<Record<string, Entry>> = {
  squared: { title: "Squared", about: "The line through the mean of y. A far point counts with the square of its distance.", make: squared },
  absolute: { title: "Absolute", about: "The line through the median of y. A far point counts by its side only.", make: absolute },
  huber: {
    title: "Huber",
    about: "Squares near the line, straight beyond the threshold: outliers count by side and not by size.",
    option: { name: "threshold", value: 1.35, low: 0.05, high: 20 },
    make: huber,
  },
  quantile: {
    title: "Quantile",
    about: "The line that this share of the points lies below.",
    option: { name: "level", value: 0.9, low: 0.01, high: 0.99 },
    make: quantileLoss,
  },
  expectile: {
    title: "Expectile",
    about: "Squares, with one weight above the line and another below it.",
    option: { name: "level", value: 0.8, low: 0.01, high: 0.99 },
    make: expectile,
  },
  log_cosh: { title: "Log-cosh", about: "Between squared and absolute, smooth everywhere.", make: logCosh },
  epsilon_insensitive: {
    title: "Epsilon-insensitive",
    about: "Points within epsilon of the line cost nothing: support vector regression.",
    option: { name: "epsilon", value: 0.5, low: 0, high: 10 },
    make: epsilonInsensitive,
  },
  tukey: {
    title: "Tukey",
    about: "Points beyond the threshold count for nothing. Not convex: an optimum may be a local one.",
    option: { name: "threshold", value: 4.685, low: 0.2, high: 50 },
    make: tukey,
  },
  student_t: {
    title: "Student t",
    about: "Heavy tails: the farther a point, the less it pulls. Not convex: an optimum may be a local one.",
    option: { name: "degrees", value: 4, low: 0.5, high: 100 },
    make: (degrees) => heavyTailed("student_t", degrees, 1),
  },
  cauchy: {
    title: "Cauchy",
    about: "The heaviest tails. Not convex: an optimum may be a local one.",
    option: { name: "scale", value: 1, low: 0.05, high: 20 },
    make: (scale) => heavyTailed("cauchy", 1, scale),
  },
  logistic: { title: "Logistic", about: "The log odds of y = 1, y being 0 or 1.", make: logistic },
  probit: { title: "Probit", about: "The normal quantile of the probability of y = 1.", make: probit },
  cloglog: { title: "Complementary log-log", about: "Whether anything happened, at a rate that the inputs multiply.", make: cloglog },
  loglog: { title: "Log-log", about: "The mirror image of complementary log-log.", make: loglog },
  cauchit: {
    title: "Cauchit",
    about: "Labels far on the wrong side count little. Not convex: an optimum may be a local one.",
    make: cauchit,
  },
  hinge: { title: "Hinge", about: "The margin of a support vector machine, y being -1 or 1.", make: hinge },
  poisson: { title: "Poisson", about: "Counts: the inputs multiply the mean.", make: poisson },
  negative_binomial: {
    title: "Negative binomial",
    about: "Counts that vary more than a Poisson's, by a dispersion.",
    option: { name: "dispersion", value: 0.5, low: 0.01, high: 20 },
    make: negativeBinomial,
  },
  gamma: { title: "Gamma", about: "Amounts above zero whose scatter grows with their mean; the inputs multiply the mean.", make: gamma },
  tweedie: {
    title: "Tweedie",
    about: "Amounts, many of which may be zero; the variance grows as a power of the mean.",
    option: { name: "power", value: 1.5, low: 1.01, high: 1.99 },
    make: tweedie,
  },
  exponential: { title: "Exponential", about: "Times above zero with a constant hazard.", make: exponential },
  // As the command line writes it: gaussian alone is squared loss.
  "gaussian:log": {
    title: "Gaussian, log link",
    about: "Squares about a mean that the inputs multiply. Not convex: an optimum may be a local one.",
    make: gaussianOfLog,
  },
};

/** Names in the order in which a page offers them. */
export const CATALOGUE: readonly string[] = Object.keys(ENTRIES);

export function entry(name: string): Entry {
  const found = Object.hasOwn(ENTRIES, name) ? ENTRIES[name] : undefined;
  if (found === undefined) {
    throw new EngineError({ path: "loss", message: `no loss is called '${name}'; there are ${CATALOGUE.join(", ")}` });
  }
  return found;
}

/** The loss of the catalogue with this option, or with the usual one. */
export function catalogueLoss(name: string, option?: number): RowLoss {
  const { option: known, make } = entry(name);
  if (known === undefined) return make(0);
  const value = option ?? known.value;
  checkOption(name, known.name, value);
  return make(value);
}

function checkOption(name: string, option: string, value: number): void {
  const refuse = (what: string): never => {
    throw new EngineError({ path: `loss, ${option}`, message: `loss ${name}: ${option} must be ${what}, not ${value}` });
  };
  if (!Number.isFinite(value)) refuse("a finite number");
  if (option === "level" && !(value > 0 && value < 1)) refuse("between 0 and 1");
  if (option === "epsilon" && value < 0) refuse("0 or above");
  if (name === "tweedie" && !(value > 1 && value !== 2)) refuse("above 1 and not 2 (1 is poisson, 2 is gamma)");
  if (!["level", "epsilon"].includes(option) && !(value > 0)) refuse("above 0");
}

const DOMAINS: Readonly<Record<Target, { holds: (y: number) => boolean; words: string }>> = {
  any: { holds: () => true, words: "a finite number" },
  binary: { holds: (y) => y === 0 || y === 1, words: "0 or 1" },
  signs: { holds: (y) => y === -1 || y === 1, words: "-1 or 1" },
  count: { holds: (y) => y >= 0, words: "0 or above" },
  positive: { holds: (y) => y > 0, words: "above 0" },
};

/** The words for what the loss wants of a target, or null where this one is good. */
export function targetFault(found: RowLoss, y: number): string | null {
  const domain = DOMAINS[found.target];
  return Number.isFinite(y) && domain.holds(y) ? null : domain.words;
}

