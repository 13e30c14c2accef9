// Numbers and names as a reader meets them.

/** A number to `digits` significant digits, with a true minus sign; far from 1 in powers of ten. */
export function number(value: number, digits = 4): string {
  if (Number.isNaN(value)) return "not a number";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) {
    const [mantissa, exponent] = value.toExponential(digits - 1).split("e") as [string, string];
    return `${minus(trimmed(mantissa))} × 10${raised(Number(exponent))}`;
  }
  const decimals = Math.max(0, digits - 1 - Math.floor(Math.log10(size)));
  return minus(trimmed(value.toFixed(Math.min(decimals, 12))));
}

/** A number that keeps its width while it changes: `digits` after the point where it is of ordinary size. */
export function steady(value: number, digits = 4): string {
  const size = Math.abs(value);
  if (!Number.isFinite(value) || size >= 1e5 || (size > 0 && size < 1e-3)) return number(value, digits);
  return minus(value.toFixed(size >= 1000 ? 1 : size >= 100 ? 2 : digits));
}

/** For input fields and code: a plain number a machine reads, short where that loses nothing visible. */
export function plain(value: number, digits = 6): string {
  return String(Number(value.toPrecision(digits)));
}

export function whole(value: number): string {
  return value.toLocaleString("en");
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${whole(count)} ${count === 1 ? one : many}`;
}

/** A phrase as a sentence: a capital at its start and a full stop at its end. */
export function sentence(text: string): string {
  const phrase = text.trim();
  if (phrase === "") return "";
  return `${phrase[0]!.toUpperCase()}${phrase.slice(1)}${/[.!?…]$/.test(phrase) ? "" : "."}`;
}

function trimmed(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

function minus(text: string): string {
  return text.replace("-", "−");
}

const RAISED: Readonly<Record<string, string>> = {
  "-": "⁻", "0": "⁰", "1": "¹", "2": "²", "3": "³", "4": "⁴", "5": "⁵", "6": "⁶", "7": "⁷", "8": "⁸", "9": "⁹",
};

function raised(exponent: number): string {
  return [...String(exponent)].map((character) => RAISED[character] ?? "").join("");
}

/** The line in words and signs: "y = 6.04 x − 4.97". */
export function equation(target: string, inputs: readonly string[], coefficients: readonly number[]): string {
  const [intercept = 0, ...slopes] = coefficients;
  let text = `${target} =`;
  slopes.forEach((slope, j) => {
    const sign = slope < 0 ? (j === 0 ? " −" : " − ") : j === 0 ? " " : " + ";
    text += `${sign}${number(Math.abs(slope), 3)} ${inputs[j]}`;
  });
  return `${text} ${intercept < 0 ? "−" : "+"} ${number(Math.abs(intercept), 3)}`;
}
