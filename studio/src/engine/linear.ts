// Linear algebra of two or three coefficients: eigenvalues, solves, null spaces.

export type Matrix = number[][];

/** Eigenvalues, largest first, and eigenvectors (columns of `vectors`) of a symmetric matrix, by Jacobi's rotations. */
export function symmetricEigen(matrix: readonly (readonly number[])[]): { values: number[]; vectors: Matrix } {
  const n = matrix.length;
  const a = matrix.map((row) => [...row]);
  const v: Matrix = a.map((_, i) => a.map((_, j) => (i === j ? 1 : 0)));
  for (let sweep = 0; sweep < 60; sweep++) {
    let moved = false;
    for (let p = 0; p < n - 1; p++) {
      for (let q = p + 1; q < n; q++) {
        const off = a[p]![q]!;
        // A sum that does not change says that the rotation is below rounding, relative to both diagonal entries.
        const size = Math.sqrt(Math.abs(a[p]![p]! * a[q]![q]!));
        if (off === 0 || Math.abs(off) <= 1e-17 * size) continue;
        moved = true;
        const theta = (a[q]![q]! - a[p]![p]!) / (2 * off);
        const t = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.hypot(theta, 1));
        const c = 1 / Math.hypot(t, 1);
        const s = t * c;
        a[p]![p] = a[p]![p]! - t * off;
        a[q]![q] = a[q]![q]! + t * off;
        a[p]![q] = a[q]![p] = 0;
        for (let k = 0; k < n; k++) {
          if (k !== p && k !== q) {
            const kp = a[k]![p]!;
            const kq = a[k]![q]!;
            a[k]![p] = a[p]![k] = c * kp - s * kq;
            a[k]![q] = a[q]![k] = s * kp + c * kq;
          }
          const vp = v[k]![p]!;
          const vq = v[k]![q]!;
          v[k]![p] = c * vp - s * vq;
          v[k]![q] = s * vp + c * vq;
        }
      }
    }
    if (!moved) break;
  }
  const order = a.map((_, i) => i).sort((i, j) => a[j]![j]! - a[i]![i]!);
  return { values: order.map((i) => a[i]![i]!), vectors: v.map((row) => order.map((i) => row[i]!)) };
}

export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

export function norm(a: ArrayLike<number>): number {
  return Math.sqrt(dot(a, a));
}

export function times(matrix: readonly (readonly number[])[], vector: ArrayLike<number>): number[] {
  return matrix.map((row) => dot(row, vector));
}

/** The solution of a square system by elimination with complete pivoting; null where it is singular to rounding. */
export function solve(matrix: readonly (readonly number[])[], right: readonly number[]): number[] | null {
  const n = right.length;
  const a = matrix.map((row, i) => [...row, right[i]!]);
  const columns = a.map((_, i) => i);
  let largest = 0;
  for (let k = 0; k < n; k++) {
    let best = -1;
    let pi = k;
    let pj = k;
    for (let i = k; i < n; i++) {
      for (let j = k; j < n; j++) {
        const size = Math.abs(a[i]![j]!);
        if (size > best) {
          best = size;
          pi = i;
          pj = j;
        }
      }
    }
    if (k === 0) largest = best;
    if (!(best > 1e-14 * largest)) return null;
    [a[k], a[pi]] = [a[pi]!, a[k]!];
    if (pj !== k) {
      for (const row of a) [row[k], row[pj]] = [row[pj]!, row[k]!];
      [columns[k], columns[pj]] = [columns[pj]!, columns[k]!];
    }
    for (let i = k + 1; i < n; i++) {
      const factor = a[i]![k]! / a[k]![k]!;
      if (factor === 0) continue;
      for (let j = k; j <= n; j++) a[i]![j] = a[i]![j]! - factor * a[k]![j]!;
    }
  }
  const found = new Array<number>(n).fill(0);
  for (let k = n - 1; k >= 0; k--) {
    let sum = a[k]![n]!;
    for (let j = k + 1; j < n; j++) sum -= a[k]![j]! * found[columns[j]!]!;
    found[columns[k]!] = sum / a[k]![k]!;
  }
  return found;
}

/** An orthonormal basis of what is orthogonal to all the rows, and the rank of the rows. */
export function nullSpace(rows: readonly (readonly number[])[], size: number): { basis: Matrix; rank: number } {
  const spanned: number[][] = [];
  const add = (row: readonly number[], into: number[][], tolerance: number): boolean => {
    const start = norm(row);
    if (start === 0) return false;
    const left = row.map((value) => value / start);
    for (let twice = 0; twice < 2; twice++) {
      for (const known of [...spanned, ...(into === spanned ? [] : into)]) {
        const share = dot(left, known);
        for (let j = 0; j < size; j++) left[j] = left[j]! - share * known[j]!;
      }
    }
    const length = norm(left);
    if (!(length > tolerance)) return false;
    into.push(left.map((value) => value / length));
    return true;
  };
  for (const row of rows) if (spanned.length < size) add(row, spanned, 1e-10);
  const basis: number[][] = [];
  // The coordinate direction that sticks out most first, so that none is a near-combination of those taken.
  while (spanned.length + basis.length < size) {
    let best = 0;
    let choice = 0;
    for (let j = 0; j < size; j++) {
      let inside = 0;
      for (const known of [...spanned, ...basis]) inside += known[j]! * known[j]!;
      if (1 - inside > best) {
        best = 1 - inside;
        choice = j;
      }
    }
    const unit = Array.from({ length: size }, (_, j) => (j === choice ? 1 : 0));
    if (!add(unit, basis, 1e-12)) break;
  }
  return { basis, rank: spanned.length };
}
