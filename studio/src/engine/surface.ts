// The loss on a grid of two coefficients of the walk, the third, where there is one, held.

import { squaredModel } from "./least_squares.ts";
import type { Objective } from "./rows.ts";
import { EngineError, type Surface } from "./types.ts";

export function surfaceOf(
  objective: Objective,
  first: readonly [number, number],
  second: readonly [number, number],
  size: number,
  held: number | undefined,
  over: readonly [number, number] = [0, 1],
): Surface {
  if (!(Number.isInteger(size) && size >= 2 && size <= 1000)) throw new EngineError({ path: "size", message: `a surface has 2 to 1000 places a side, not ${size}` });
  const places = ([low, high]: readonly [number, number]): number[] => Array.from({ length: size }, (_, i) => low + ((high - low) * i) / (size - 1));
  const [xs, ys] = [places(first), places(second)];
  const values = new Float64Array(size * size);
  const at = objective.rows.columns.map((_, j) => (over.includes(j) ? 0 : (held ?? 0)));
  const value = valueOf(objective);
  for (let row = 0; row < size; row++) {
    at[over[1]] = ys[row]!;
    for (let column = 0; column < size; column++) {
      at[over[0]] = xs[column]!;
      values[row * size + column] = value(at);
    }
  }
  return { first: xs, second: ys, loss: values };
}

/** The mean loss as a function: of squared loss from its moments, without the rows. */
function valueOf(objective: Objective): (at: readonly number[]) => number {
  const scale = objective.loss.squaredScale;
  if (scale === null) return (at) => objective.value(at);
  const { best, lowest, curvature, vectors } = squaredModel(objective.rows, scale);
  return (at) => {
    let loss = lowest;
    for (let k = 0; k < curvature.length; k++) {
      let error = 0;
      for (let j = 0; j < at.length; j++) error += vectors[j]![k]! * (at[j]! - best[j]!);
      loss += 0.5 * curvature[k]! * error * error;
    }
    return loss;
  };
}
