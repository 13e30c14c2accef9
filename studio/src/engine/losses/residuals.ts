// Losses of the residual: squared, its robust kin, and those with a kink (gradline's robust, quantiles, densities).

import { logGamma, mean, quantile } from "../numbers.ts";
import { loss, set } from "./build.ts";
import type { RowLoss } from "../row_loss.ts";

export const squared = (): RowLoss =>
  loss("squared", {
    squaredScale: 1,
    start: mean,
    derive(y, p, out) {
      const r = p - y;
      set(out, r * r, 2 * r, 2);
    },
  });

export const absolute = (): RowLoss =>
  loss("absolute", {
    straight: true,
    kinks: (y) => [y],
    derive(y, p, out) {
      set(out, Math.abs(p - y), Math.sign(p - y), 0);
    },
  });

export const quantileLoss = (level: number): RowLoss =>
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

export const epsilonInsensitive = (epsilon: number): RowLoss =>
  loss("epsilon_insensitive", {
    straight: true,
    kinks: epsilon > 0 ? (y) => [y - epsilon, y + epsilon] : (y) => [y],
    derive(y, p, out) {
      const r = p - y;
      const excess = Math.abs(r) - epsilon;
      set(out, Math.max(excess, 0), 0.5 * (Math.sign(excess) + 1) * Math.sign(r), 0);
    },
  });

export const expectile = (level: number): RowLoss =>
  loss("expectile", {
    squaredScale: level === 0.5 ? 0.5 : null,
    start: mean,
    derive(y, p, out) {
      const r = p - y;
      const weight = r <= 0 ? level : 1 - level;
      set(out, weight * r * r, 2 * weight * r, 2 * weight);
    },
  });

export const huber = (threshold: number): RowLoss =>
  loss("huber", {
    ofResiduals: true,
    derive(y, p, out) {
      const z = p - y;
      const clipped = Math.min(Math.max(z, -threshold), threshold);
      set(out, clipped * (z - 0.5 * clipped), clipped, clipped === z ? 1 : 0);
    },
  });

export const logCosh = (): RowLoss =>
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

export const tukey = (threshold: number): RowLoss =>
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

export function heavyTailed(name: string, degrees: number, scale: number): RowLoss {
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
