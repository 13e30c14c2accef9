// The grammar of a typed loss, read by hand and never evaluated as code:
//
//   loss       = [ name "," name "->" ] { name "=" value ";" } value
//   value      = either [ "?" value ":" value ] | either "if" condition "else" value
//   condition  = comparisons joined by and, or, not
//   arithmetic   + - * /, ^ or **, unary minus, calls, numbers, names, pi, e

import { EngineError } from "./types.ts";

export type Unary = keyof typeof UNARY;
export type Comparison = "<" | "<=" | ">" | ">=" | "==" | "!=";

export type Node =
  | { readonly kind: "number"; readonly value: number; readonly text: string }
  | { readonly kind: "name"; readonly name: string } // a let-binding; y and p have kinds of their own
  | { readonly kind: "y" }
  | { readonly kind: "p" }
  | { readonly kind: "binary"; readonly op: "+" | "-" | "*" | "/" | "^"; readonly left: Node; readonly right: Node }
  | { readonly kind: "negative"; readonly of: Node }
  | { readonly kind: "call"; readonly name: Unary; readonly of: Node }
  | { readonly kind: "extreme"; readonly name: "max" | "min"; readonly left: Node; readonly right: Node }
  | { readonly kind: "choice"; readonly condition: Condition; readonly yes: Node; readonly no: Node };

export type Condition =
  | { readonly kind: "compare"; readonly op: Comparison; readonly left: Node; readonly right: Node }
  | { readonly kind: "both" | "either"; readonly left: Condition; readonly right: Condition }
  | { readonly kind: "not"; readonly of: Condition };

export interface Program {
  readonly bindings: readonly { readonly name: string; readonly value: Node }[];
  readonly value: Node;
}

/** Functions of one number, each with the words that say what it is. */
export const UNARY = {
  abs: "size without sign",
  sign: "-1, 0 or 1",
  exp: "e to the power",
  expm1: "exp(x) - 1",
  log: "natural logarithm",
  log1p: "log(1 + x)",
  sqrt: "square root",
  square: "x times x",
  sin: "sine",
  cos: "cosine",
  tan: "tangent",
  atan: "inverse tangent",
  tanh: "hyperbolic tangent",
  sinh: "hyperbolic sine",
  cosh: "hyperbolic cosine",
  sigmoid: "1 / (1 + exp(-x))",
  softplus: "log(1 + exp(x))",
  relu: "max(x, 0)",
} as const;

const CONSTANTS: Readonly<Record<string, number>> = { pi: Math.PI, e: Math.E };
const KEYWORDS = new Set(["if", "else", "and", "or", "not", "lambda"]);
const LONGEST = 2000;
const DEEPEST = 64;

interface Token {
  readonly kind: "number" | "name" | "symbol" | "end";
  readonly text: string;
  readonly at: number; // 1 is the first character
}

function fail(at: number, message: string): never {
  throw new EngineError({ path: `loss, character ${at}`, message: `character ${at}: ${message}` });
}

const SYMBOLS = ["**", "->", "=>", "<=", ">=", "==", "!=", "&&", "||", "+", "-", "*", "/", "^", "(", ")", ",", "<", ">", "?", ":", ";", "=", "!"];

