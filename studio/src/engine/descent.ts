// Gradient descent as gl.GradientDescent takes it, a step at a time and on the record.

import { squaredModel, type SquaredModel } from "./least_squares.ts";
import { norm } from "./linear.ts";
import { Generator } from "./pcg64.ts";
import { largestCurvature, rateOf, type Momentum, type Rate } from "./rates.ts";
import { show, type Objective } from "./rows.ts";
import { EngineError, type Settings, type Step, type Walk } from "./types.ts";

const GROWTH = 1000; // a loss this many times the start means divergence
const CHUNK = 50; // steps between looks of an adaptive rate; gradline's own where 5,000 steps or more are asked for
const ROOM = 2_000_000; // of steps kept

export interface Descent extends Walk {
  readonly firstRate: number; // "auto" may shorten it on the way
}

/** What a loop keeps beside the records: where it is, and how fast. */
interface State {
  b: Float64Array;
  velocity: Float64Array;
}

export class DescentWalk implements Descent {
  readonly steps: Step[] = [];
  readonly warning: string | null;
  private readonly computed: Step[] = [];
  private readonly rates: number[] = []; // of the step that led to each record
  private readonly momentum: Momentum;
  private readonly batches: Batches | null;
  private readonly model: SquaredModel | null;
  private readonly rating: Rate;
  private current: number;
  private state: State;
  private reference = 0;
  private ended: string | null = null;

  constructor(
    private readonly objective: Objective,
    settings: Settings,
    begin: readonly number[],
    private readonly outside: (b: ArrayLike<number>) => number[],
  ) {
    check(settings, objective.rows.count);
    this.momentum = { momentum: settings.momentum, nesterov: settings.nesterov };
    const batch = settings.batch === null || settings.batch === objective.rows.count ? null : settings.batch;
    const scale = objective.loss.squaredScale;
    const fault = objective.notFinite(begin);
    if (fault !== null) {
      throw new EngineError({ path: `row ${fault.row + 1}`, message: `${fault.message}, at the start; begin elsewhere, or change the loss` });
    }
    this.rating = rateOf(objective, begin, settings.rate, batch, this.momentum);
    this.current = this.rating.chosen;
    this.warning = tooLong(this.rating, settings);
    this.model = scale === null ? null : squaredModel(objective.rows, scale);
    this.batches = batch === null ? null : new Batches(objective.rows.count, batch, settings.seed);
    this.state = { b: Float64Array.from(begin), velocity: new Float64Array(begin.length) };
    const first = this.record(0, this.state.b);
    this.reference = Math.max(Math.abs(first.loss), 1e-12 * (1 + largestTarget(objective) ** 2));
    this.computed.push(first);
    this.rates.push(this.current);
    this.steps.push(first);
  }

  get rate(): number {
    // At the start: of the step to come, as far as it is known.
    return this.steps.length > 1 ? this.rates[this.steps.length - 1]! : this.rates[Math.min(1, this.rates.length - 1)]!;
  }

  get diverged(): string | null {
    return this.steps.length === this.computed.length ? this.ended : null;
  }

  get firstRate(): number {
    return this.rating.chosen;
  }

  advance(count: number): readonly Step[] {
    const from = this.steps.length;
    const wanted = from + count;
    if (wanted > ROOM) throw new EngineError({ path: "steps", message: `a walk of more than ${ROOM.toLocaleString("en-US")} steps does not fit into the page` });
    while (this.computed.length < wanted && this.ended === null) {
      if (this.rating.adaptive) this.chunk();
      else this.keep(this.oneStep(this.current));
    }
    for (let k = from; k < Math.min(wanted, this.computed.length); k++) this.steps.push(this.computed[k]!);
    return this.steps.slice(from);
  }

  back(count: number): void {
    this.steps.length = Math.max(1, this.steps.length - count);
  }

  /** A record, and the end of the walk where it says so. */
  private keep(step: Step): void {
    this.computed.push(step);
    this.rates.push(this.current);
    const finite = Number.isFinite(step.loss);
    if (!finite || step.loss > GROWTH * this.reference) {
      const size = finite ? "1,000 times the start or more" : "not finite";
      this.ended = `the loss was ${finite ? show(step.loss) : String(step.loss)} at step ${step.step.toLocaleString("en-US")}, ${size}`;
    }
  }

  private oneStep(rate: number): Step {
    this.state = this.moved(this.state, rate, this.batches?.next() ?? null);
    return this.record(this.computed.length, this.state.b);
  }

  /** Fifty steps at a rate that is halved until they do not overshoot. */
  private chunk(): void {
    const momentum = this.momentum.momentum;
    if (this.computed.length > 1 && momentum > 0) {
      // With momentum a rising loss says nothing, so the rate follows the curvature where the path has come to.
      const largest = largestCurvature(this.objective, this.state.b, null);
      if (largest > 0) this.current = Math.min(this.current, 1 / largest);
    }
    const drawn = this.batches === null ? null : Array.from({ length: CHUNK }, () => this.batches!.next());
    for (;;) {
      let state = this.state;
      // Before each step, as gradline looks at them: the record after the last belongs to the next chunk.
      const before = [this.computed[this.computed.length - 1]!];
      let last: Step | null = null;
      for (let k = 0; k < CHUNK; k++) {
        state = this.moved(state, this.current, drawn === null ? null : drawn[k]!);
        const step = this.record(this.computed.length + k, state.b);
        if (k < CHUNK - 1) before.push(step);
        else last = step;
      }
      if (this.overshot(before) && this.current >= 1e-300) {
        this.current *= 0.5;
        continue;
      }
      this.state = state;
      for (const step of [...before.slice(1), last!]) {
        this.keep(step);
        if (this.ended !== null) return;
      }
      return;
    }
  }

