// Answers questions to the engine, one JSON document in and one out: how tests in Python reach it.
//   node answer.mjs engine.bundle.mjs < questions.json > answers.json
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const engine = await import(pathToFileURL(process.argv[2]).href);
const local = new engine.LocalEngine();

// JSON has no name for these numbers.
const written = (value) => JSON.stringify(value, (_, one) => (typeof one === "number" && !Number.isFinite(one) ? String(one) : ArrayBuffer.isView(one) ? Array.from(one) : one));

const kinds = {
  async loss({ loss, y, p }) {
    const found = engine.lossOf(loss);
    const out = new Float64Array(3);
    const rows = y.map((value, i) => (found.derive(value, p[i], out), [...out, found.predict(p[i])]));
    return { rows, convex: found.convex, squaredScale: found.squaredScale, straight: found.straight, kinks: y.map((value) => found.kinks?.(value) ?? null) };
  },
  async walk({ points, settings, steps, every }) {
    const walk = await local.walk(points, settings);
    walk.advance(steps);
    const kept = walk.steps.filter((step) => step.step % every === 0 || step.step === walk.steps.length - 1);
    return { steps: kept, rate: walk.rate, diverged: walk.diverged, warning: walk.warning, firstRate: walk.firstRate ?? walk.rate };
  },
  async optimum({ points, settings }) {
    const optimum = await local.optimum(points, settings);
    return { ...optimum, stability: await local.stability(points, settings, optimum) };
  },
  async compare({ points, settings, losses }) {
    return await local.compare(points, settings, losses);
  },
  async surface({ points, settings, first, second, size, held }) {
    return await local.surface(points, settings, first, second, size, held);
  },
  async drawn({ seed, count, size }) {
    const generator = new engine.Generator(seed);
    const normal = Array.from({ length: count }, () => generator.normal());
    return { normal, orders: [generator.permutation(size), generator.permutation(size)] };
  },
  async take({ points, source, settings, steps, file, version }) {
    const walk = await local.walk(points, settings);
    walk.advance(steps);
    const optimum = await local.optimum(points, settings);
    const shown = { points, ...(source === undefined ? {} : { source }), settings, walk, optimum };
    return {
      last: walk.steps.at(-1),
      rate: walk.rate,
      firstRate: walk.firstRate ?? walk.rate,
      optimum,
      csv: engine.csvOf(points),
      inline: engine.pythonScript(shown),
      fromFile: engine.pythonScript(shown, file),
      command: engine.command(shown, file),
      lossFile: engine.lossFile(settings.loss),
      model: engine.modelOf(shown, version),
    };
  },
  async preset({ name }) {
    const { points, loss, source } = engine.preset(name);
    return { points: points(), loss, source: source ?? null };
  },
  async call({ name, given }) {
    return await engine[name](...given);
  },
};

const answers = [];
for (const question of JSON.parse(readFileSync(0, "utf8"))) {
  try {
    answers.push({ good: await kinds[question.kind](question) });
  } catch (error) {
    if (error.problem === undefined) throw error;
    answers.push({ refused: error.problem });
  }
}
process.stdout.write(written(answers));