function tokens(text: string): Token[] {
  if (text.length > LONGEST) fail(LONGEST + 1, `a loss has at most ${LONGEST} characters`);
  const found: Token[] = [];
  // Typographic minus and multiplication signs come with pasted formulas.
  const plain = text.replace(/\u2212/g, "-").replace(/[\u00b7\u00d7]/g, "*");
  let at = 0;
  while (at < plain.length) {
    const rest = plain.slice(at);
    const space = /^\s+/.exec(rest);
    if (space !== null) {
      at += space[0].length;
      continue;
    }
    const number = /^(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/.exec(rest);
    if (number !== null) {
      if (!Number.isFinite(Number(number[0]))) fail(at + 1, `${number[0]} is too large for a double`);
      const after = rest.slice(number[0].length, number[0].length + 1);
      if (/[A-Za-z_.]/.test(after)) fail(at + 1 + number[0].length, `expected an operator after the number ${number[0]}, not '${after}' (write 2 * p, not 2p)`);
      found.push({ kind: "number", text: number[0], at: at + 1 });
      at += number[0].length;
      continue;
    }
    const name = /^[A-Za-z_][A-Za-z_0-9]*/.exec(rest);
    if (name !== null) {
      found.push({ kind: "name", text: name[0], at: at + 1 });
      at += name[0].length;
      continue;
    }
    const symbol = SYMBOLS.find((one) => rest.startsWith(one));
    if (symbol === undefined) fail(at + 1, `'${String.fromCodePoint(rest.codePointAt(0)!)}' is not part of a loss`);
    found.push({ kind: "symbol", text: symbol, at: at + 1 });
    at += symbol.length;
  }
  found.push({ kind: "end", text: "", at: text.length + 1 });
  return found;
}

/** A typed loss taken apart. Raises EngineError naming the character and what was expected there. */
export function parse(text: string): Program {
  return new Parser(tokens(text)).program();
}

class Parser {
  private place = 0;
  private depth = 0;
  private target = "y";
  private predictor = "p";
  private readonly bindings: { name: string; value: Node }[] = [];

  constructor(private readonly list: readonly Token[]) {}

  program(): Program {
    this.heading();
    for (;;) {
      const token = this.peek();
      if (token.kind !== "name" || this.list[this.place + 1]?.text !== "=") break;
      const name = this.fresh(token);
      this.place += 2;
      const value = this.value();
      this.bindings.push({ name, value });
      this.expect(";", `';' after the value of ${name}`);
    }
    if (this.peek().kind === "end") fail(this.peek().at, "expected what a row costs, such as (y - p)^2");
    const value = this.value();
    const token = this.peek();
    if (token.kind !== "end") {
      const hint = token.text === "=" ? " (== compares; a name is given a value at the beginning: r = y - p; abs(r))" : "";
      fail(token.at, `expected an operator or the end, but found '${token.text}'${hint}`);
    }
    return { bindings: this.bindings, value };
  }

  /** "y, p ->" or "lambda y, p:", which may be left out. */
  private heading(): void {
    const lambda = this.peek().text === "lambda";
    if (lambda) this.place++;
    const [first, comma, second, arrow] = this.list.slice(this.place);
    if (!lambda && comma?.text !== ",") {
      if (comma !== undefined && (comma.text === "->" || comma.text === "=>")) fail(comma.at, "expected ',' and the prediction's name: y, p -> ...");
      return;
    }
    if (first?.kind !== "name") fail(first?.at ?? 1, "expected the name of the target, as in y, p -> ...");
    if (comma?.text !== ",") fail(comma?.at ?? 1, "expected ',' after the name of the target");
    if (second?.kind !== "name") fail(second?.at ?? 1, "expected the name of the prediction, as in y, p -> ...");
    const wanted = lambda ? [":"] : ["->", "=>"];
    if (arrow === undefined || !wanted.includes(arrow.text)) fail(arrow?.at ?? 1, `expected '${wanted[0]}' after ${first.text}, ${second.text}`);
    for (const token of [first, second]) this.free(token);
    if (first.text === second.text) fail(second.at, "target and prediction need two names");
    this.target = first.text;
    this.predictor = second.text;
    this.place += 4;
  }

  private fresh(token: Token): string {
    this.free(token);
    if (token.text === this.target || token.text === this.predictor || this.bindings.some((one) => one.name === token.text)) {
      fail(token.at, `'${token.text}' has a meaning already; choose another name`);
    }
    return token.text;
  }

  private free(token: Token): void {
    const name = token.text;
    if (KEYWORDS.has(name) || Object.hasOwn(UNARY, name) || SEVERAL.has(name)) fail(token.at, `'${name}' is a word of the language; choose another name`);
  }

  private peek(): Token {
    return this.list[this.place]!;
  }

  private take(...texts: string[]): Token | null {
    const token = this.peek();
    if (token.kind === "end" || token.kind === "number" || !texts.includes(token.text)) return null;
    this.place++;
    return token;
  }

  private expect(text: string, words: string): void {
    const token = this.peek();
    if (this.take(text) === null) fail(token.at, `expected ${words}, but ${found(token)}`);
  }

  private deeper<T>(work: () => T): T {
    if (++this.depth > DEEPEST) fail(this.peek().at, `brackets and choices are nested more than ${DEEPEST} deep`);
    const result = work();
    this.depth--;
    return result;
  }

  private value(): Node {
    return this.deeper(() => {
      // A condition begins like a value, so both are read the same way and told apart afterwards.
      const first = this.either();
      const mark = this.take("?");
      if (mark !== null) {
        const condition = this.asCondition(first, mark.at, "before '?'");
        const yes = this.value();
        this.expect(":", "':' and the value otherwise");
        return { kind: "choice", condition, yes, no: this.value() };
      }
      const word = this.take("if");
      if (word !== null) {
        const yes = this.asValue(first, word.at);
        const condition = this.asCondition(this.either(), word.at, "after 'if'");
        this.expect("else", "'else' and the value otherwise");
        return { kind: "choice", condition, yes, no: this.value() };
      }
      return this.asValue(first, this.peek().at);
    });
  }

  private asValue(found: Node | Condition, at: number): Node {
    if (isCondition(found)) fail(at, "expected '? value : value' after the condition: a comparison is no number");
    return found;
  }

  private asCondition(found: Node | Condition, at: number, where: string): Condition {
    if (!isCondition(found)) fail(at, `expected a comparison such as y > p ${where}`);
    return found;
  }

  private either(): Node | Condition {
    let left = this.both();
    for (let token = this.take("||", "or"); token !== null; token = this.take("||", "or")) {
      left = { kind: "either", left: this.asCondition(left, token.at, `before '${token.text}'`), right: this.asCondition(this.both(), token.at, `after '${token.text}'`) };
    }
    return left;
  }

  private both(): Node | Condition {
    let left = this.denied();
    for (let token = this.take("&&", "and"); token !== null; token = this.take("&&", "and")) {
      left = { kind: "both", left: this.asCondition(left, token.at, `before '${token.text}'`), right: this.asCondition(this.denied(), token.at, `after '${token.text}'`) };
    }
    return left;
  }

  private denied(): Node | Condition {
    const token = this.take("!", "not");
    if (token !== null) return this.deeper(() => ({ kind: "not", of: this.asCondition(this.denied(), token.at, `after '${token.text}'`) }));
    return this.comparison();
  }

  private comparison(): Node | Condition {
    const left = this.sum();
    const token = this.take("<", "<=", ">", ">=", "==", "!=");
    if (token === null) return left;
    const right = this.asValue(this.sum(), token.at);
    const another = this.peek();
    if (["<", "<=", ">", ">=", "==", "!="].includes(another.text)) fail(another.at, "one comparison at a time; join two with 'and'");
    return { kind: "compare", op: token.text as Comparison, left: this.asValue(left, token.at), right };
  }

  private sum(): Node | Condition {
    let left = this.product();
    for (let token = this.take("+", "-"); token !== null; token = this.take("+", "-")) {
      left = { kind: "binary", op: token.text as "+" | "-", left: this.asValue(left, token.at), right: this.asValue(this.product(), token.at) };
    }
    return left;
  }

  private product(): Node | Condition {
    let left = this.signed();
    for (let token = this.take("*", "/"); token !== null; token = this.take("*", "/")) {
      left = { kind: "binary", op: token.text as "*" | "/", left: this.asValue(left, token.at), right: this.asValue(this.signed(), token.at) };
    }
    return left;
  }

  private signed(): Node | Condition {
    const minus = this.take("-");
    if (minus !== null) return this.deeper(() => ({ kind: "negative", of: this.asValue(this.signed(), minus.at) }));
    const plus = this.take("+");
    if (plus !== null) return this.deeper(() => this.asValue(this.signed(), plus.at));
    return this.power();
  }

  private power(): Node | Condition {
    const base = this.atom();
    const token = this.take("^", "**");
    if (token === null) return base;
    // To the right first, and below a minus sign: -x^2 is -(x^2), and 2^-1 is a half.
    const exponent = this.deeper(() => this.asValue(this.signed(), token.at));
    return { kind: "binary", op: "^", left: this.asValue(base, token.at), right: exponent };
  }

  private atom(): Node | Condition {
    const token = this.peek();
    if (token.kind === "number") {
      this.place++;
      return { kind: "number", value: Number(token.text), text: token.text };
    }
    if (token.kind === "name" && !KEYWORDS.has(token.text)) {
      this.place++;
      return this.named(token);
    }
    if (this.take("(") !== null) {
      const inside = this.deeper(() => this.inBrackets());
      this.expect(")", "')'");
      return inside;
    }
    return fail(token.at, `expected a number, y, p, a function or '(', but ${found(token)}`);
  }

  /** Brackets hold a value or a whole condition. */
  private inBrackets(): Node | Condition {
    const start = this.place;
    const inside = this.either();
    const next = this.peek().text;
    if (next !== "?" && next !== "if") return inside;
    this.place = start;
    return this.value();
  }

  private named(token: Token): Node {
    const name = token.text;
    if (this.peek().text === "(") return this.call(token);
    if (name === this.target) return { kind: "y" };
    if (name === this.predictor) return { kind: "p" };
    if (this.bindings.some((one) => one.name === name)) return { kind: "name", name };
    if (Object.hasOwn(CONSTANTS, name)) return { kind: "number", value: CONSTANTS[name]!, text: name };
    if (Object.hasOwn(UNARY, name) || SEVERAL.has(name)) fail(token.at + name.length, `expected '(' after ${name}`);
    return fail(token.at, `nothing is called '${name}'; there are ${this.target}, ${this.predictor}, pi, e${this.bindings.map((one) => `, ${one.name}`).join("")}`);
  }

  private call(token: Token): Node {
    const name = token.text;
    const known = Object.hasOwn(UNARY, name) || SEVERAL.has(name);
    if (!known) fail(token.at, `no function is called '${name}'; there are ${[...Object.keys(UNARY), ...SEVERAL].join(", ")}`);
    this.place++; // "("
    if (name === "where" || name === "if") return this.chosen(name);
    const given: Node[] = [];
    if (this.peek().text !== ")") {
      do given.push(this.value());
      while (this.take(",") !== null);
    }
    const end = this.peek();
    this.expect(")", `',' or ')' in ${name}(...)`);
    if (name === "max" || name === "min") {
      if (given.length < 2) fail(end.at, `${name} takes two or more numbers`);
      return given.reduce((left, right) => ({ kind: "extreme", name, left, right }));
    }
    if (name === "clip") {
      if (given.length !== 3) fail(end.at, "clip takes three numbers: clip(x, lowest, highest)");
      const [x, low, high] = given as [Node, Node, Node];
      return { kind: "extreme", name: "min", left: { kind: "extreme", name: "max", left: x, right: low }, right: high };
    }
    if (name === "pow") {
      if (given.length !== 2) fail(end.at, "pow takes two numbers: pow(x, power)");
      return { kind: "binary", op: "^", left: given[0]!, right: given[1]! };
    }
    if (given.length !== 1) fail(end.at, `${name} takes one number, not ${given.length}`);
    return { kind: "call", name: name as Unary, of: given[0]! };
  }

  private chosen(name: string): Node {
    const at = this.peek().at;
    const condition = this.asCondition(this.either(), at, `first in ${name}(...)`);
    this.expect(",", "',' and the value where the condition holds");
    const yes = this.value();
    this.expect(",", "',' and the value otherwise");
    const no = this.value();
    this.expect(")", `')' at the end of ${name}(...)`);
    return { kind: "choice", condition, yes, no };
  }
}

const SEVERAL = new Set(["max", "min", "clip", "pow", "where"]);

function isCondition(found: Node | Condition): found is Condition {
  return found.kind === "compare" || found.kind === "both" || found.kind === "either" || found.kind === "not";
}

function found(token: Token): string {
  return token.kind === "end" ? "the loss ends there" : `found '${token.text}'`;
}
