// Special functions that JavaScript's Math lacks, to double precision.

export const HALF_LOG_TWO_PI = 0.9189385332046728;

/** log(1 + exp(x)) without overflow. */
export function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

/** 1 / (1 + exp(-x)). */
export function sigmoid(x: number): number {
  if (x >= 0) return 1 / (1 + Math.exp(-x));
  const e = Math.exp(x);
  return e / (1 + e);
}

/** log |Gamma(x)| of x > 0: Stirling's series above 15, the recurrence below it, and the table of factorials. */
export function logGamma(x: number): number {
  if (!(x > 0)) return Infinity;
  if (x === Math.floor(x) && x <= 171) return Math.log(FACTORIALS[x - 1]!);
  let shift = 1;
  let z = x;
  while (z < 15) {
    shift *= z;
    z += 1;
  }
  return (z - 0.5) * Math.log(z) - z + HALF_LOG_TWO_PI + stirlingRest(z) - Math.log(shift);
}

/** log Gamma(z) less Stirling's formula: z of 10 or more. */
export function stirlingRest(z: number): number {
  const s = 1 / (z * z);
  const series = 1 / 12 - s * (1 / 360 - s * (1 / 1260 - s * (1 / 1680 - s * (1 / 1188 - s * (691 / 360360 - s / 156)))));
  return series / z;
}

const FACTORIALS: readonly number[] = (() => {
  const found = [1];
  // In two parts, so that rounding does not add up over 170 products.
  let high = 1n;
  for (let n = 1n; n <= 170n; n++) {
    high *= n;
    found.push(Number(high));
  }
  return found;
})();

/** log Gamma(y + 1) + log Gamma(theta) - log Gamma(y + theta), without the cancellation of large arguments. */
export function negativeBinomialConstant(y: number, theta: number): number {
  const whole = y === Math.floor(y);
  if (whole && y < 1024) {
    // log of y! over theta (theta + 1) ... (theta + y - 1), term by term.
    let sum = 0;
    for (let j = 1; j <= y; j++) sum += Math.log(j / (theta + j - 1));
    return sum;
  }
  return logGamma(y + 1) + logGamma(theta) - logGamma(y + theta);
}

/** exp(x^2) erfc(x), x >= 0: by the continued fraction far out, by the series near zero. */
function scaledErfcPositive(x: number): number {
  if (x < 2) return Math.exp(x * x) * (1 - erfSeries(x));
  // Lentz's continued fraction: erfc(x) exp(x^2) sqrt(pi) = 1 / (x + (1/2) / (x + 1 / (x + (3/2) / ...))), from the far end.
  const terms = x < 3 ? 150 : x < 6 ? 60 : 30;
  let tail = x;
  for (let n = terms; n >= 1; n--) tail = x + (0.5 * n) / tail;
  return 1 / (tail * Math.sqrt(Math.PI));
}

function erfSeries(x: number): number {
  // erf(x) = 2 / sqrt(pi) exp(-x^2) sum 2^n x^(2n+1) / (2n+1)!!: all terms of one sign.
  let term = x;
  let sum = x;
  for (let n = 1; n < 200; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
    if (term < 1e-17 * sum) break;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

/** exp(x^2) erfc(x). */
export function erfcx(x: number): number {
  if (x >= 0) return x > 1e8 ? 1 / (x * Math.sqrt(Math.PI)) : scaledErfcPositive(x);
  if (x < -26.7) return Infinity;
  return 2 * Math.exp(x * x) - scaledErfcPositive(-x);
}

/** log of the normal distribution function. */
export function logNormalCdf(x: number): number {
  const root = Math.SQRT1_2;
  if (x <= 0) return Math.log(0.5 * erfcx(-root * x)) - 0.5 * x * x;
  return Math.log1p(-0.5 * Math.exp(-0.5 * x * x) * erfcx(root * x));
}

/** The normal distribution function. */
export function normalCdf(x: number): number {
  const root = Math.SQRT1_2;
  const tail = 0.5 * Math.exp(-0.5 * x * x) * erfcx(root * Math.abs(x));
  return x > 0 ? 1 - tail : tail;
}

/** The middle of the numbers, as numpy.median. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** As numpy.quantile: linear between order statistics. */
export function quantile(values: readonly number[], level: number): number {
  const sorted = Float64Array.from(values).sort();
  const place = level * (sorted.length - 1);
  const low = Math.floor(place);
  const share = place - low;
  const a = sorted[low] ?? NaN;
  const b = sorted[Math.min(low + 1, sorted.length - 1)] ?? NaN;
  return share < 0.5 ? a + (b - a) * share : b - (b - a) * (1 - share);
}

export function mean(values: readonly number[]): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}
