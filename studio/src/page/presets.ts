// Points to begin with, and what changes with them.
import type { Points } from "../engine/types";
import { loadPoints, points, addPoint, frameX, frameY, settleFrames } from "./state";
const noise = Array.from({ length: 40 }, (_, i) => Math.sin(i * 12.9898) * 43758.5453 % 1);
export function firstPoints(): Points {
  const x = noise.map((value, i) => Number((-2.2 + (4.4 * i) / 39 + 0.2 * value).toFixed(3)));
  return { inputs: ["x"], target: "y", x: x.map((v) => [v]), y: x.map((v, i) => Number((6 * v - 5 + 2.2 * noise[(i * 7 + 3) % 40]!).toFixed(3))) };
}
export const PRESETS = [{ name: "line", title: "noisy line" }, { name: "two", title: "two inputs" }];
export function usePreset(name: string): void {
  if (name === "two") {
    const x = noise.map((v, i) => [v * 2, 2 * noise[(i * 11 + 5) % 40]!]);
    loadPoints({ inputs: ["a", "b"], target: "y", x, y: x.map(([a, b], i) => 3 * a! - 2 * b! + 1 + noise[(i * 3 + 1) % 40]!) });
  } else loadPoints(firstPoints());
}
export function addOutlier(): void {
  const [low, high] = frameX.value;
  const { x, y } = points.value;
  if (x[0]!.length === 1) addPoint([Number((low + 0.85 * (high - low)).toPrecision(4))], Number((Math.min(...y) - 0.4 * (Math.max(...y) - Math.min(...y))).toPrecision(4)));
  settleFrames();
  void frameY;
}
