// node test/bundle.mjs && node --test test/
import assert from "node:assert/strict";
import { test } from "node:test";
import * as engine from "./engine.bundle.mjs";

const local = new engine.LocalEngine();
const settings = (changed = {}) => ({
  loss: { kind: "catalogue", name: "squared" },
  method: "descent",
  rate: "auto",
  momentum: 0,
  nesterov: false,
  batch: null,
  seed: 0,
  start: [0, 0],
  standardised: false,
  ...changed,
});
const typed = (text) => ({ kind: "typed", text });
const cloud = (count = 40, seed = 5) => engine.line({ kind: "line", count, slope: 2, intercept: 1, noise: 1, seed });
const message = (work) => {
  try {
    work();
  } catch (error) {
    return error.problem.message;
  }
  return null;
};
const refusal = async (work) => {
  try {
    await work();
  } catch (error) {
    return error.problem?.message ?? assert.fail(error.stack);
  }
  return null;
};

test("a typed loss is read with the precedence of mathematics", () => {
  const out = new Float64Array(3);
  const value = (text, y, p) => (engine.typedLoss(text).derive(y, p, out), out[0]);
  const near = (found, wanted) => assert.ok(Math.abs(found - wanted) <= 1e-14 * (1 + Math.abs(wanted)), `${found} is not ${wanted}`);
  near(value("y, p -> -(y - p)^2 + 3 * p / 2", 1, 3), -4 + 4.5);
  near(value("-p^2", 1, 3), -9);
  near(value("2^-p", 1, 3), 1 / 8);
  near(value("2^p^2", 1, 2), 16);
  near(value("p - y - 1", 1, 3), 1);
  near(value("p / y / 2", 4, 3), 3 / 8);
  near(value("lambda y, p: abs(y - p)", 1, 3), 2);
  near(value("t, q => (t - q) ** 2", 1, 3), 4);
  near(value("y, p -> r = y - p; s = r * r; s + p * 0", 1, 3), 4);
  near(value("abs(p) <= 1 ? p^2 : 2 * abs(p) - 1", 0, 3), 5);
  near(value("p^2 if abs(p) <= 1 else 2 * abs(p) - 1", 0, 0.5), 0.25);
  near(value("where(y > 0 and not (p > y), p, max(p, 7, y))", 1, 3), 7);
  near(value("(y > 0 || p > 0) && p < 9 ? p : 0", -1, 3), 3);
  near(value("clip(p, 0, 1) + pow(p, 2) + pi - pi", 0, 3), 10);
  near(value("y\u2212p + 2\u00b7p", 1, 3), 4);
});

test("mistakes are named by their character and by what was expected", () => {
  const wrong = {
    "": "character 1: expected what a row costs, such as (y - p)^2",
    "y, p ->": "character 8: expected what a row costs, such as (y - p)^2",
    "y, p -> (y - p": "character 15: expected ')', but the loss ends there",
    "y, p -> y - )": "character 13: expected a number, y, p, a function or '(', but found ')'",
    "y, p -> foo(p)": /character 9: no function is called 'foo'; there are abs, /,
    "y, p -> q": "character 9: nothing is called 'q'; there are y, p, pi, e",
    "y, p -> 2p": "character 10: expected an operator after the number 2, not 'p' (write 2 * p, not 2p)",
    "y, p -> p > 1": "character 14: expected '? value : value' after the condition: a comparison is no number",
    "y, p -> abs(p, y)": "character 17: abs takes one number, not 2",
    "y, p -> 1 < p < 2 ? p : 0": "character 15: one comparison at a time; join two with 'and'",
    "y, p -> p ? 1 : 2": "character 11: expected a comparison such as y > p before '?'",
    "y, p -> p; alert(1)": "character 10: expected an operator or the end, but found ';'",
    "y, p -> abs": "character 12: expected '(' after abs",
    "y p -> y": "character 3: expected an operator or the end, but found 'p'",
    "y -> y": "character 3: expected ',' and the prediction's name: y, p -> ...",
    "y, p -> p = 3": "character 9: 'p' has a meaning already; choose another name",
    "y, p -> p.constructor": "character 10: '.' is not part of a loss",
    "y, p -> p['x']": "character 10: '[' is not part of a loss",
    "y, p -> __proto__": "character 9: nothing is called '__proto__'; there are y, p, pi, e",
    "y, p -> constructor(p)": /character 9: no function is called 'constructor'/,
    "y, p -> 1e999": "character 9: 1e999 is too large for a double",
    [`y, p -> ${"(".repeat(200)}p`]: /nested more than 64 deep/,
    [`y, p -> ${"-".repeat(200)}p`]: /nested more than 64 deep/,
    [`y, p -> ${"p +".repeat(1000)}p`]: "character 2001: a loss has at most 2000 characters",
    "y, p -> \u{1f600}": "character 9: '\u{1f600}' is not part of a loss",
    "y, p -> 3": "the loss does not change with the prediction p, so that no coefficients are better than others",
    "y, p -> log(-1 - p^2)": /not a finite number at any y and p tried/,
  };
  for (const [text, wanted] of Object.entries(wrong)) {
    const found = message(() => engine.typedLoss(text));
    if (wanted instanceof RegExp) assert.match(found, wanted, text);
    else assert.equal(found, wanted, text);
  }
});

