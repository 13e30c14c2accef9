// The points, the line on the screen and the best one, drawn. What changes together is on one layer.
import { computed } from "@preact/signals";
import { number } from "../format";
import {
  at,
  comparison,
  dimension,
  lesson,
  lifted,
  newInput,
  optimum,
  points,
  predict,
  residuals,
  resting,
  selected,
  settings,
  shown,
  steps,
  straight,
  toOptimum,
  view,
} from "../state";
import { ink, still } from "../theme";
import { type Draw, FONT, halo } from "./canvas";
import { axes, between, DASHES, diamond, disc, stamped } from "./marks";
import { drawPlane } from "./plane";
import { flat, grips, heightOf, hovered, showPrediction, xScale, yScale } from "./points_places";
import { type Scale } from "./scale";

/** Screen positions of a curve of predictions. */
function trace(pen: CanvasRenderingContext2D, x: Scale, y: Scale, coefficients: readonly number[], of = settings.value): void {
  const count = straight.value && of.loss === settings.value.loss ? 2 : 90;
  const grid = Array.from({ length: count }, (_, k) => [x.low + ((x.high - x.low) * k) / (count - 1)]);
  const values = predict(of, coefficients, grid);
  pen.beginPath();
  values.forEach((value, k) => {
    const [px, py] = [x(grid[k]![0]!), Math.max(-1e5, Math.min(1e5, y(value)))];
    if (k === 0) pen.moveTo(px, py);
    else pen.lineTo(px, py);
  });
  pen.stroke();
}

function drawLine(pen: CanvasRenderingContext2D, x: Scale, y: Scale): void {
  const { ink: black, accent } = ink.value;
  if (view.value === "compare") {
    comparison.value.forEach((entry, k) => {
      pen.setLineDash([...DASHES[k]!]);
      pen.lineWidth = 2.5;
      pen.strokeStyle = ink.value.series[k]!;
      trace(pen, x, y, entry.optimum.coefficients, { ...settings.value, loss: entry.loss });
    });
    pen.setLineDash([]);
    return;
  }
  if (!still.value && !toOptimum.value) {
    const past = steps.value.slice(Math.max(0, at.value - 7), at.value);
    past.forEach((earlier, k) => {
      pen.globalAlpha = 0.04 + 0.16 * ((k + 1) / (past.length + 1));
      pen.strokeStyle = accent;
      pen.lineWidth = 2;
      trace(pen, x, y, earlier.coefficients);
    });
    pen.globalAlpha = 1;
  }
  const best = optimum.value;
  if (best && (lesson.value === 0 || lesson.value > 5)) {
    pen.strokeStyle = black;
    pen.lineWidth = 1.5;
    pen.setLineDash([6, 5]);
    trace(pen, x, y, best.coefficients);
    pen.setLineDash([]);
  }
  pen.strokeStyle = accent;
  pen.lineWidth = 3;
  trace(pen, x, y, shown.value);
}

function drawResiduals(pen: CanvasRenderingContext2D, x: Scale, y: Scale): void {
  if (residuals.value === "none" || view.value === "compare") return;
  const data = resting.value;
  const away = lifted.value;
  const squares = residuals.value === "squares" && data.y.length <= 250;
  const predicted = predict(settings.value, shown.value, data.x);
  const { accent, soft } = ink.value;
  pen.lineWidth = 1;
  pen.strokeStyle = accent;
  pen.fillStyle = soft;
  if (data.y.length > 250) {
    // Upright and a pixel wide: rectangles are many times as fast as a path of a thousand lines.
    pen.fillStyle = accent;
    pen.globalAlpha = 0.3;
    for (let i = 0; i < data.y.length; i++) {
      if (i === away) continue;
      const [from, to] = [y(data.y[i]!), Math.max(-4e3, Math.min(4e3, y(predicted[i]!)))];
      pen.fillRect(Math.round(x(data.x[i]![0]!)), Math.min(from, to), 1, Math.abs(to - from));
    }
    pen.globalAlpha = 1;
    return;
  }
  pen.beginPath();
  for (let i = 0; i < data.y.length; i++) {
    if (i === away) continue;
    const px = x(data.x[i]![0]!);
    const [from, to] = [y(data.y[i]!), Math.max(-4e3, Math.min(4e3, y(predicted[i]!)))];
    if (squares) {
      const side = Math.abs(to - from);
      // Away from the line, so that squares of neighbours overlap least.
      const left = to > from === (shown.value[1] ?? 0) > 0 ? px - side : px;
      pen.rect(left, Math.min(from, to), side, side);
    } else {
      pen.moveTo(px, from);
      pen.lineTo(px, to);
      pen.moveTo(px - 3, to);
      pen.lineTo(px + 3, to);
    }
  }
  if (squares) {
    pen.globalAlpha = 0.28;
    pen.fill();
    pen.fillStyle = accent;
    pen.globalAlpha = 0.12;
    pen.fill();
  }
  pen.globalAlpha = 0.6;
  pen.stroke();
  pen.globalAlpha = 1;
}

