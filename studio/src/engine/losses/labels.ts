// Losses of labels: the links of binary targets, and the hinge (gradline's classes, binary, links, margins).

import { erfcx, logNormalCdf, mean, normalCdf, sigmoid } from "../numbers.ts";
import { loss, set } from "./build.ts";
import type { Derived, RowLoss } from "../row_loss.ts";

const labelStart = (y: readonly number[]): number => {
  let ones = 0.5;
  for (const value of y) ones += value;
  return Math.log(ones) - Math.log(y.length + 1 - ones);
};

export const logistic = (): RowLoss =>
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

export const probit = (): RowLoss =>
  symmetricLink("probit", true, probitYes, normalCdf, (y) => inverseOf(normalCdf, shareOfOnes(y)));

export const cauchit = (): RowLoss =>
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

export const cloglog = (): RowLoss =>
  loss("cloglog", {
    target: "binary",
    predict: (p) => -Math.expm1(-Math.exp(p)),
    start: (y) => Math.log(-Math.log1p(-shareOfOnes(y))),
    derive(y, p, out) {
      if (y === 1) cloglogYes(p, out);
      else cloglogNo(p, out);
    },
  });

export const loglog = (): RowLoss =>
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

export const hinge = (): RowLoss =>
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