test("derivatives of every function are those of finite differences", () => {
  const out = new Float64Array(3);
  const names = Object.keys(engine.UNARY).filter((name) => name !== "sign");
  const texts = [...names.map((name) => `${name}(0.3 + 0.4 * p + y * 0.1)`), "p^3", "(0.5 + p)^p", "2^p", "p^2.5", "p / (y + p)", "max(p, y) * p", "min(p^2, 3 * p)"];
  for (const text of texts) {
    const loss = engine.typedLoss(text);
    const at = (p) => (loss.derive(0.7, p, out), [...out]);
    for (const p of [0.31, 1.2, 2.6]) {
      const h = 1e-5;
      const [value, slope, curvature] = at(p);
      const [above, below] = [at(p + h), at(p - h)];
      assert.ok(Math.abs((above[0] - below[0]) / (2 * h) - slope) < 1e-7 * (1 + Math.abs(slope)), `${text} slope at ${p}`);
      assert.ok(Math.abs((above[1] - below[1]) / (2 * h) - curvature) < 1e-6 * (1 + Math.abs(curvature)), `${text} curvature at ${p}`);
      assert.ok(Number.isFinite(value));
    }
  }
});

test("a typed loss is seen for what it is", () => {
  const seen = (text) => {
    const { squaredScale, convex, straight, kinks } = engine.typedLoss(text);
    return { squaredScale, convex, straight, kinks: kinks === null ? null : kinks(2) };
  };
  assert.deepEqual(seen("y, p -> (y - p)^2"), { squaredScale: 1, convex: true, straight: false, kinks: null });
  assert.equal(seen("y, p -> 0.5 * (p - y) * (p - y)").squaredScale, 0.5);
  assert.deepEqual(seen("y, p -> abs(y - p)"), { squaredScale: null, convex: true, straight: true, kinks: [2] });
  assert.deepEqual(seen("y, p -> max(0, abs(y - p) - 0.5)"), { squaredScale: null, convex: true, straight: true, kinks: [1.5, 2.5] });
  assert.deepEqual(seen("y, p -> abs(y - p) + (y - p)^2"), { squaredScale: null, convex: true, straight: false, kinks: [2] });
  // Huber's loss bends and has no kink.
  assert.deepEqual(seen("y, p -> r = abs(y - p); r < 1 ? r^2 / 2 : r - 0.5"), { squaredScale: null, convex: true, straight: false, kinks: null });
  assert.equal(seen("y, p -> log(1 + (y - p)^2)").convex, false);
  assert.equal(seen("y, p -> min(abs(y - p), 1)").convex, false);
  assert.equal(seen("y, p -> abs(exp(p) - y)").kinks.length, 1);
  assert.ok(Math.abs(seen("y, p -> abs(exp(p) - y)").kinks[0] - Math.log(2)) < 1e-12);
});

