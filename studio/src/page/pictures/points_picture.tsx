// The points, the line on the screen and the best one; points are dragged, added and deleted here.
import { computed, signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { number } from "../format";
import {
  addPoint,
  at,
  comparison,
  current,
  deletePoint,
  dimension,
  frameX,
  frameY,
  lesson,
  lifted,
  line,
  locked,
  lossTitle,
  movePoint,
  newInput,
  optimum,
  points,
  predict,
  residuals,
  resting,
  say,
  selected,
  set,
  settings,
  settleFrames,
  shown,
  solid,
  steps,
  straight,
  targetKind,
  toOptimum,
  view,
} from "../state";
import { ink, still } from "../theme";
import { Canvas, FONT, halo, type Draw, type Size } from "./canvas";
import { axes, between, DASHES, diamond, disc, MARGINS, stamped } from "./marks";
import { drawPlane, turn, turnTo } from "./plane";
import { linear, type Scale } from "./scale";

const size = signal<Size>({ width: 0, height: 0 });
const hovered = signal<number | null>(null);
export const showPrediction = signal(false);

const xScale = computed(() => linear(frameX.value[0], frameX.value[1], MARGINS.left, size.value.width - MARGINS.right));
const yScale = computed(() => linear(frameY.value[0], frameY.value[1], size.value.height - MARGINS.bottom, MARGINS.top));
const flat = computed(() => dimension.value === 1 || !solid.value);

function heightOf(index: number): number {
  const { x, y } = points.value;
  return dimension.value === 1 ? y[index]! : x[index]![1]!;
}

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

/** Where the line can be taken hold of, before the first step. */
const grips = computed<readonly (readonly [number, number])[]>(() => {
  if (dimension.value !== 1 || at.value > 0 || toOptimum.value || view.value !== "watch" || locked("start") || !straight.value) return [];
  const x = xScale.value;
  const [intercept = 0, slope = 0] = settings.value.start;
  return [0.1, 0.9].map((share) => {
    const where = x.low + (x.high - x.low) * share;
    return [where, intercept + slope * where] as const;
  });
});

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

// What changes together is on one layer: the paper, the errors, the lines, the points that stand still, what is under the hand.
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
const LAYERS: readonly Draw[] = [
  (pen, box) => (flat.value ? paper(pen, box) : drawPlane(pen, box)),
  layer(drawErrors),
  layer(drawLines),
  layer(drawPoints),
  layer(drawHand),
];

// Taking hold of things.
type Held = { readonly kind: "point"; readonly index: number } | { readonly kind: "grip"; readonly index: number } | { readonly kind: "nothing" } | { readonly kind: "turn" };
let held: (Held & { startX: number; startY: number; moved: boolean }) | null = null;

function place(event: { clientX: number; clientY: number }, box: HTMLElement): [number, number] {
  const { left, top } = box.getBoundingClientRect();
  return [event.clientX - left, event.clientY - top];
}

function find(px: number, py: number, reach: number): Held {
  if (!flat.value) return { kind: "turn" };
  const [x, y] = [xScale.value, yScale.value];
  const grip = grips.value.findIndex(([gx, gy]) => Math.hypot(x(gx) - px, y(gy) - py) < Math.max(12, reach));
  if (grip >= 0) return { kind: "grip", index: grip };
  let [best, nearest] = [-1, reach];
  const inputs = points.value.x;
  for (let i = 0; i < inputs.length; i++) {
    const distance = Math.hypot(x(inputs[i]![0]!) - px, y(heightOf(i)) - py);
    if (distance < nearest) [best, nearest] = [i, distance];
  }
  return best >= 0 ? { kind: "point", index: best } : { kind: "nothing" };
}

/** A value as short as the screen can tell it, and as the loss needs it. */
function tidy(value: number, scale: Scale): number {
  const grain = Math.abs(scale.high - scale.low) / Math.max(100, Math.abs(scale.to - scale.from));
  const digits = Math.max(0, Math.min(12, Math.ceil(-Math.log10(grain)) + 1));
  return Number(value.toFixed(digits));
}

function asTarget(value: number): number {
  if (targetKind.value === "binary") return value > 0.5 ? 1 : 0;
  if (targetKind.value === "signs") return value > 0 ? 1 : -1;
  if (targetKind.value === "count") return Math.max(0, Math.round(value));
  return value;
}

function moveTo(index: number, px: number, py: number): void {
  const [x, y] = [xScale.value, yScale.value];
  const clampedX = Math.max(x.from, Math.min(x.to, px));
  const clampedY = Math.max(y.to, Math.min(y.from, py));
  const first = tidy(x.invert(clampedX), x);
  const up = tidy(y.invert(clampedY), y);
  if (dimension.value === 1) movePoint(index, [first], asTarget(up));
  else movePoint(index, [first, up], points.value.y[index]!);
}

function down(event: PointerEvent): void {
  if (event.button !== 0 || (event.target as HTMLElement).closest(".bubble")) return;
  const box = event.currentTarget as HTMLElement;
  const [px, py] = place(event, box);
  const found = find(px, py, event.pointerType === "mouse" ? 14 : 24);
  held = { ...found, startX: px, startY: py, moved: false };
  if (found.kind === "point") selected.value = found.index;
  if (found.kind !== "nothing") box.setPointerCapture(event.pointerId);
}

function move(event: PointerEvent): void {
  const box = event.currentTarget as HTMLElement;
  const [px, py] = place(event, box);
  if (!held) {
    const found = find(px, py, 14);
    hovered.value = found.kind === "point" ? found.index : null;
    box.style.cursor = found.kind === "nothing" ? (locked("points") ? "default" : "crosshair") : "grab";
    return;
  }
  if (!held.moved && Math.hypot(px - held.startX, py - held.startY) < 4) return;
  held.moved = true;
  if (held.kind === "point" && !locked("points")) moveTo(held.index, px, py);
  if (held.kind === "grip") {
    const y = yScale.value;
    const other = grips.value[1 - held.index]!;
    const own = grips.value[held.index]!;
    const slope = (y.invert(py) - other[1]) / (own[0] - other[0]);
    set({ start: [tidy(other[1] - slope * other[0], y), Number(slope.toPrecision(4))] });
  }
  if (held.kind === "turn") {
    turnTo(turn.value[0] + (px - held.startX) * 0.008, turn.value[1] + (py - held.startY) * 0.006);
    held.startX = px;
    held.startY = py;
  }
}

function up(event: PointerEvent): void {
  if (!held) return;
  const { kind, moved } = held;
  held = null;
  if (kind === "nothing" && !moved) {
    if (selected.value !== null) selected.value = null;
    else if (!locked("points")) {
      const [px, py] = place(event, event.currentTarget as HTMLElement);
      const [x, y] = [xScale.value, yScale.value];
      if (px < x.from || px > x.to || py < y.to || py > y.from) return;
      const [first, second] = [tidy(x.invert(px), x), tidy(y.invert(py), y)];
      if (dimension.value === 1) addPoint([first], asTarget(second));
      else addPoint([first, second], tidy(predict(settings.value, shown.value, [[first, second]])[0]!, y));
    }
  }
}

// By keyboard: one handle, on the point chosen.
function byPosition(): number[] {
  const { x } = points.value;
  return x.map((_, i) => i).sort((a, b) => x[a]![0]! - x[b]![0]! || a - b);
}

export function choose(change: number | "first" | "last"): void {
  const order = byPosition();
  const place = order.indexOf(selected.value ?? order[0]!);
  const next = change === "first" ? 0 : change === "last" ? order.length - 1 : Math.max(0, Math.min(order.length - 1, place + change));
  selected.value = order[next]!;
  say(`${describe(order[next]!)}, ${next + 1} of ${order.length} from the left.`);
}

function describe(index: number): string {
  const { x, y, inputs, target } = points.value;
  const parts = inputs.map((name, j) => `${name} ${number(x[index]![j]!)}`);
  return `Point ${index + 1}: ${parts.join(", ")}, ${target} ${number(y[index]!)}`;
}

let telling: number | undefined;

function keys(event: KeyboardEvent): void {
  const index = selected.value ?? byPosition()[0] ?? 0;
  const [x, y] = [xScale.value, yScale.value];
  const far = event.shiftKey ? 10 : 1;
  const arrows: Record<string, readonly [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const direction = arrows[event.key];
  if (direction) {
    if (!locked("points")) {
      selected.value = index;
      const row = points.value.x[index]!;
      const first = tidy(row[0]! + direction[0] * far * 0.01 * (x.high - x.low), x);
      const whole = dimension.value === 1 && ["binary", "signs", "count"].includes(targetKind.value);
      const second = heightOf(index) + direction[1] * (whole ? 1.01 : far * 0.01 * (y.high - y.low));
      if (dimension.value === 1) movePoint(index, [first], asTarget(tidy(second, y)));
      else movePoint(index, [first, tidy(second, y)], points.value.y[index]!);
      window.clearTimeout(telling);
      telling = window.setTimeout(() => say(`${describe(index)}. Loss ${number(current.value?.loss ?? NaN)}.`), 350);
    }
  } else if (event.key === "PageDown" || event.key === "]") choose(1);
  else if (event.key === "PageUp" || event.key === "[") choose(-1);
  else if (event.key === "Home") choose("first");
  else if (event.key === "End") choose("last");
  else if ((event.key === "Delete" || event.key === "Backspace") && !locked("points")) deletePoint(index);
  else if ((event.key === "Enter" || event.key === " ") && !locked("points")) addBeside(index);
  else return;
  event.preventDefault();
  event.stopPropagation();
}

/** A point next to another, so that it can be moved from there. */
export function addBeside(index: number | null): void {
  const { x, y } = points.value;
  const base = index === null ? undefined : x[index];
  const middle = [0.5 * (frameX.value[0] + frameX.value[1]), 0.5 * (frameY.value[0] + frameY.value[1])];
  const [sx, sy] = [xScale.value, yScale.value];
  const first = tidy((base?.[0] ?? middle[0]!) + 0.04 * (sx.high - sx.low), sx);
  if (dimension.value === 1) addPoint([first], asTarget(tidy(index === null ? middle[1]! : y[index]!, sy)));
  else addPoint([first, tidy(base?.[1] ?? middle[1]!, sy)], index === null ? 0 : y[index]!);
  settleFrames();
}

function Handle() {
  const index = selected.value ?? byPosition()[0];
  if (index === undefined || !flat.value || index >= points.value.y.length) return null;
  const [left, top] = [xScale.value(points.value.x[index]![0]!), yScale.value(heightOf(index))];
  return (
    <>
      <button
        type="button"
        id="point"
        class="handle off"
        style={{ left: `${left}px`, top: `${top}px` }}
        aria-label={describe(index)}
        aria-describedby="point-keys"
        onKeyDown={keys}
        onFocus={() => {
          if (selected.value === null) selected.value = index;
        }}
      />
      <span id="point-keys" class="unseen">
        Arrow keys move the point, with Shift further. Page Up and Page Down choose another. Enter adds one beside it, Delete removes it.
      </span>
      {selected.value !== null && (
        <div class={`bubble ${top < 64 ? "below" : ""}`} style={{ left: `${Math.max(70, Math.min(size.value.width - 70, left))}px`, top: `${top}px` }}>
          <span>
            {points.value.inputs.map((name, j) => `${name} ${number(points.value.x[index]![j]!)}  `)}
            {points.value.target} {number(points.value.y[index]!)}
          </span>
          {!locked("points") && (
            <button type="button" onClick={() => deletePoint(index)}>
              delete
            </button>
          )}
        </div>
      )}
    </>
  );
}

export function PointsPicture() {
  const root = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // A finger on a point moves it; anywhere else it scrolls the page.
    const canvas = root.current!.firstElementChild!;
    const hold = (event: Event) => {
      const touch = (event as TouchEvent).touches[0]!;
      const [px, py] = place(touch, canvas as HTMLElement);
      if (find(px, py, 24).kind !== "nothing") event.preventDefault();
    };
    canvas.addEventListener("touchstart", hold, { passive: false });
    return () => canvas.removeEventListener("touchstart", hold);
  }, []);
  const label =
    view.value === "compare"
      ? `${points.value.y.length} points and the lines of ${comparison.value.length} losses`
      : `${points.value.y.length} points and the line ${line.value}, of ${lossTitle.value}`;
  return (
    <div ref={root}>
      <Canvas
        layers={LAYERS}
        size={size}
        label={label}
        on={{ onPointerDown: down, onPointerMove: move, onPointerUp: up, onPointerLeave: () => (hovered.value = null), onPointerCancel: () => (held = null) }}
      >
        <Handle />
      </Canvas>
    </div>
  );
}