function radiusOf(count: number): number {
  return count > 500 ? 2.6 : count > 150 ? 3.4 : 4.6;
}

/** Of two inputs the colour of a point is its target's. */
function colouring(y: readonly number[]): ((value: number) => string) | null {
  if (dimension.value === 1) return null;
  const { low, data } = ink.value;
  const [least, span] = spread(y);
  return (value) => between(low, data, (value - least) / span);
}

function spread(values: readonly number[]): readonly [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  return [low, high - low || 1];
}

function drawPoint(pen: CanvasRenderingContext2D, px: number, py: number, radius: number, colour: string): void {
  pen.lineWidth = 1.2;
  pen.strokeStyle = ink.value.ink;
  disc(pen, px, py, radius + 1.5);
  pen.fillStyle = colour;
  pen.fill();
  pen.stroke();
}

/** All points but the one under the hand. */
function drawPoints(pen: CanvasRenderingContext2D, x: Scale, y: Scale): void {
  const data = resting.value;
  const away = lifted.value;
  const n = data.y.length;
  const radius = radiusOf(n);
  const colour = colouring(data.y);
  const point = colour ? null : stamped(pen, radius, n > 500 ? 0.6 : 1.2, ink.value.data, ink.value.panel);
  for (let i = 0; i < n; i++) {
    if (i === away) continue;
    const px = x(data.x[i]![0]!);
    if (point) point(px, y(data.y[i]!));
    else drawPoint(pen, px, y(data.x[i]![1]!), radius, colour!(data.y[i]!));
  }
}

/** The point under the hand with its error, and rings around the points that are meant. */
function drawLifted(pen: CanvasRenderingContext2D, x: Scale, y: Scale, fitted: boolean): void {
  const data = points.value;
  const n = data.y.length;
  const radius = radiusOf(n);
  const away = lifted.value;
  if (away !== null && away < n) {
    const [px, py] = [x(data.x[away]![0]!), y(heightOf(away))];
    const colour = colouring(data.y);
    if (fitted && residuals.value !== "none" && view.value !== "compare") {
      const predicted = predict(settings.value, shown.value, [data.x[away]!])[0]!;
      const to = dimension.value === 1 ? Math.max(-4e3, Math.min(4e3, y(predicted))) : py - leaning(data.y[away]! - predicted, spread(data.y)[1]);
      pen.strokeStyle = ink.value.accent;
      pen.lineWidth = 1.5;
      pen.beginPath();
      if (residuals.value === "squares" && dimension.value === 1 && n <= 250) {
        const side = Math.abs(to - py);
        pen.rect(to > py === (shown.value[1] ?? 0) > 0 ? px - side : px, Math.min(py, to), side, side);
      } else {
        pen.moveTo(px, py);
        pen.lineTo(px, to);
      }
      pen.stroke();
    }
    if (colour) drawPoint(pen, px, py, radius, colour(data.y[away]!));
    else stamped(pen, radius, n > 500 ? 0.6 : 1.2, ink.value.data, ink.value.panel)(px, py);
  }
  for (const index of [hovered.value, selected.value]) {
    if (index === null || index >= n) continue;
    pen.strokeStyle = ink.value.ink;
    pen.lineWidth = 2;
    disc(pen, x(data.x[index]![0]!), y(heightOf(index)), radius + 4);
    pen.stroke();
  }
}

/** How far an error leans out of the picture of two inputs, in pixels. */
function leaning(error: number, span: number): number {
  return Math.max(-60, Math.min(60, (error / span) * 120));
}

function drawPrediction(pen: CanvasRenderingContext2D, x: Scale, y: Scale): void {
  if (!showPrediction.value || dimension.value !== 1 || view.value !== "watch") return;
  const given = newInput.value[0]!;
  const value = predict(settings.value, shown.value, [[given]])[0]!;
  const [px, py] = [x(given), y(value)];
  pen.strokeStyle = ink.value.ink;
  pen.lineWidth = 1.2;
  pen.setLineDash([2, 4]);
  pen.beginPath();
  pen.moveTo(px, y.from);
  pen.lineTo(px, py);
  pen.lineTo(x.from, py);
  pen.stroke();
  pen.setLineDash([]);
  pen.fillStyle = ink.value.accent;
  pen.strokeStyle = ink.value.panel;
  pen.lineWidth = 2;
  diamond(pen, px, py, 8);
  pen.fill();
  pen.stroke();
  pen.font = `600 ${FONT}`;
  pen.textBaseline = "bottom";
  pen.textAlign = px > (x.from + x.to) / 2 ? "right" : "left";
  halo(pen, number(value), px + (pen.textAlign === "right" ? -10 : 10), py - 8, ink.value.accent);
}

