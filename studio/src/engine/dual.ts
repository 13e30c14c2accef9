// A program of the grammar run on numbers that carry two derivatives in p. It is flattened once into instructions over registers, so that a
// row costs a short loop and no allocation.

import type { Comparison, Condition, Node, Program, Unary } from "./grammar.ts";
import { sigmoid, softplus } from "./numbers.ts";

type Instruction =
  | { readonly op: "+" | "-" | "*" | "/" | "^" | "max" | "min"; readonly to: number; readonly a: number; readonly b: number }
  | { readonly op: "negative"; readonly to: number; readonly a: number }
  | { readonly op: "call"; readonly to: number; readonly a: number; readonly name: Unary }
  | { readonly op: "choice"; readonly to: number; readonly a: number; readonly b: number; readonly test: Test };

type Test =
  | { readonly kind: "compare"; readonly op: Comparison; readonly a: number; readonly b: number }
  | { readonly kind: "both"; readonly left: Test; readonly right: Test }
  | { readonly kind: "either"; readonly left: Test; readonly right: Test }
  | { readonly kind: "not"; readonly of: Test };

/** A place where the slope may jump: where registers `a` and `b` are equal (`b` of -1 is zero). */
export interface Guard {
  readonly a: number;
  readonly b: number;
}

const [Y, P] = [0, 1];

export class Tape {
  readonly guards: Guard[] = [];
  private readonly instructions: Instruction[] = [];
  private readonly constants: { at: number; value: number }[] = [];
  private readonly result: number;
  private registers = 2;
  private readonly value: Float64Array;
  private readonly first: Float64Array;
  private readonly second: Float64Array;

  constructor(program: Program) {
    const bound = new Map<string, number>();
    for (const { name, value } of program.bindings) bound.set(name, this.emit(value, bound));
    this.result = this.emit(program.value, bound);
    this.value = new Float64Array(this.registers);
    this.first = new Float64Array(this.registers);
    this.second = new Float64Array(this.registers);
    for (const { at, value } of this.constants) this.value[at] = value;
    this.first[P] = 1;
  }

  /** Value, slope and curvature in p into `out`. */
  run(y: number, p: number, out: Float64Array): void {
    this.execute(y, p);
    out[0] = this.value[this.result]!;
    out[1] = this.first[this.result]!;
    out[2] = this.second[this.result]!;
  }

  /** How far a guard is from its place, and how fast that changes in p, after `run`'s pass over the instructions. */
  guard(guard: Guard, y: number, p: number): { gap: number; slope: number; bend: number } {
    this.execute(y, p);
    const from = (list: Float64Array): number => list[guard.a]! - (guard.b < 0 ? 0 : list[guard.b]!);
    return { gap: from(this.value), slope: from(this.first), bend: from(this.second) };
  }

  private emit(node: Node, bound: ReadonlyMap<string, number>): number {
    switch (node.kind) {
      case "y":
        return Y;
      case "p":
        return P;
      case "name":
        return bound.get(node.name)!;
      case "number": {
        const at = this.registers++;
        this.constants.push({ at, value: node.value });
        return at;
      }
      case "negative": {
        const a = this.emit(node.of, bound);
        return this.push({ op: "negative", to: this.registers++, a });
      }
      case "call": {
        const a = this.emit(node.of, bound);
        if (node.name === "abs" || node.name === "sign" || node.name === "relu") this.guards.push({ a, b: -1 });
        return this.push({ op: "call", to: this.registers++, a, name: node.name });
      }
      case "binary":
      case "extreme": {
        const a = this.emit(node.left, bound);
        const b = this.emit(node.right, bound);
        if (node.kind === "extreme") this.guards.push({ a, b });
        return this.push({ op: node.kind === "extreme" ? node.name : node.op, to: this.registers++, a, b });
      }
      case "choice": {
        const test = this.test(node.condition, bound);
        const a = this.emit(node.yes, bound);
        const b = this.emit(node.no, bound);
        return this.push({ op: "choice", to: this.registers++, a, b, test });
      }
    }
  }

