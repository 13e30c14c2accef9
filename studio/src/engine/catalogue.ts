// gradline's losses of one linear predictor, with the same names, options and conventions (src/gradline/losses): squared loss is
// (y - p)^2 without a half; huber, log_cosh and tukey are r^2 / 2 near zero; likelihoods carry their constants.

import {
  HALF_LOG_TWO_PI,
  logGamma,
  logNormalCdf,
  erfcx,
  mean,
  median,
  negativeBinomialConstant,
  normalCdf,
  quantile,
  sigmoid,
  stirlingRest,
} from "./numbers.ts";
import type { Derived, Kinks, RowLoss } from "./row_loss.ts";
import { EngineError, type Target } from "./types.ts";

interface Entry {
  readonly title: string;
  readonly about: string;
  readonly option?: { name: string; value: number; low: number; high: number };
  readonly make: (option: number) => RowLoss;
}

interface Parts {
  readonly derive: (y: number, p: number, out: Derived) => void;
  readonly convex?: boolean;
  readonly squaredScale?: number | null;
  readonly kinks?: Kinks;
  readonly straight?: boolean;
  readonly target?: Target;
  readonly ofResiduals?: boolean;
  readonly predict?: (p: number) => number;
  readonly start?: (y: readonly number[]) => number;
}

const itself = (p: number): number => p;

function loss(name: string, parts: Parts): RowLoss {
  return {
    name,
    convex: parts.convex ?? true,
    squaredScale: parts.squaredScale ?? null,
    kinks: parts.kinks ?? null,
    straight: parts.straight ?? false,
    target: parts.target ?? "any",
    ofResiduals: parts.ofResiduals ?? false,
    derive: parts.derive,
    predict: parts.predict ?? itself,
    start: parts.start ?? median,
  };
}

function set(out: Derived, value: number, slope: number, curvature: number): void {
  out[0] = value;
  out[1] = slope;
  out[2] = curvature;
}

const squared = (): RowLoss =>
  loss("squared", {
    squaredScale: 1,
    start: mean,
    derive(y, p, out) {
      const r = p - y;
      set(out, r * r, 2 * r, 2);
    },
  });

const absolute = (): RowLoss =>
  loss("absolute", {
    straight: true,
    kinks: (y) => [y],
    derive(y, p, out) {
      set(out, Math.abs(p - y), Math.sign(p - y), 0);
    },
  });

const quantileLoss = (level: number): RowLoss =>
  loss("quantile", {
    straight: true,
    kinks: (y) => [y],
    start: (y) => quantile(y, level),
    derive(y, p, out) {
      const r = p - y;
      const slope = r < 0 ? -level : 1 - level;
      set(out, r * slope, r === 0 ? 0.5 - level : slope, 0);
    },
  });

const epsilonInsensitive = (epsilon: number): RowLoss =>
  loss("epsilon_insensitive", {
    straight: true,
    kinks: epsilon > 0 ? (y) => [y - epsilon, y + epsilon] : (y) => [y],
    derive(y, p, out) {
      const r = p - y;
      const excess = Math.abs(r) - epsilon;
      set(out, Math.max(excess, 0), 0.5 * (Math.sign(excess) + 1) * Math.sign(r), 0);
    },
  });

const expectile = (level: number): RowLoss =>
  loss("expectile", {
    squaredScale: level === 0.5 ? 0.5 : null,
    start: mean,
    derive(y, p, out) {
      const r = p - y;
      const weight = r <= 0 ? level : 1 - level;
      set(out, weight * r * r, 2 * weight * r, 2 * weight);
    },
  });

const huber = (threshold: number): RowLoss =>
  loss("huber", {
    ofResiduals: true,
    derive(y, p, out) {
      const z = p - y;
      const clipped = Math.min(Math.max(z, -threshold), threshold);
      set(out, clipped * (z - 0.5 * clipped), clipped, clipped === z ? 1 : 0);
    },
  });

const logCosh = (): RowLoss =>
  loss("log_cosh", {
    ofResiduals: true,
    derive(y, p, out) {
      const r = p - y;
      const size = Math.abs(r);
      const e = Math.exp(-2 * size);
      const inverse = 1 / (1 + e);
      const tanh = -Math.expm1(-2 * size) * inverse;
      const value = size < 0.5 ? -0.5 * Math.log1p(-tanh * tanh) : Math.log1p(e) + (size - Math.LN2);
      set(out, value, r < 0 ? -tanh : tanh, 4 * e * inverse * inverse);
    },
  });

