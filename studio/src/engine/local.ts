// The engine in the page: every answer worked out here, without a network.

import { CATALOGUE, catalogueLoss, entry } from "./catalogue.ts";
import { compared } from "./compare.ts";
import { DescentWalk } from "./descent.ts";
import { plain, standardised, type Frame } from "./frame.ts";
import { norm } from "./linear.ts";
import { optimumOf } from "./optimum.ts";
import { checkTargets, lossOf, Objective, rowsOf, type Rows } from "./rows.ts";
import type { RowLoss } from "./row_loss.ts";
import { stabilityOf } from "./stability.ts";
import { surfaceOf } from "./surface.ts";
import {
  EngineError,
  type Compared,
  type Engine,
  type LossSpec,
  type Optimum,
  type Points,
  type Settings,
  type Stability,
  type Step,
  type Surface,
  type Walk,
} from "./types.ts";

interface Prepared {
  readonly rows: Rows;
  readonly loss: RowLoss;
  readonly frame: Frame;
}

function prepared(points: Points, settings: Settings): Prepared {
  const rows = rowsOf(points);
  const loss = lossOf(settings.loss);
  checkTargets(rows, loss, points.target);
  if (settings.start.length !== rows.size || !settings.start.every(Number.isFinite)) {
    throw new EngineError({ path: "start", message: `the start needs ${rows.size} finite numbers, the intercept first` });
  }
  return { rows, loss, frame: settings.standardised ? standardised(rows) : plain(rows) };
}

export class LocalEngine implements Engine {
  losses(): ReturnType<Engine["losses"]> {
    return CATALOGUE.map((name) => {
      const { title, about, option } = entry(name);
      return { name, title, about, target: catalogueLoss(name).target, ...(option === undefined ? {} : { option }) };
    });
  }

  async walk(points: Points, settings: Settings): Promise<Walk> {
    const { rows, loss, frame } = prepared(points, settings);
    if (settings.method === "newton") {
      const solved = optimumOf(rows, loss, points.inputs, settings.start);
      return new PathWalk(new Objective(frame.rows, loss), solved.path, frame, solved.certificate.converged ? null : solved.certificate.reason);
    }
    return new DescentWalk(new Objective(frame.rows, loss), settings, frame.inside(settings.start), frame.outside);
  }

  async optimum(points: Points, settings: Settings): Promise<Optimum> {
    const { rows, loss } = prepared(points, settings);
    const { coefficients, loss: value, certificate } = optimumOf(rows, loss, points.inputs);
    return { coefficients, loss: value, certificate };
  }

  async stability(points: Points, settings: Settings, optimum: Optimum): Promise<Stability> {
    const { loss, frame } = prepared(points, settings);
    return stabilityOf(new Objective(frame.rows, loss), settings, frame, optimum);
  }

  async surface(
    points: Points,
    settings: Settings,
    first: readonly [number, number],
    second: readonly [number, number],
    size: number,
    held?: number,
    over: readonly [number, number] = [0, 1],
  ): Promise<Surface> {
    const { loss, frame } = prepared(points, settings);
    return surfaceOf(new Objective(frame.rows, loss), first, second, size, held ?? frame.inside(settings.start)[3 - over[0] - over[1]], over);
  }

  async compare(points: Points, _settings: Settings, losses: readonly LossSpec[]): Promise<readonly Compared[]> {
    const rows = rowsOf(points);
    return losses.map((spec) => compared(rows, spec, points));
  }

  predict(settings: Settings, coefficients: readonly number[], x: readonly (readonly number[])[]): readonly number[] {
    const loss = lossOf(settings.loss);
    return x.map((row) => loss.predict(row.reduce((sum, value, j) => sum + value * coefficients[j + 1]!, coefficients[0]!)));
  }

  toWalk(points: Points, settings: Settings, coefficients: readonly number[]): readonly number[] {
    return prepared(points, settings).frame.inside(coefficients);
  }

  fromWalk(points: Points, settings: Settings, coefficients: readonly number[]): readonly number[] {
    return prepared(points, settings).frame.outside(coefficients);
  }
}

/** A path that is known from its start to its end, shown step by step: Newton's, and the vertices of a kinked loss. */
class PathWalk implements Walk {
  readonly steps: Step[] = [];
  readonly rate = 1;
  readonly warning = null;
  private readonly all: Step[];

  constructor(objective: Objective, path: readonly (readonly number[])[], frame: Frame, private readonly ending: string | null) {
    this.all = path.map((coefficients, step) => {
      const { value, gradient } = objective.evaluate(frame.inside(coefficients));
      return { step, loss: value, gradientNorm: norm(gradient), coefficients };
    });
    this.steps.push(this.all[0]!);
  }

  get diverged(): string | null {
    return this.steps.length === this.all.length ? this.ending : null;
  }

  advance(count: number): readonly Step[] {
    const added = this.all.slice(this.steps.length, this.steps.length + count);
    this.steps.push(...added);
    return added;
  }

  back(count: number): void {
    this.steps.length = Math.max(1, this.steps.length - count);
  }
}