test("a walk goes back and forth over the same steps, however it is cut", async () => {
  const points = cloud();
  for (const changed of [{}, { momentum: 0.9, rate: 0.01 }, { batch: 7, seed: 3, rate: 0.01 }, { loss: { kind: "catalogue", name: "huber" } }, { loss: { kind: "catalogue", name: "absolute" } }]) {
    const whole = await local.walk(points, settings(changed));
    whole.advance(137);
    const cut = await local.walk(points, settings(changed));
    for (const count of [1, 10, 49, 3]) assert.equal(cut.advance(count).length, count);
    cut.back(20);
    assert.equal(cut.steps.length, 44);
    cut.back(1000);
    assert.equal(cut.steps.length, 1);
    cut.advance(137);
    assert.deepEqual(cut.steps, whole.steps);
  }
});

test("a walk that diverges is warned of, ends, and says why", async () => {
  const walk = await local.walk(cloud(), settings({ rate: 3 }));
  assert.match(walk.warning, /above .* the largest stable rate/);
  assert.equal(walk.diverged, null);
  walk.advance(1000);
  assert.match(walk.diverged, /1,000 times the start/);
  assert.ok(walk.steps.length < 100);
  assert.equal(walk.advance(5).length, 0);
  walk.back(1);
  assert.equal(walk.diverged, null);
});

test("a standardised walk reports the user's coefficients, and ends where others do", async () => {
  const points = { inputs: ["year"], target: "y", x: [[2001], [2002], [2004], [2007], [2011]], y: [3, 5, 6, 9, 20] };
  const walk = await local.walk(points, settings({ standardised: true }));
  walk.advance(300);
  const { coefficients } = await local.optimum(points, settings());
  walk.steps.at(-1).coefficients.forEach((value, j) => assert.ok(Math.abs(value - coefficients[j]) < 1e-8 * Math.abs(coefficients[j])));
  assert.deepEqual(walk.steps[0].coefficients, [0, 0]);
  const inside = local.toWalk(points, settings({ standardised: true }), coefficients);
  local.fromWalk(points, settings({ standardised: true }), inside).forEach((value, j) => assert.ok(Math.abs(value - coefficients[j]) < 1e-12 * Math.abs(coefficients[j])));
});

test("the predicted factor is the one a walk shows", async () => {
  const points = cloud(60, 2);
  for (const changed of [{ rate: 0.1 }, { rate: 0.3, momentum: 0.5 }, { rate: 0.05, momentum: 0.3, nesterov: true }]) {
    const chosen = settings({ ...changed, start: [4, -7] });
    const best = await local.optimum(points, chosen);
    const { predictedRate } = await local.stability(points, chosen, best);
    const walk = await local.walk(points, chosen);
    walk.advance(120);
    const away = (k) => Math.hypot(...walk.steps[k].coefficients.map((value, j) => value - best.coefficients[j]));
    // Over twenty steps: with momentum an error turns about itself as it shrinks.
    const seen = (away(60) / away(20)) ** (1 / 40);
    assert.ok(Math.abs(seen - predictedRate) < 0.03, `${seen} and ${predictedRate}`);
  }
});

test("one point, identical points, a column that does not vary", async () => {
  const one = { inputs: ["x"], target: "y", x: [[3]], y: [5] };
  for (const name of ["squared", "absolute", "huber", "log_cosh", "cauchy"]) {
    const { coefficients, certificate } = await local.optimum(one, settings({ loss: { kind: "catalogue", name } }));
    assert.ok(Math.abs(coefficients[0] - 5) < 1e-9, name);
    assert.equal(coefficients[1], 0);
    assert.match(certificate.reason, /do not tell the slope of x/);
  }
  const same = { inputs: ["x", "z"], target: "y", x: [[1, 2], [1, 2], [1, 2]], y: [1, 4, 7] };
  assert.deepEqual((await local.optimum(same, settings({ start: [0, 0, 0] }))).coefficients, [4, 0, 0]);
  assert.deepEqual((await local.optimum(same, settings({ start: [0, 0, 0], loss: { kind: "catalogue", name: "absolute" } }))).coefficients, [4, 0, 0]);
  const double = { inputs: ["x", "z"], target: "y", x: [[1, 2], [2, 4], [5, 10], [7, 14]], y: [1, 2, 5, 8] };
  const { coefficients, certificate } = await local.optimum(double, settings({ start: [0, 0, 0] }));
  assert.equal(coefficients[2], 0);
  assert.match(certificate.reason, /slope of z/);
  for (const points of [one, same, double]) {
    const walk = await local.walk(points, settings({ start: points.inputs.length === 1 ? [0, 0] : [0, 0, 0], standardised: true }));
    walk.advance(10);
    assert.ok(walk.steps.every((step) => Number.isFinite(step.loss)));
    await local.compare(points, settings(), [typed("abs(y - p) + (y - p)^2"), { kind: "catalogue", name: "quantile", option: 0.5 }]);
  }
});