function drawGrips(pen: CanvasRenderingContext2D, x: Scale, y: Scale): void {
  for (const [gx, gy] of grips.value) {
    pen.fillStyle = ink.value.panel;
    pen.strokeStyle = ink.value.accent;
    pen.lineWidth = 3;
    disc(pen, x(gx), y(gy), 7);
    pen.fill();
    pen.stroke();
  }
}

function drawHeat(pen: CanvasRenderingContext2D, x: Scale, y: Scale): void {
  const cells = 28;
  const grid: number[][] = [];
  for (let j = 0; j < cells; j++) {
    for (let i = 0; i < cells; i++) grid.push([x.low + ((x.high - x.low) * (i + 0.5)) / cells, y.low + ((y.high - y.low) * (j + 0.5)) / cells]);
  }
  const values = predict(settings.value, shown.value, grid);
  const colour = colouring(resting.value.y)!;
  const [w, h] = [(x.to - x.from) / cells, (y.to - y.from) / cells];
  values.forEach((value, k) => {
    pen.fillStyle = colour(value);
    pen.fillRect(x.from + (k % cells) * w, y.from + Math.floor(k / cells) * h, w + 0.7, h - 0.7);
  });
}

function drawLeaning(pen: CanvasRenderingContext2D, x: Scale, y: Scale): void {
  if (residuals.value === "none" || view.value === "compare") return;
  const data = resting.value;
  const predicted = predict(settings.value, shown.value, data.x);
  const span = spread(data.y)[1];
  pen.strokeStyle = ink.value.accent;
  pen.lineWidth = 2;
  pen.beginPath();
  data.y.forEach((value, i) => {
    if (i === lifted.value) return;
    const [px, py] = [x(data.x[i]![0]!), y(data.x[i]![1]!)];
    pen.moveTo(px, py);
    pen.lineTo(px, py - leaning(value - predicted[i]!, span));
  });
  pen.stroke();
}

const inputs = computed(() => resting.value.inputs);
const target = computed(() => resting.value.target);
const empty = computed(() => steps.value.length === 0 && !optimum.value);

// The layers: the paper, the errors, the lines, the points that stand still, what is under the hand.
function drawPaper(pen: CanvasRenderingContext2D, x: Scale, y: Scale): void {
  if (dimension.value === 2) drawHeat(pen, x, y);
  axes(pen, x, y, inputs.value[0]!, dimension.value === 2 ? inputs.value[1]! : target.value, dimension.value === 1);
}

function drawErrors(pen: CanvasRenderingContext2D, x: Scale, y: Scale): void {
  if (dimension.value === 2) drawLeaning(pen, x, y);
  else if (!empty.value && lesson.value !== 1 && lesson.value !== 2) drawResiduals(pen, x, y);
}

function drawLines(pen: CanvasRenderingContext2D, x: Scale, y: Scale): void {
  if (dimension.value === 1 && !empty.value && lesson.value !== 1) drawLine(pen, x, y);
}

function drawHand(pen: CanvasRenderingContext2D, x: Scale, y: Scale): void {
  const fitted = !empty.value && lesson.value !== 1;
  drawLifted(pen, x, y, fitted && lesson.value !== 2);
  if (dimension.value === 2 || !fitted) return;
  drawPrediction(pen, x, y);
  drawGrips(pen, x, y);
}

/** A layer of the flat picture, which keeps inside the axes where `inside`. */
function layer(paint: (pen: CanvasRenderingContext2D, x: Scale, y: Scale) => void, inside = true): Draw {
  return (pen) => {
    if (!flat.value) return;
    const [x, y] = [xScale.value, yScale.value];
    pen.save();
    if (inside && dimension.value === 1) {
      pen.beginPath();
      pen.rect(x.from, y.to, x.to - x.from, y.from - y.to);
      pen.clip();
    }
    paint(pen, x, y);
    pen.restore();
  };
}

const paper = layer(drawPaper, false);
export const LAYERS: readonly Draw[] = [
  (pen, box) => (flat.value ? paper(pen, box) : drawPlane(pen, box)),
  layer(drawErrors),
  layer(drawLines),
  layer(drawPoints),
  layer(drawHand),
];