const tukey = (threshold: number): RowLoss =>
  loss("tukey", {
    convex: false,
    derive(y, p, out) {
      const r = p - y;
      const u = Math.min(Math.max(r / threshold, -1), 1);
      const v = u * u;
      const weight = 1 - v;
      set(out, ((threshold * threshold) / 6) * v * (3 - 3 * v + v * v), r * weight * weight, weight * (1 - 5 * v));
    },
  });

function heavyTailed(name: string, degrees: number, scale: number): RowLoss {
  const unit = scale * Math.sqrt(degrees);
  const constant =
    logGamma(0.5 * degrees) - logGamma(0.5 * (degrees + 1)) + 0.5 * Math.log(degrees * Math.PI) + Math.log(scale);
  return loss(name, {
    convex: false,
    derive(y, p, out) {
      const t = (p - y) / unit;
      const weight = (degrees + 1) / unit / (1 + t * t);
      set(
        out,
        0.5 * (degrees + 1) * Math.log1p(t * t) + constant,
        t * weight,
        weight * (weight * (2 / (degrees + 1)) - 1 / unit),
      );
    },
  });
}

const labelStart = (y: readonly number[]): number => {
  let ones = 0.5;
  for (const value of y) ones += value;
  return Math.log(ones) - Math.log(y.length + 1 - ones);
};

const logistic = (): RowLoss =>
  loss("logistic", {
    target: "binary",
    predict: sigmoid,
    start: labelStart,
    derive(y, p, out) {
      const sign = 1 - 2 * y;
      const z = sign * p;
      const e = Math.exp(-Math.abs(z));
      const inverse = 1 / (1 + e);
      set(out, Math.log1p(e) + Math.max(z, 0), sign * (z >= 0 ? inverse : e * inverse), e * inverse * inverse);
    },
  });

/** -log F(p) for label 1 and, of a symmetric F, -log F(-p) for label 0. `yes` writes the first. */
function symmetricLink(
  name: string,
  convex: boolean,
  yes: (p: number, out: Derived) => void,
  predict: (p: number) => number,
  start: (y: readonly number[]) => number,
): RowLoss {
  return loss(name, {
    convex,
    target: "binary",
    predict,
    start,
    derive(y, p, out) {
      yes(y === 1 ? p : -p, out);
      if (y !== 1) out[1] = -out[1]!;
    },
  });
}

function probitYes(p: number, out: Derived): void {
  const ratio = 1 / (Math.sqrt(0.5 * Math.PI) * erfcx(-Math.SQRT1_2 * p));
  let excess = ratio + p;
  if (p < -50) {
    const inverse = -1 / p;
    const square = inverse * inverse;
    excess = inverse * (1 - square * (2 - square * (10 - square * (74 - 706 * square))));
  }
  set(out, -logNormalCdf(p), -ratio, ratio * excess);
}

/** The place where an increasing function reaches a value, by bisection: only ever a start. */
function inverseOf(f: (p: number) => number, value: number): number {
  let low = -40;
  let high = 40;
  for (let i = 0; i < 60; i++) {
    const middle = 0.5 * (low + high);
    if (f(middle) < value) low = middle;
    else high = middle;
  }
  return 0.5 * (low + high);
}

const shareOfOnes = (y: readonly number[]): number => (y.reduce((a, b) => a + b, 0) + 0.5) / (y.length + 1);

const probit = (): RowLoss =>
  symmetricLink("probit", true, probitYes, normalCdf, (y) => inverseOf(normalCdf, shareOfOnes(y)));

const cauchit = (): RowLoss =>
  symmetricLink(
    "cauchit",
    false,
    (p, out) => {
      const angle = Math.atan2(1, -p);
      const square = 1 + p * p;
      const ratio = 1 / (square * angle);
      set(out, -Math.log(angle / Math.PI), -ratio, ratio * (ratio + (2 * p) / square));
    },
    (p) => Math.atan2(1, -p) / Math.PI,
    (y) => Math.tan(Math.PI * (shareOfOnes(y) - 0.5)),
  );

function cloglogYes(p: number, out: Derived): void {
  const u = Math.exp(Math.min(p, 700));
  const small = u < 1e-8;
  const value = small ? 0.5 * u - p : -Math.log(-Math.expm1(-u));
  const ratio = small ? 1 - 0.5 * u : u / Math.expm1(u);
  const square = u * u;
  const series = u * 0.5 + square * (1 / 12 - square * (1 / 720 - square * (1 / 30240 - square / 1209600)));
  set(out, value, -ratio, ratio * (u < 0.1 ? series : u + ratio - 1));
}

function cloglogNo(p: number, out: Derived): void {
  const u = Math.exp(p);
  set(out, u, u, u);
}