test("where there is no optimum it is said", async () => {
  const separated = { inputs: ["x"], target: "y", x: [[1], [2], [3], [4]], y: [0, 0, 1, 1] };
  const zeros = { ...separated, y: [0, 0, 0, 0] };
  for (const [points, name] of [[separated, "logistic"], [separated, "probit"], [zeros, "poisson"]]) {
    const { certificate } = await local.optimum(points, settings({ loss: { kind: "catalogue", name } }));
    assert.equal(certificate.converged, false, name);
    assert.match(certificate.reason, /no optimum/, name);
  }
  const { certificate } = await local.optimum(cloud(), settings({ loss: typed("y, p -> y - p") }));
  assert.equal(certificate.converged, false);
});

test("a loss that is not convex says that its optimum may be local", async () => {
  for (const loss of [typed("y, p -> log(1 + (y - p)^2)"), typed("y, p -> min(abs(y - p), 2)"), { kind: "catalogue", name: "tukey" }]) {
    const { certificate } = await local.optimum(cloud(), settings({ loss }));
    assert.match(certificate.reason, /not convex|local/);
    assert.ok(certificate.converged);
  }
});

test("surfaces agree with the loss, and pass through the optimum", async () => {
  const points = cloud();
  for (const loss of [{ kind: "catalogue", name: "squared" }, { kind: "catalogue", name: "log_cosh" }]) {
    const chosen = settings({ loss });
    const best = await local.optimum(points, chosen);
    const [a, b] = best.coefficients;
    const { first, second, loss: values } = await local.surface(points, chosen, [a - 1, a + 1], [b - 2, b + 2], 5);
    assert.ok(Math.abs(values[12] - best.loss) < 1e-12);
    assert.ok(values.every((value) => value >= best.loss - 1e-12));
    assert.equal(first.length * second.length, values.length);
    const walk = await local.walk(points, settings({ loss, start: [first[1], second[3]] }));
    assert.ok(Math.abs(values[3 * 5 + 1] - walk.steps[0].loss) < 1e-12 * walk.steps[0].loss);
  }
});

