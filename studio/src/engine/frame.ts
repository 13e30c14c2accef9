// Coordinates of the coefficients: the user's, those in standardised inputs, and those of orthonormal columns in which optima are sought.

import { withColumns, type Rows } from "./rows.ts";

/** Rows with other columns, and the maps between coefficients of these and the user's. */
export interface Frame {
  readonly rows: Rows;
  readonly inside: (user: readonly number[]) => number[];
  readonly outside: (walk: ArrayLike<number>) => number[];
}

export function plain(rows: Rows): Frame {
  return { rows, inside: (user) => [...user], outside: (walk) => Array.from(walk) };
}

/** Inputs less their mean, over their standard deviation (of all rows alike, as numpy.std); an input that does not vary stays at zero. */
export function standardised(rows: Rows): Frame {
  const centres = [0];
  const widths = [1];
  const columns = rows.columns.map((column, j) => {
    if (j === 0) return column;
    let centre = 0;
    for (const value of column) centre += value;
    centre /= rows.count;
    let square = 0;
    for (const value of column) square += (value - centre) ** 2;
    const width = Math.sqrt(square / rows.count);
    centres.push(centre);
    widths.push(width > 1e-12 * Math.abs(centre) && width > 0 ? width : 1);
    return column.map((value) => (value - centre) / widths[j]!);
  });
  return {
    rows: withColumns(rows, columns),
    inside(user) {
      const walk = user.map((value, j) => value * widths[j]!);
      for (let j = 1; j < user.length; j++) walk[0] = walk[0]! + user[j]! * centres[j]!;
      return walk;
    },
    outside(walk) {
      const user = Array.from(walk, (value, j) => value / widths[j]!);
      for (let j = 1; j < user.length; j++) user[0] = user[0]! - user[j]! * centres[j]!;
      return user;
    },
  };
}

export interface Orthonormal extends Frame {
  /** Inputs that the columns before them determine: their coefficients are 0. */
  readonly aliased: readonly number[];
}

/** Columns made orthonormal under the weights, by Gram and Schmidt twice over; inputs that earlier columns determine are left out. */
export function orthonormal(rows: Rows): Orthonormal {
  const kept: number[] = [];
  const columns: Float64Array[] = [];
  const triangle: number[][] = []; // column j of the design is sum_k triangle[j][k] columns[k]
  const aliased: number[] = [];
  rows.columns.forEach((column, j) => {
    const left = Float64Array.from(column);
    const start = Math.sqrt(weighted(rows, left, left));
    const shares = columns.map(() => 0);
    let spread = start;
    for (let twice = 0; twice < 2; twice++) {
      columns.forEach((known, k) => {
        const share = weighted(rows, left, known);
        shares[k] = shares[k]! + share;
        for (let i = 0; i < left.length; i++) left[i] = left[i]! - share * known[i]!;
        // Less its mean, an input's own size no longer counts: what remains is judged by its scatter.
        if (k === 0 && twice === 0) spread = Math.sqrt(weighted(rows, left, left));
      });
    }
    const length = Math.sqrt(weighted(rows, left, left));
    if (!(length > 1e-13 * start) || !(length > 1e-9 * spread)) {
      aliased.push(j);
      return;
    }
    kept.push(j);
    columns.push(left.map((value) => value / length));
    triangle.push([...shares, length]);
  });
  return {
    rows: withColumns(rows, columns),
    aliased,
    inside(user) {
      // What an aliased input adds is held by the columns that determine it: only ever a start.
      const walk = columns.map(() => 0);
      kept.forEach((j, k) => triangle[k]!.forEach((value, i) => (walk[i] = walk[i]! + value * user[j]!)));
      return walk;
    },
    outside(walk) {
      const user = rows.columns.map(() => 0);
      const rest = Array.from(walk);
      for (let k = kept.length - 1; k >= 0; k--) {
        const value = rest[k]! / triangle[k]![k]!;
        user[kept[k]!] = value;
        for (let i = 0; i < k; i++) rest[i] = rest[i]! - value * triangle[k]![i]!;
      }
      return user;
    },
  };
}

function weighted(rows: Rows, a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += rows.share[i]! * a[i]! * b[i]!;
  return sum;
}

/** Row i of the design. */
export function designRow(rows: Rows, i: number): number[] {
  return rows.columns.map((column) => column[i]!);
}

