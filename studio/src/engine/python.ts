// A typed loss as a function in Python, for gradline and JAX.

import type { Condition, Node } from "./grammar.ts";
import { parse } from "./grammar.ts";

const FUNCTIONS: Readonly<Record<string, string>> = {
  abs: "jnp.abs",
  sign: "jnp.sign",
  exp: "jnp.exp",
  expm1: "jnp.expm1",
  log: "jnp.log",
  log1p: "jnp.log1p",
  sqrt: "jnp.sqrt",
  square: "jnp.square",
  sin: "jnp.sin",
  cos: "jnp.cos",
  tan: "jnp.tan",
  atan: "jnp.arctan",
  tanh: "jnp.tanh",
  sinh: "jnp.sinh",
  cosh: "jnp.cosh",
  sigmoid: "jax.nn.sigmoid",
  softplus: "jax.nn.softplus",
};

const TAKEN = new Set([
  ..."False None True as assert async await break class continue def del except finally for from global import in is nonlocal pass raise return try while with yield jnp jax loss prediction".split(" "),
]);

// What binds tighter stands higher.
const [LOOSE, COMPARED, SUM, PRODUCT, SIGN, POWER, TIGHT] = [0, 1, 2, 3, 4, 5, 6];

/** The lines of `def loss(y, prediction)`, and whether they need `import jax` beside jax.numpy. */
export function pythonLoss(text: string): { source: string; imports: string[] } {
  const program = parse(text);
  const names = new Map<string, string>();
  for (const { name } of program.bindings) names.set(name, unusedName(name, new Set(names.values())));
  const lines = program.bindings.map(({ name, value }) => `    ${names.get(name)!} = ${written(value, names, LOOSE)}`);
  const result = written(program.value, names, LOOSE);
  // gradline reads off a function which framework it is written in.
  const all = [...lines, result].join("\n");
  const needed = /\bjnp\./.test(all) || /\bjax\./.test(all) ? result : `jnp.asarray(${result})`;
  const source = [`def loss(y, prediction):`, ...lines, `    return ${needed}`, ""].join("\n");
  const imports = [...(/\bjax\./.test(source) ? ["import jax"] : []), ...(/\bjnp\./.test(source) ? ["import jax.numpy as jnp"] : [])];
  return { source, imports };
}

function unusedName(name: string, used: ReadonlySet<string>): string {
  let found = name;
  while (TAKEN.has(found) || used.has(found) || (found !== name && found === "y")) found += "_";
  return found;
}

function written(node: Node, names: ReadonlyMap<string, string>, around: number): string {
  const inside = (one: Node, level: number): string => written(one, names, level);
  const bracketed = (text: string, level: number): string => (level < around ? `(${text})` : text);
  switch (node.kind) {
    case "y":
      return "y";
    case "p":
      return "prediction";
    case "name":
      return names.get(node.name)!;
    case "number":
      return node.text === "pi" || node.text === "e" ? `jnp.${node.text}` : pythonNumber(node.value);
    case "negative":
      return bracketed(`-${inside(node.of, SIGN)}`, SIGN);
    case "call":
      if (node.name === "relu") return `jnp.maximum(${inside(node.of, LOOSE)}, 0.0)`;
      return `${FUNCTIONS[node.name]!}(${inside(node.of, LOOSE)})`;
    case "extreme":
      return `jnp.${node.name}imum(${inside(node.left, LOOSE)}, ${inside(node.right, LOOSE)})`;
    case "choice":
      return `jnp.where(${condition(node.condition, names, LOOSE)}, ${inside(node.yes, LOOSE)}, ${inside(node.no, LOOSE)})`;
    case "binary": {
      if (node.op === "^") {
        // A whole exponent stays whole, which JAX takes apart into products.
        const { right } = node;
        const exponent = right.kind === "number" && Number.isInteger(right.value) && right.value < 100 ? String(right.value) : inside(right, SIGN);
        return bracketed(`${inside(node.left, TIGHT)} ** ${exponent}`, POWER);
      }
      const level = node.op === "+" || node.op === "-" ? SUM : PRODUCT;
      // The right side of - and / is bracketed where its sign binds no tighter.
      return bracketed(`${inside(node.left, level)} ${node.op} ${inside(node.right, level + 1)}`, level);
    }
  }
}

function condition(node: Condition, names: ReadonlyMap<string, string>, around: number): string {
  switch (node.kind) {
    case "compare": {
      const text = `${written(node.left, names, SUM)} ${node.op} ${written(node.right, names, SUM)}`;
      return around > LOOSE ? `(${text})` : text;
    }
    case "not":
      return `~${condition(node.of, names, COMPARED)}`;
    default: {
      const text = `${condition(node.left, names, COMPARED)} ${node.kind === "both" ? "&" : "|"} ${condition(node.right, names, COMPARED)}`;
      return around > LOOSE ? `(${text})` : text;
    }
  }
}

/** A double as Python writes it: repr(x). */
export function pythonNumber(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (Object.is(value, -0)) return "-0.0";
  // JavaScript and Python both write the shortest digits that give the double back, and differ in where the exponent begins.
  const [mantissa, power] = value.toExponential().split("e") as [string, string];
  const exponent = Number(power);
  if (value !== 0 && (exponent < -4 || exponent >= 16)) {
    const size = String(Math.abs(exponent)).padStart(2, "0");
    return `${mantissa}e${exponent < 0 ? "-" : "+"}${size}`;
  }
  const sign = mantissa.startsWith("-") ? "-" : "";
  const digits = mantissa.replace("-", "").replace(".", "");
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  return `${sign}${whole}.${digits.slice(exponent + 1) || "0"}`;
}

