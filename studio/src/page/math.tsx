// Formulas as MathML, from a short notation: x^2, x_i, a/b as {a}/{b}, |x|, functions by their names.
import type { ComponentChildren, VNode } from "preact";

const FUNCTIONS = new Set(["log", "exp", "cosh", "max", "min", "mean", "if", "else", "and", "otherwise"]);

export function Formula({ of, label }: { readonly of: string; readonly label?: string }) {
  return (
    <math aria-label={label}>
      <mrow>{read(of)}</mrow>
    </math>
  );
}

function read(text: string): ComponentChildren[] {
  const tokens = text.match(/[A-Za-zα-ωΔ∇]+\*?|\d+(?:\.\d+)?|[{}^_]|[^\s]/gu) ?? [];
  let position = 0;
  const atom = (): VNode => {
    const token = tokens[position++] ?? "";
    if (token === "{") {
      const inner = sequence("}");
      position++;
      return <mrow>{inner}</mrow>;
    }
    if (/^\d/.test(token)) return <mn>{token}</mn>;
    if (FUNCTIONS.has(token)) return <mtext>{token === "if" || token === "otherwise" || token === "and" ? `\u2002${token}\u2002` : token}</mtext>;
    if (/^[A-Za-zα-ωΔ]/u.test(token)) return <mi>{token}</mi>;
    return <mo stretchy={false}>{token}</mo>;
  };
  const sequence = (until: string): ComponentChildren[] => {
    const out: VNode[] = [];
    while (position < tokens.length && tokens[position] !== until) {
      const token = tokens[position]!;
      if (token === "^" || token === "_") {
        position++;
        const script = atom();
        const base = out.pop() ?? <mrow />;
        out.push(token === "^" ? <msup>{[base, script]}</msup> : <msub>{[base, script]}</msub>);
      } else if (token === "/" && out.length > 0) {
        position++;
        const bottom = atom();
        const top = out.pop()!;
        out.push(<mfrac>{[top, bottom]}</mfrac>);
      } else out.push(atom());
    }
    return out;
  };
  return sequence("");
}

/** The losses of the catalogue, of one row: y observed, p predicted, r = y − p. */
export const LOSS_FORMULAS: Readonly<Record<string, string>> = {
  squared: "{( y − p )}^2",
  absolute: "| y − p |",
  huber: "{r^2}/2 if | r | ≤ δ , δ | r | − {δ^2}/2 otherwise",
  log_cosh: "log cosh ( y − p )",
  tukey: "{c^2}/6 ( 1 − {( 1 − {{( r / c )}^2} )}^3 ) if | r | ≤ c , {c^2}/6 otherwise",
  quantile: "max ( τ r , ( τ − 1 ) r )",
  expectile: "| τ − {1}_{r < 0} | r^2",
  epsilon_insensitive: "max ( 0 , | y − p | − ε )",
  logistic: "log ( 1 + e^p ) − y p",
  hinge: "max ( 0 , 1 − y p )",
  poisson: "e^p − y p + log y !",
  gamma: "p + y e^{− p}",
  student_t: "{{ν + 1}/2} log ( 1 + {r^2}/ν )",
  cauchy: "log ( 1 + r^2 )",
};