const cloglog = (): RowLoss =>
  loss("cloglog", {
    target: "binary",
    predict: (p) => -Math.expm1(-Math.exp(p)),
    start: (y) => Math.log(-Math.log1p(-shareOfOnes(y))),
    derive(y, p, out) {
      if (y === 1) cloglogYes(p, out);
      else cloglogNo(p, out);
    },
  });

const loglog = (): RowLoss =>
  loss("loglog", {
    target: "binary",
    predict: (p) => Math.exp(-Math.exp(-p)),
    start: (y) => -Math.log(-Math.log(shareOfOnes(y))),
    derive(y, p, out) {
      if (y === 1) cloglogNo(-p, out);
      else cloglogYes(-p, out);
      out[1] = -out[1]!;
    },
  });

const hinge = (): RowLoss =>
  loss("hinge", {
    target: "signs",
    straight: true,
    kinks: (y) => [y],
    start: (y) => 0.5 * mean(y),
    derive(y, p, out) {
      const short = 1 - y * p;
      set(out, Math.max(short, 0), -0.5 * y * (Math.sign(short) + 1), 0);
    },
  });

const countStart = (y: readonly number[]): number => Math.log(Math.max(mean(y), 0.5 / y.length));
const amountStart = (y: readonly number[]): number => {
  const middle = mean(y);
  return middle > 0 ? Math.log(middle) : 0;
};

const poisson = (): RowLoss =>
  loss("poisson", {
    target: "count",
    predict: Math.exp,
    start: countStart,
    derive(y, p, out) {
      const rate = Math.exp(p);
      let value: number;
      if (y > 128) {
        // Half the deviance and Stirling's rest: the three terms of size y log y would cancel.
        const t = p - Math.log(y);
        value = y * (Math.expm1(t) - t) + 0.5 * Math.log(2 * Math.PI * y) + stirlingRest(y);
      } else {
        value = logGamma(y + 1) + rate - y * p;
      }
      set(out, value, rate - y, rate);
    },
  });

function negativeBinomial(dispersion: number): RowLoss {
  const theta = 1 / dispersion;
  const shift = Math.log(dispersion);
  const constants = new Map<number, number>();
  const constant = (y: number): number => {
    let found = constants.get(y);
    if (found === undefined) {
      found = negativeBinomialConstant(y, theta);
      if (constants.size < 10_000) constants.set(y, found);
    }
    return found;
  };
  return loss("negative_binomial", {
    target: "count",
    predict: Math.exp,
    start: countStart,
    derive(y, p, out) {
      const z = p + shift;
      const e = Math.exp(-Math.abs(z));
      const inverse = 1 / (1 + e);
      const value = Math.log1p(e) * (y + theta) + (z >= 0 ? theta * z : -y * z) + constant(y);
      const high = z >= 0 ? inverse : e * inverse;
      const low = z >= 0 ? e * inverse : inverse;
      set(out, value, theta * high - y * low, (y + theta) * inverse * (e * inverse));
    },
  });
}

const gamma = (): RowLoss =>
  loss("gamma", {
    target: "positive",
    predict: Math.exp,
    start: amountStart,
    derive(y, p, out) {
      const ratio = y * Math.exp(-p);
      set(out, p + ratio, 1 - ratio, ratio);
    },
  });

function tweedie(power: number): RowLoss {
  const first = power - 1;
  const second = 2 - power;
  return loss("tweedie", {
    convex: power < 2,
    target: power < 2 ? "count" : "positive",
    predict: Math.exp,
    start: amountStart,
    derive(y, p, out) {
      const amount = y * Math.exp(-first * p);
      const rate = Math.exp(second * p);
      set(out, amount / first + rate / second, rate - amount, second * rate + first * amount);
    },
  });
}

const exponential = (): RowLoss =>
  loss("exponential", {
    target: "positive",
    predict: (p) => Math.exp(p + Math.log(Math.LN2)),
    start: (y) => mean(y.map(Math.log)),
    derive(y, p, out) {
      const z = Math.log(y) - p;
      const u = Math.exp(z);
      set(out, u - z + Math.log(y), 1 - u, u);
    },
  });

const gaussianOfLog = (): RowLoss =>
  loss("gaussian:log", {
    convex: false,
    predict: Math.exp,
    start(y) {
      const middle = mean(y);
      const size = mean(y.map(Math.abs));
      return Math.log(middle > 0 ? middle : size > 0 ? size : 1);
    },
    derive(y, p, out) {
      const m = Math.exp(p);
      const r = m - y;
      set(out, 0.5 * r * r + HALF_LOG_TWO_PI, r * m, m * (r + m));
    },
  });

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