  private test(condition: Condition, bound: ReadonlyMap<string, number>): Test {
    if (condition.kind === "compare") {
      const a = this.emit(condition.left, bound);
      const b = this.emit(condition.right, bound);
      this.guards.push({ a, b });
      return { kind: "compare", op: condition.op, a, b };
    }
    if (condition.kind === "not") return { kind: "not", of: this.test(condition.of, bound) };
    return { kind: condition.kind, left: this.test(condition.left, bound), right: this.test(condition.right, bound) };
  }

  private push(instruction: Instruction): number {
    this.instructions.push(instruction);
    return instruction.to;
  }

  private holds(test: Test): boolean {
    switch (test.kind) {
      case "not":
        return !this.holds(test.of);
      case "both":
        return this.holds(test.left) && this.holds(test.right);
      case "either":
        return this.holds(test.left) || this.holds(test.right);
      case "compare":
        return this.compares(test.op, test.a, test.b);
    }
  }

  private compares(op: Comparison, left: number, right: number): boolean {
    const a = this.value[left]!;
    const b = this.value[right]!;
    switch (op) {
      case "<":
        return a < b;
      case "<=":
        return a <= b;
      case ">":
        return a > b;
      case ">=":
        return a >= b;
      case "==":
        return a === b;
      case "!=":
        return a !== b;
    }
  }

  private execute(y: number, p: number): void {
    const { value: v, first: d, second: h } = this;
    v[Y] = y;
    v[P] = p;
    const { instructions } = this;
    // A plain loop over plain numbers: this runs for every row of every step.
    for (let k = 0; k < instructions.length; k++) {
      const step = instructions[k]!;
      const to = step.to;
      const a = step.a;
      const va = v[a]!;
      const da = d[a]!;
      const ha = h[a]!;
      switch (step.op) {
        case "negative":
          v[to] = -va;
          d[to] = -da;
          h[to] = -ha;
          break;
        case "call":
          this.call(step.name, to, va, da, ha);
          break;
        case "choice": {
          const from = this.holds(step.test) ? a : step.b;
          v[to] = v[from]!;
          d[to] = d[from]!;
          h[to] = h[from]!;
          break;
        }
        default: {
          const b = step.b;
          const vb = v[b]!;
          const db = d[b]!;
          const hb = h[b]!;
          switch (step.op) {
            case "+":
              v[to] = va + vb;
              d[to] = da + db;
              h[to] = ha + hb;
              break;
            case "-":
              v[to] = va - vb;
              d[to] = da - db;
              h[to] = ha - hb;
              break;
            case "*":
              v[to] = va * vb;
              d[to] = da * vb + va * db;
              h[to] = ha * vb + 2 * da * db + va * hb;
              break;
            case "/": {
              const q = va / vb;
              const slope = (da - q * db) / vb;
              v[to] = q;
              d[to] = slope;
              h[to] = (ha - 2 * slope * db - q * hb) / vb;
              break;
            }
            case "^":
              this.power(to, va, da, ha, vb, db, hb);
              break;
            default: {
              // At a tie the slope is the middle of the two.
              const share = va === vb ? 0.5 : va > vb === (step.op === "max") ? 1 : 0;
              v[to] = Number.isNaN(va) || Number.isNaN(vb) ? NaN : share === 0 ? vb : va;
              d[to] = share === 1 ? da : share === 0 ? db : 0.5 * (da + db);
              h[to] = share === 1 ? ha : share === 0 ? hb : 0.5 * (ha + hb);
            }
          }
        }
      }
    }
  }

