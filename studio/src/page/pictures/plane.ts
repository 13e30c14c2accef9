// Two inputs in three dimensions: the points, the plane of predictions, and the residuals between them; it can be turned.
import { signal } from "@preact/signals";
import { points, predict, residuals, settings, shown } from "../state";
import { ink } from "../theme";
import { FONT, halo, type Size } from "./canvas";
import { between, disc } from "./marks";
import { padded } from "./scale";

/** How the box is turned when it is first seen. */
export const FIRST_TURN: readonly [number, number] = [0.65, 0.42];
export const turn = signal(FIRST_TURN);

export const LOWEST = 0.08;
export const HIGHEST = 1.45;

export function turnTo(around: number, above: number): void {
  turn.value = [around, Math.max(LOWEST, Math.min(HIGHEST, above))];
}

/** From where one looks, in degrees: round the upright axis, from 0 to 359, and above the floor. */
export function looked(): readonly [number, number] {
  const [around, above] = turn.value.map((angle) => Math.round((angle * 180) / Math.PI)) as [number, number];
  return [((around % 360) + 360) % 360, above];
}

export function drawPlane(pen: CanvasRenderingContext2D, { width, height }: Size): void {
  const data = points.value;
  const [around, above] = turn.value;
  const ranges = [padded(data.x.map((row) => row[0]!), 0.04), padded(data.x.map((row) => row[1]!), 0.04), padded(data.y, 0.04)] as const;
  const unit = (value: number, axis: 0 | 1 | 2) => (2 * (value - ranges[axis][0])) / (ranges[axis][1] - ranges[axis][0]) - 1;
  const [cos, sin, lift, lie] = [Math.cos(around), Math.sin(around), Math.sin(above), Math.cos(above)];
  const turned = (u: number, v: number, w: number): [number, number, number] => {
    const deep = u * sin + v * cos;
    return [u * cos - v * sin, deep * lift - w * 0.8 * lie, deep];
  };
  // The box as it is turned fills the picture, with room for the names.
  const box = [-1, 1].flatMap((u) => [-1, 1].flatMap((v) => [-1, 1].map((w) => turned(u, v, w))));
  const [wide, high] = [Math.max(...box.map((one) => one[0])), Math.max(...box.map((one) => Math.abs(one[1])))];
  const scale = Math.min((width - 48) / (2 * wide), (height - 64) / (2 * high));
  const project = (a: number, b: number, c: number): [number, number, number] => {
    const [right, down, deep] = turned(unit(a, 0), unit(b, 1), Math.max(-3, Math.min(3, unit(c, 2))));
    return [width / 2 + scale * right, height / 2 + scale * down, deep];
  };
  const { ink: black, quiet, line, accent, data: blue, panel, low } = ink.value;
  const corner = (i: number, j: number, k: number) => project(ranges[0][i]!, ranges[1][j]!, ranges[2][k]!);
  const edge = (from: [number, number, number], to: [number, number, number]) => {
    pen.moveTo(from[0], from[1]);
    pen.lineTo(to[0], to[1]);
  };
  pen.strokeStyle = line;
  pen.lineWidth = 1;
  pen.beginPath();
  for (const i of [0, 1]) {
    edge(corner(i, 0, 0), corner(i, 1, 0));
    edge(corner(0, i, 0), corner(1, i, 0));
    for (const j of [0, 1]) edge(corner(i, j, 0), corner(i, j, 1));
  }
  pen.stroke();
  // The plane, as a mesh from back to front.
  const cells = 12;
  const mesh: number[][] = [];
  for (let i = 0; i <= cells; i++) {
    for (let j = 0; j <= cells; j++) {
      mesh.push([ranges[0][0] + ((ranges[0][1] - ranges[0][0]) * i) / cells, ranges[1][0] + ((ranges[1][1] - ranges[1][0]) * j) / cells]);
    }
  }
  const heights = predict(settings.value, shown.value, mesh);
  const corners = mesh.map(([a, b], k) => project(a!, b!, heights[k]!));
  pen.strokeStyle = accent;
  pen.fillStyle = accent;
  pen.beginPath();
  for (let i = 0; i < cells; i++) {
    for (let j = 0; j < cells; j++) {
      const cell = [i * (cells + 1) + j, (i + 1) * (cells + 1) + j, (i + 1) * (cells + 1) + j + 1, i * (cells + 1) + j + 1].map((k) => corners[k]!);
      cell.forEach(([px, py], k) => (k === 0 ? pen.moveTo(px, py) : pen.lineTo(px, py)));
      pen.closePath();
    }
  }
  pen.globalAlpha = 0.1;
  pen.fill();
  pen.globalAlpha = 0.45;
  pen.lineWidth = 0.7;
  pen.stroke();
  pen.globalAlpha = 1;
  const predicted = predict(settings.value, shown.value, data.x);
  const order = data.x.map((row, i) => [i, project(row[0]!, row[1]!, data.y[i]!)] as const).sort((a, b) => a[1][2] - b[1][2]);
  const radius = data.y.length > 300 ? 2.6 : 4.2;
  for (const [i, [px, py, deep]] of order) {
    if (residuals.value !== "none") {
      const foot = project(data.x[i]![0]!, data.x[i]![1]!, predicted[i]!);
      pen.strokeStyle = accent;
      pen.globalAlpha = 0.55;
      pen.lineWidth = 1.2;
      pen.beginPath();
      pen.moveTo(px, py);
      pen.lineTo(foot[0], foot[1]);
      pen.stroke();
      pen.globalAlpha = 1;
    }
    pen.fillStyle = between(blue, low, Math.max(0, -deep) * 0.3);
    pen.strokeStyle = panel;
    pen.lineWidth = 1;
    disc(pen, px, py, radius);
    pen.fill();
    pen.stroke();
  }
  pen.font = `600 ${FONT}`;
  pen.textBaseline = "top";
  pen.textAlign = "center";
  const label = (text: string, [px, py]: [number, number, number], dy: number) => halo(pen, text, px, py + dy, black);
  const middle = (axis: 0 | 1) => 0.5 * (ranges[axis][0] + ranges[axis][1]);
  const near = cos > 0 ? 1 : 0;
  label(data.inputs[0]!, project(middle(0), ranges[1][near]!, ranges[2][0]), 10);
  label(data.inputs[1]!, project(ranges[0][sin > 0 ? 1 : 0]!, middle(1), ranges[2][0]), 10);
  pen.fillStyle = quiet;
  label(data.target, corner(0, 0, 1), -18);
}