test("tables are read, and what is wrong is named by row and column", () => {
  const plain = engine.readTable("x,y\n1,2\n3,4\n");
  assert.deepEqual(plain.columns.map(({ name, kind }) => [name, kind]), [["x", "number"], ["y", "number"]]);
  assert.equal(plain.rows, 2);
  const european = engine.readTable("gr\u00f6\u00dfe;preis\r\n1,5;2\r\n2,5;3\r\n");
  assert.deepEqual([...european.columns[0].numbers], [1.5, 2.5]);
  const bare = engine.readTable("1\t2\n3\t4");
  assert.deepEqual(bare.columns.map(({ name }) => name), ["x", "y"]);
  assert.match(bare.notes[0].message, /given names/);
  const quoted = engine.readTable('"a, b","say ""so""",y\n1,hi,3\n2,"two\nlines",4\n5,,6\n');
  assert.deepEqual(quoted.columns.map(({ name, kind }) => [name, kind]), [["a, b", "number"], ['say "so"', "text"], ["y", "number"]]);
  const gaps = engine.readTable("x,y\n1,2\n,3\n4,oops\n5,NA\n6,7\n8,9\n");
  assert.deepEqual(gaps.notes.map((note) => note.message), ["row 4, column y: 'oops' is no number; such rows are left out where the column is used"]);
  const { points, dropped, notes } = engine.tablePoints(gaps, ["x"], "y");
  assert.equal(dropped, 3);
  assert.deepEqual(points.y, [2, 7, 9]);
  assert.equal(notes[0].message, "3 of 6 rows left out: in the first, row 3, column x is empty");
  const html = engine.readTable("<img src=x onerror=alert(1)>,y\n1,2\n");
  assert.equal(html.columns[0].name, "<img src=x onerror=alert(1)>");
  const thousands = engine.readTable('x,y\n"1,200",2\n"3,400,000",4\n');
  assert.deepEqual([...thousands.columns[0].numbers], [1200, 3400000]);
  const refused = {
    "": /nothing in it/,
    " \n \n": /nothing in it/,
    "name,town\nAnn,Rome\nBob,Bonn\n": "no column holds numbers: row 2, column name is 'Ann'. A line needs at least two columns of numbers",
    "x,y\n1,2\n3\n": "row 3 has 1 cell and not 2 cells as the first row; is a separator or a quotation mark missing?",
    'x,y\n1,"2\n3,4\n': "row 2: a quotation mark is opened and never closed",
    'x,y\n1,"2"3\n': "row 2: after a closing quotation mark comes '3', not a separator",
    "x,y\n": "there is a heading and no row below it",
    "a\u0000b,c\n": /no text/,
  };
  for (const [text, wanted] of Object.entries(refused)) {
    const found = message(() => engine.readTable(text));
    if (wanted instanceof RegExp) assert.match(found, wanted, text);
    else assert.equal(found, wanted, text);
  }
  assert.match(message(() => engine.tablePoints(quoted, ['say "so"'], "y")), /holds text \(row 2: 'hi'\)/);
  assert.match(message(() => engine.tablePoints(quoted, ["y"], "y")), /different columns/);
});

test("a table too large for the page offers the server", () => {
  const line = "1,2\n";
  assert.match(message(() => engine.readTable(`x,y\n${line.repeat(100_001)}`)), /has 100,001 rows.*gradline studio/);
  assert.match(message(() => engine.readTable(`x,y\n${line.repeat(10_000_000)}`)), /more than 400,000 rows.*gradline studio/);
  assert.equal(engine.readTable(`x,y\n${line.repeat(100_000)}`).rows, 100_000);
});

test("a link holds everything and gives it back", async () => {
  const shared = { points: cloud(50), settings: settings({ loss: typed("y, p -> abs(y - p)"), batch: 5 }), compare: [{ kind: "catalogue", name: "huber", option: 2 }], locked: ["rate", "loss"], steps: 12, task: "Find a rate. \u{1f600}" };
  const fragment = await engine.toFragment(shared);
  assert.match(fragment, /^v1\.[A-Za-z0-9_-]+$/);
  assert.deepEqual(await engine.fromFragment(`#${fragment}`, engine.line), shared);
  const source = { kind: "line", count: 1000, slope: 6, intercept: -5, noise: 1, seed: 1 };
  const short = await engine.toFragment({ ...shared, points: engine.line(source), source });
  assert.ok(short.length < 700, short.length);
  assert.deepEqual((await engine.fromFragment(short, engine.line)).points, engine.line(source));
  const { CompressionStream } = globalThis;
  delete globalThis.CompressionStream;
  try {
    const bare = await engine.toFragment(shared);
    assert.match(bare, /^t1\./);
    assert.deepEqual(await engine.fromFragment(bare, engine.line), shared);
  } finally {
    globalThis.CompressionStream = CompressionStream;
  }
});