  private overshot(records: readonly Step[]): boolean {
    for (const { loss, gradientNorm } of records) {
      if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm) || loss > GROWTH * this.reference) return true;
    }
    if (this.batches !== null || this.momentum.momentum > 0) return false;
    for (let k = 1; k < records.length; k++) {
      const before = records[k - 1]!.loss;
      if (records[k]!.loss - before > 1e-9 * Math.abs(before)) return true;
    }
    return false;
  }

  /** velocity = momentum velocity - rate gradient; b += velocity or, with Nesterov, momentum velocity - rate gradient. */
  private moved({ b, velocity }: State, rate: number, batch: Batch | null): State {
    const gradient = new Float64Array(b.length);
    if (batch === null) this.gradientInto(b, gradient);
    else this.objective.batchSlope(b, batch.order, batch.from, batch.to, gradient);
    const { momentum, nesterov } = this.momentum;
    const nextVelocity = velocity.map((value, j) => momentum * value - rate * gradient[j]!);
    const next = b.map((value, j) => value + (nesterov ? momentum * nextVelocity[j]! - rate * gradient[j]! : nextVelocity[j]!));
    return { b: next, velocity: nextVelocity };
  }

  private gradientInto(b: Float64Array, gradient: Float64Array): number {
    if (this.model === null) return this.objective.slope(b, gradient);
    const { best, lowest, curvature, vectors } = this.model;
    let loss = lowest;
    gradient.fill(0);
    for (let k = 0; k < b.length; k++) {
      let error = 0;
      for (let j = 0; j < b.length; j++) error += vectors[j]![k]! * (b[j]! - best[j]!);
      const slope = curvature[k]! * error;
      loss += 0.5 * slope * error;
      for (let j = 0; j < b.length; j++) gradient[j] = gradient[j]! + vectors[j]![k]! * slope;
    }
    return loss;
  }

  private record(step: number, b: Float64Array): Step {
    const gradient = new Float64Array(b.length);
    const loss = this.gradientInto(b, gradient);
    return { step, loss, gradientNorm: norm(gradient), coefficients: this.outside(b) };
  }
}

interface Batch {
  readonly order: Int32Array;
  readonly from: number;
  readonly to: number;
}

/** Row numbers of each mini-batch: one shuffled epoch after another, cut into batches of one size. */
class Batches {
  private readonly generator: Generator;
  private left: Int32Array = new Int32Array(0);

  constructor(
    private readonly count: number,
    private readonly size: number,
    seed: number,
  ) {
    this.generator = new Generator(seed);
  }

  next(): Batch {
    while (this.left.length < this.size) {
      const epoch = this.generator.permutation(this.count);
      const joined = new Int32Array(this.left.length + this.count);
      joined.set(this.left);
      joined.set(epoch, this.left.length);
      this.left = joined;
    }
    const order = this.left;
    this.left = order.subarray(this.size);
    return { order, from: 0, to: this.size };
  }
}

function largestTarget(objective: Objective): number {
  let largest = 0;
  for (const y of objective.rows.y) largest = Math.max(largest, Math.abs(y));
  return largest;
}

function tooLong(rate: Rate, settings: Settings): string | null {
  if (rate.stable === null || !(rate.chosen > rate.stable * (1 + 1e-12))) return null;
  return (
    `a rate of ${show(rate.chosen)} is above ${show(rate.stable)}, the largest stable rate for these points: each step overshoots by more than the last` +
    ` and the loss grows without end. Use ${Number((0.5 * rate.stable).toPrecision(3))} or "auto"${settings.standardised ? "" : ", or standardise the inputs"}`
  );
}

/** Refuses settings that no descent has. */
export function check(settings: Settings, count: number): void {
  const refuse = (path: string, message: string): never => {
    throw new EngineError({ path, message });
  };
  const { rate, momentum, batch, seed } = settings;
  if (rate !== "auto" && !(Number.isFinite(rate) && rate > 0)) refuse("rate", `the rate must be a number above 0 or "auto", not ${rate}`);
  if (!(momentum >= 0 && momentum < 1)) refuse("momentum", `momentum must be at least 0 and below 1, not ${momentum}`);
  if (batch !== null && !(Number.isInteger(batch) && batch >= 1)) refuse("batch", `a batch must be a whole number of rows, not ${batch}`);
  if (batch !== null && batch > count) refuse("batch", `a batch of ${batch} is more than the ${count} rows there are; take at most ${count}, or all rows`);
  if (!(Number.isSafeInteger(seed) && seed >= 0)) refuse("seed", `the seed must be a whole number of 0 or above, not ${seed}`);
}