  /** f(u) with f' and f'': a part of the chain that does not move adds nothing, were its derivative infinite. */
  private chain(to: number, value: number, slope: number, bend: number, da: number, ha: number): void {
    this.value[to] = value;
    this.first[to] = da === 0 ? 0 : slope * da;
    this.second[to] = (da === 0 ? 0 : bend * da * da) + (ha === 0 ? 0 : slope * ha);
  }

  private power(to: number, va: number, da: number, ha: number, vb: number, db: number, hb: number): void {
    if (db === 0 && hb === 0) {
      if (vb === 2) return this.chain(to, va * va, 2 * va, 2, da, ha);
      const slope = vb === 0 ? 0 : vb * va ** (vb - 1);
      const bend = vb === 0 || vb === 1 ? 0 : vb * (vb - 1) * va ** (vb - 2);
      return this.chain(to, va ** vb, slope, bend, da, ha);
    }
    const log = Math.log(va);
    const value = va ** vb;
    // (b log a)' and its derivative.
    const slope = db * log + (vb * da) / va;
    const bend = hb * log + (2 * db * da) / va + vb * (ha / va - (da / va) ** 2);
    this.value[to] = value;
    this.first[to] = value * slope;
    this.second[to] = value * (slope * slope + bend);
  }

  private call(name: Unary, to: number, u: number, du: number, hu: number): void {
    switch (name) {
      case "abs":
        return this.chain(to, Math.abs(u), Math.sign(u), 0, du, hu);
      case "sign":
        return this.chain(to, Math.sign(u), 0, 0, du, hu);
      case "relu":
        return this.chain(to, u > 0 ? u : 0 * u, u > 0 ? 1 : u === 0 ? 0.5 : 0, 0, du, hu);
      case "exp": {
        const e = Math.exp(u);
        return this.chain(to, e, e, e, du, hu);
      }
      case "expm1": {
        const e = Math.exp(u);
        return this.chain(to, Math.expm1(u), e, e, du, hu);
      }
      case "log":
        return this.chain(to, Math.log(u), u < 0 ? NaN : 1 / u, -1 / (u * u), du, hu);
      case "log1p": {
        const w = 1 / (1 + u);
        return this.chain(to, Math.log1p(u), u < -1 ? NaN : w, -w * w, du, hu);
      }
      case "sqrt": {
        const s = Math.sqrt(u);
        return this.chain(to, s, 0.5 / s, -0.25 / (s * u), du, hu);
      }
      case "square":
        return this.chain(to, u * u, 2 * u, 2, du, hu);
      case "sin":
        return this.chain(to, Math.sin(u), Math.cos(u), -Math.sin(u), du, hu);
      case "cos":
        return this.chain(to, Math.cos(u), -Math.sin(u), -Math.cos(u), du, hu);
      case "tan": {
        const t = Math.tan(u);
        return this.chain(to, t, 1 + t * t, 2 * t * (1 + t * t), du, hu);
      }
      case "atan": {
        const w = 1 / (1 + u * u);
        return this.chain(to, Math.atan(u), w, -2 * u * w * w, du, hu);
      }
      case "tanh": {
        const t = Math.tanh(u);
        // sech^2 by exponentials, which do not cancel in the tails as 1 - t^2 does.
        const e = Math.exp(-2 * Math.abs(u));
        const s = (4 * e) / ((1 + e) * (1 + e));
        return this.chain(to, t, s, -2 * t * s, du, hu);
      }
      case "sinh":
        return this.chain(to, Math.sinh(u), Math.cosh(u), Math.sinh(u), du, hu);
      case "cosh":
        return this.chain(to, Math.cosh(u), Math.sinh(u), Math.cosh(u), du, hu);
      case "sigmoid": {
        const s = sigmoid(u);
        const r = sigmoid(-u);
        return this.chain(to, s, s * r, s * r * (r - s), du, hu);
      }
      case "softplus": {
        const s = sigmoid(u);
        return this.chain(to, softplus(u), s, s * sigmoid(-u), du, hu);
      }
    }
  }
}
