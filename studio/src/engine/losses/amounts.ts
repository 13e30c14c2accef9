// Losses of counts, amounts and times, with the log link (gradline's counts, amounts, lifetimes, linked).

import { HALF_LOG_TWO_PI, logGamma, mean, negativeBinomialConstant, stirlingRest } from "../numbers.ts";
import { loss, set } from "./build.ts";
import type { RowLoss } from "../row_loss.ts";

const countStart = (y: readonly number[]): number => Math.log(Math.max(mean(y), 0.5 / y.length));
const amountStart = (y: readonly number[]): number => {
  const middle = mean(y);
  return middle > 0 ? Math.log(middle) : 0;
};

export const poisson = (): RowLoss =>
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

export function negativeBinomial(dispersion: number): RowLoss {
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

export const gamma = (): RowLoss =>
  loss("gamma", {
    target: "positive",
    predict: Math.exp,
    start: amountStart,
    derive(y, p, out) {
      const ratio = y * Math.exp(-p);
      set(out, p + ratio, 1 - ratio, ratio);
    },
  });

export function tweedie(power: number): RowLoss {
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

export const exponential = (): RowLoss =>
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

export const gaussianOfLog = (): RowLoss =>
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
