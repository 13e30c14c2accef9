// The engine of a page that a server has sent: losses of the file named on the command line are walked on by the server, in TensorFlow, JAX or
// PyTorch; every other loss by the engine in the page, which answers within a frame.

import { EngineError, type Compared, type Engine, type LossSpec, type Optimum, type Points, type Settings, type Stability, type Step, type Surface, type Walk } from "../engine/types";
import type { Connection } from "./connection";
import type { Walked } from "./protocol";

const FIRST = 1000; // steps asked for at first
const MOST = 200_000;

const ofFile = (loss: LossSpec): boolean => loss.kind === "file";

/** Names of the losses of the file, as `losses()` lists them beside the catalogue's: "file:name". */
export const FILE = "file:";

/** The loss that a name of `losses()` stands for. */
export function lossOf(name: string): LossSpec {
  return name.startsWith(FILE) ? { kind: "file", name: name.slice(FILE.length) } : { kind: "catalogue", name };
}

/** A walk whose steps the server has taken ahead. What was not yet asked for comes in the background: `advance` gives what is there. */
class RemoteWalk implements Walk {
  private ahead: Walked;
  private shown = 1;
  private fetching = false;

  constructor(
    first: Walked,
    private readonly more: (steps: number) => Promise<Walked>,
  ) {
    this.ahead = first;
  }

  get steps(): readonly Step[] {
    return this.ahead.steps.slice(0, this.shown);
  }

  get diverged(): string | null {
    return this.shown >= this.ahead.steps.length ? this.ahead.diverged : null;
  }

  get rate(): number {
    return this.ahead.rate;
  }

  get warning(): string | null {
    return this.ahead.warning;
  }

  advance(count: number): readonly Step[] {
    const until = Math.min(this.shown + count, this.ahead.steps.length);
    const fresh = this.ahead.steps.slice(this.shown, until);
    this.shown = until;
    if (this.shown + FIRST / 2 > this.ahead.steps.length) this.fetch(count);
    return fresh;
  }

  back(count: number): void {
    this.shown = Math.max(1, this.shown - count);
  }

  private fetch(count: number): void {
    const held = this.ahead.steps.length - 1;
    if (this.fetching || this.ahead.diverged !== null || held >= MOST) return;
    this.fetching = true;
    // The same settings give the same steps, so that the walk is asked for from its start: the server keeps no walks.
    this.more(Math.min(MOST, Math.max(2 * held, held + count)))
      .then((walked) => {
        if (walked.steps.length > this.ahead.steps.length) this.ahead = walked;
      })
      .catch(() => {
        // What was walked stays; the next step asks again.
      })
      .finally(() => {
        this.fetching = false;
      });
  }
}

export class RemoteEngine implements Engine {
  constructor(
    private readonly connection: Connection,
    private readonly local: Engine,
  ) {}

  losses(): ReturnType<Engine["losses"]> {
    const own = this.connection.hello.value?.losses ?? [];
    return [
      ...own.map(({ file, name }) => ({ name: FILE + name, title: name, about: `Your loss, of ${file}.`, target: "any" as const })),
      ...this.local.losses(),
    ];
  }

  async walk(points: Points, settings: Settings): Promise<Walk> {
    if (!ofFile(settings.loss)) return this.local.walk(points, settings);
    const ask = (steps: number, lane: string) => this.connection.ask("walk", { points, settings, steps }, { lane });
    return new RemoteWalk(await ask(FIRST, "walk"), (steps) => ask(steps, "walk, further"));
  }

  async optimum(points: Points, settings: Settings): Promise<Optimum> {
    if (!ofFile(settings.loss)) return this.local.optimum(points, settings);
    return this.connection.ask("optimum", { points, settings }, { lane: "optimum" });
  }

  async stability(points: Points, settings: Settings, optimum: Optimum): Promise<Stability> {
    if (!ofFile(settings.loss)) return this.local.stability(points, settings, optimum);
    return this.connection.ask("stability", { points, settings }, { lane: "stability" });
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
    if (!ofFile(settings.loss)) return this.local.surface(points, settings, first, second, size, held, over);
    if (over[0] + over[1] !== 1) {
      throw new EngineError({ path: "surface", message: "of a loss of a file the picture is over the intercept and the first slope: choose that pair above it" });
    }
    // The server has the intercept first.
    const turned = over[0] === 1;
    const [across, up] = turned ? [second, first] : [first, second];
    const found = await this.connection.ask("surface", { points, settings, first: across, second: up, size }, { lane: "surface" });
    const loss = Float64Array.from(found.loss, (value) => value ?? Infinity);
    if (!turned) return { first: found.first, second: found.second, loss };
    const [columns, lines] = [found.first.length, found.second.length];
    const other = new Float64Array(loss.length);
    for (let j = 0; j < lines; j++) for (let i = 0; i < columns; i++) other[i * lines + j] = loss[j * columns + i]!;
    return { first: found.second, second: found.first, loss: other };
  }

  async compare(points: Points, settings: Settings, losses: readonly LossSpec[]): Promise<readonly Compared[]> {
    const here = losses.filter((loss) => !ofFile(loss));
    const there = losses.filter(ofFile);
    const [local, remote] = await Promise.all([
      here.length > 0 ? this.local.compare(points, settings.loss.kind === "file" ? { ...settings, loss: here[0]! } : settings, here) : [],
      there.length > 0
        ? this.connection.ask("compare", { points, settings: { ...settings, loss: there[0]! }, losses: there }, { lane: "compare" }).then((found) => found.compared)
        : [],
    ]);
    const [mine, theirs] = [[...local], [...remote]];
    return losses.map((loss) => {
      const found = ofFile(loss) ? theirs.shift() : mine.shift();
      if (found === undefined) throw new EngineError({ path: "loss", message: "the comparison of this loss is missing: try again" });
      return found;
    });
  }

  predict(settings: Settings, coefficients: readonly number[], x: readonly (readonly number[])[]): readonly number[] {
    if (!ofFile(settings.loss)) return this.local.predict(settings, coefficients, x);
    // A loss of a file predicts with the linear predictor itself.
    return x.map((row) => row.reduce((sum, value, j) => sum + value * coefficients[j + 1]!, coefficients[0]!));
  }
}
