// NumPy's default generator, numpy.random.default_rng(seed): SeedSequence, PCG64 (XSL-RR), and what is drawn of it here: permutations
// and normal numbers by the ziggurat. So a mini-batch and an example are gradline's own, row by row.

import { ziggurat } from "./ziggurat.ts";

const MASK32 = 0xffffffffn;
const MASK64 = (1n << 64n) - 1n;
const MASK128 = (1n << 128n) - 1n;
const MULTIPLIER = (2549297995355413924n << 64n) | 4865540595714422341n;

/** Four 64-bit words of numpy.random.SeedSequence(seed). O'Neill's seed_seq_fe, as NumPy has it. */
function seedWords(seed: number): bigint[] {
  const entropy: number[] = [];
  let rest = BigInt(seed);
  do {
    entropy.push(Number(rest & MASK32));
    rest >>= 32n;
  } while (rest > 0n);
  const pool = new Uint32Array(4);
  let constant = 0x43b0d7e5;
  const hashed = (value: number): number => {
    value = (value ^ constant) >>> 0;
    constant = Math.imul(constant, 0x931e8875) >>> 0;
    value = Math.imul(value, constant) >>> 0;
    return (value ^ (value >>> 16)) >>> 0;
  };
  const mixed = (x: number, y: number): number => {
    const result = (Math.imul(0xca01f9dd, x) - Math.imul(0x4973f715, y)) >>> 0;
    return (result ^ (result >>> 16)) >>> 0;
  };
  for (let i = 0; i < 4; i++) pool[i] = hashed(entropy[i] ?? 0);
  for (let from = 0; from < 4; from++) {
    for (let to = 0; to < 4; to++) if (from !== to) pool[to] = mixed(pool[to]!, hashed(pool[from]!));
  }
  for (let from = 4; from < entropy.length; from++) {
    for (let to = 0; to < 4; to++) pool[to] = mixed(pool[to]!, hashed(entropy[from]!));
  }
  let other = 0x8b51f9dd;
  const words: number[] = [];
  for (let i = 0; i < 8; i++) {
    let value = (pool[i % 4]! ^ other) >>> 0;
    other = Math.imul(other, 0x58f38ded) >>> 0;
    value = Math.imul(value, other) >>> 0;
    words.push((value ^ (value >>> 16)) >>> 0);
  }
  return [0, 2, 4, 6].map((i) => BigInt(words[i]!) | (BigInt(words[i + 1]!) << 32n));
}

export class Generator {
  private state: bigint;
  private readonly increment: bigint;
  private kept: number | null = null; // the upper half of a word whose lower half is used

  constructor(seed: number) {
    const [a, b, c, d] = seedWords(seed) as [bigint, bigint, bigint, bigint];
    this.increment = ((((c << 64n) | d) << 1n) | 1n) & MASK128;
    this.state = 0n;
    this.step();
    this.state = (this.state + ((a << 64n) | b)) & MASK128;
    this.step();
  }

  private step(): void {
    this.state = (this.state * MULTIPLIER + this.increment) & MASK128;
  }

  word(): bigint {
    this.step();
    const mixed = ((this.state >> 64n) ^ this.state) & MASK64;
    const turn = this.state >> 122n;
    return ((mixed >> turn) | (mixed << (64n - turn))) & MASK64;
  }

  private half(): number {
    if (this.kept !== null) {
      const found = this.kept;
      this.kept = null;
      return found;
    }
    const word = this.word();
    this.kept = Number(word >> 32n);
    return Number(word & MASK32);
  }

  /** In [0, 1), of 53 bits. */
  uniform(): number {
    return Number(this.word() >> 11n) / 2 ** 53;
  }

  /** 0 to `highest`, both included; below 2^32. NumPy's random_interval: bits are drawn until they fit. */
  private below(highest: number): number {
    const bits = 32 - Math.clz32(highest);
    for (;;) {
      // The lowest bits; no shift by 32, which JavaScript takes for one by 0.
      const value = bits === 32 ? this.half() : this.half() % 2 ** bits;
      if (value <= highest) return value;
    }
  }

  /** Generator.permutation(count). */
  permutation(count: number): Int32Array {
    const order = Int32Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = this.below(i);
      const kept = order[i]!;
      order[i] = order[j]!;
      order[j] = kept;
    }
    return order;
  }

  /** Generator.standard_normal(): Marsaglia and Tsang's ziggurat of 256 layers. */
  normal(): number {
    const { far, widths, heights, sure } = ziggurat();
    for (;;) {
      let word = this.word();
      const layer = Number(word & 0xffn);
      word >>= 8n;
      const negative = (word & 1n) === 1n;
      const size = Number((word >> 1n) & 0x000fffffffffffffn);
      const x = size * widths[layer]!;
      const signed = negative ? -x : x;
      if (size < sure[layer]!) return signed;
      if (layer === 0) {
        for (;;) {
          const beyond = -Math.log1p(-this.uniform()) / far;
          const other = -Math.log1p(-this.uniform());
          if (other + other > beyond * beyond) return ((size >> 8) & 1) === 1 ? -(far + beyond) : far + beyond;
        }
      } else if ((heights[layer - 1]! - heights[layer]!) * this.uniform() + heights[layer]! < Math.exp(-0.5 * x * x)) return signed;
    }
  }
}
