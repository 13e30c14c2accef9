// What theory says of a walk before it is taken: the curvatures at the optimum, the largest rate that does not diverge, the factor a step.

import type { Frame } from "./frame.ts";
import { symmetricEigen } from "./linear.ts";
import { largestStable, rateOf, slowest } from "./rates.ts";
import { show, type Objective } from "./rows.ts";
import type { Optimum, Settings, Stability } from "./types.ts";

export function stabilityOf(objective: Objective, settings: Settings, frame: Frame, optimum: Optimum): Stability {
  const { loss } = objective;
  const at = frame.inside(optimum.coefficients);
  if (loss.squaredScale === null && loss.kinks !== null && loss.straight) {
    return {
      largestRate: null,
      curvatures: [],
      predictedRate: null,
      reason: "the slope of this loss jumps at its kinks and does not fade near the optimum: at any constant rate the steps end in going to and fro, closer the smaller the rate",
    };
  }
  const { curvature } = objective.evaluate(at);
  if (!curvature.every((row) => row.every(Number.isFinite))) {
    return { largestRate: null, curvatures: [], predictedRate: null, reason: "the curvature is not finite at the optimum" };
  }
  const curvatures = symmetricEigen(curvature).values;
  const largest = curvatures[0]!;
  if (!(largest > 0)) {
    return { largestRate: null, curvatures, predictedRate: null, reason: "the loss has no curvature at these coefficients, so that no rate is too large there" };
  }
  const momentum = { momentum: settings.momentum, nesterov: settings.nesterov };
  const stable = largestStable(largest, momentum);
  const batch = settings.batch === null || settings.batch === objective.rows.count ? null : settings.batch;
  const rate = settings.rate === "auto" ? rateOf(objective, frame.inside(settings.start), "auto", batch, momentum).chosen : settings.rate;
  const predicted = settings.method === "newton" ? null : slowest(curvatures.map((value) => Math.max(value, 0)), rate, momentum);
  return { largestRate: stable, curvatures, predictedRate: predicted, reason: words(objective, settings, rate, stable, largest) };
}

function words(objective: Objective, settings: Settings, rate: number, stable: number, largest: number): string {
  const { loss } = objective;
  const formula = settings.momentum === 0 ? "2 / " : settings.nesterov ? "2 (1 + momentum) / (1 + 2 momentum) / " : "2 (1 + momentum) / ";
  const sentence = `the largest stable rate is ${formula}${show(largest)} = ${show(stable)}`;
  const where =
    loss.squaredScale !== null
      ? "the curvature of squared loss is the same everywhere"
      : loss.kinks !== null
        ? "beside its kinks, where the slope jumps and steps go to and fro"
        : "by the curvature at the optimum; elsewhere the loss bends otherwise";
  const noise = settings.batch !== null && settings.batch < objective.rows.count ? "; mini-batches end in a cloud about the optimum, smaller the smaller the rate" : "";
  const beyond = rate > stable * (1 + 1e-12) ? `; ${show(rate)} is beyond it: each step overshoots by more than the last` : "";
  return `${sentence} (${where})${noise}${beyond}`;
}