test("a hostile link is refused with a sentence", async () => {
  const good = { points: cloud(4), settings: settings(), compare: [], locked: [], steps: 0, task: "" };
  const packed = async (changed) => engine.toFragment({ ...good, ...changed });
  const fragment = await packed({});
  const bomb = await engine.toFragment({ ...good, task: "a".repeat(30_000_000) });
  assert.ok(bomb.length < 100_000);
  const wrong = [
    "", "v1.", "x", "javascript:alert(1)", "v9.abcd", "v1.A", fragment.slice(0, -9), fragment.replace(/^v1/, "t1"), "t1.bnVsbA", "t1.W10", bomb, `v1.${"A".repeat(5_000_000)}`,
    await packed({ settings: settings({ loss: { kind: "file", name: "evil.py:loss" } }) }),
    await packed({ settings: settings({ loss: { kind: "catalogue", name: "__proto__" } }) }),
    await packed({ settings: settings({ rate: -1 }) }),
    await packed({ settings: settings({ momentum: 2 }) }),
    await packed({ settings: settings({ start: [0] }) }),
    await packed({ points: { ...cloud(4), y: [1, 2, 3] } }),
    await packed({ points: { ...cloud(4), x: [[1], ["2"], [3], [4]] } }),
    await packed({ source: { kind: "line", count: 1e9, slope: 1, intercept: 1, noise: 1, seed: 1 } }),
    await packed({ task: { html: "<b>" } }),
  ];
  for (const one of wrong) assert.match((await refusal(() => engine.fromFragment(one, engine.line))) ?? "opened", /^this link cannot be opened: /, one.slice(0, 40));
  const polluted = await engine.fromFragment(`t1.${Buffer.from(JSON.stringify(good).replace('"steps":0', '"steps":0,"__proto__":{"bad":1},"extra":2')).toString("base64url")}`, engine.line);
  assert.equal({}.bad, undefined);
  assert.deepEqual(polluted, good);
});

test("hashes are SHA-256, numbers are written as Python writes them", () => {
  assert.equal(engine.sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  assert.equal(engine.sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  assert.equal(engine.sha256("a".repeat(1_000_000)), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  const written = { 1: "1.0", 0.1: "0.1", 1e-5: "1e-05", 1.5e-7: "1.5e-07", 123456789: "123456789.0", 1e16: "1e+16", 1e15: "1000000000000000.0", 1.25e300: "1.25e+300", 0.0001: "0.0001", "-0.5": "-0.5" };
  for (const [value, text] of Object.entries(written)) assert.equal(engine.pythonNumber(Number(value)), text);
  assert.equal(engine.pythonNumber(-0), "-0.0");
});

test("every example can be fitted by the loss it comes with", async () => {
  for (const { name, points: make, loss } of engine.PRESETS) {
    const points = make();
    const chosen = settings({ loss, start: [0, ...points.inputs.map(() => 0)] });
    assert.ok((await local.optimum(points, chosen)).certificate.converged, name);
    const walk = await local.walk(points, { ...chosen, standardised: true });
    walk.advance(20);
    assert.ok(walk.steps.at(-1).loss < walk.steps[0].loss, name);
  }
});

test("influence curves have the shape that gives their losses their names", async () => {
  const ask = async (name, loss) => {
    const points = engine.preset(name).points();
    const [{ influence }] = await local.compare(points, settings({ start: [0, 0] }), [loss]);
    assert.ok(influence.residual.every((value, k) => k === 0 || value >= influence.residual[k - 1]), loss.name);
    return influence;
  };
  const squared = await ask("lever", { kind: "catalogue", name: "squared" });
  squared.slope.forEach((value, k) => assert.ok(Math.abs(value + 2 * squared.residual[k]) < 1e-12));
  const huber = await ask("outliers", { kind: "catalogue", name: "huber", option: 1 });
  assert.ok(huber.slope.every((value) => Math.abs(value) <= 1));
  assert.ok(Math.max(...huber.residual) > 5);
  const logistic = await ask("binary", { kind: "catalogue", name: "logistic" });
  logistic.slope.forEach((value, k) => assert.ok(Math.abs(value + logistic.residual[k]) < 1e-12));
  const poisson = await ask("counts", { kind: "catalogue", name: "poisson" });
  poisson.slope.forEach((value, k) => assert.ok(Math.abs(value + poisson.residual[k]) < 1e-9));
  await ask("counts", { kind: "catalogue", name: "negative_binomial" });
});
