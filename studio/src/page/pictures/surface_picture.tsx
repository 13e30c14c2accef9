// The loss over two coefficients: rings of equal loss, the path across them, the start to be dragged, and the lowest point.
import { computed, effect, signal } from "@preact/signals";
import { contours, type ContourMultiPolygon } from "d3-contour";
import { number, steady } from "../format";
import { set } from "../editing";
import { frameFirst, frameSecond, settleFrames, surfaceAspect } from "../frames";
import {
  at,
  current,
  dimension,
  locked,
  names,
  optimum,
  pair,
  points,
  say,
  settings,
  shown,
  steps,
  surface,
  toOptimum,
} from "../state";
import { following } from "../walking";
import { ink } from "../theme";
import { Canvas, FONT, halo, type Draw, type Size } from "./canvas";
import { fromWalk, toWalk } from "./coordinates";
import { axes, between, diamond, disc, MARGINS } from "./marks";
import { linear } from "./scale";

const size = signal<Size>({ width: 0, height: 0 });
export const arrow = signal(false);

const across = computed(() => linear(frameFirst.value[0], frameFirst.value[1], MARGINS.left, size.value.width - MARGINS.right));
const upward = computed(() => linear(frameSecond.value[0], frameSecond.value[1], size.value.height - MARGINS.bottom, MARGINS.top));

effect(() => {
  const { width, height } = size.value;
  if (width > 0 && height > 0) surfaceAspect.value = (width - MARGINS.left - MARGINS.right) / (height - MARGINS.top - MARGINS.bottom);
});

/** Levels that are evenly apart as the eye sees a bowl: squares of even steps above the lowest. */
function levels(loss: Float64Array): number[] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of loss) {
    if (!Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const best = optimum.peek();
  if (best?.certificate.converged) low = Math.min(low, best.loss);
  if (!(high > low)) return [];
  const rings = 13;
  return Array.from({ length: rings }, (_, k) => low + (high - low) * (k / rings) ** 2);
}

const rings = computed(() => {
  const seen = surface.value;
  if (!seen) return null;
  const thresholds = levels(seen.loss);
  if (thresholds.length === 0) return null;
  // What is not finite is above everything.
  const top = thresholds[thresholds.length - 1]! * 2 + 1e300;
  const values = Array.from(seen.loss, (value) => (Number.isFinite(value) ? -value : -top));
  const [columns, lines] = [seen.first.length, seen.second.length];
  // Contours enclose what is above a threshold; the loss with its sign turned is high inside the bowl.
  const shapes = contours()
    .size([columns, lines])
    .thresholds(thresholds.map((level) => -level))(values);
  return { shapes, thresholds, seen };
});

function outline(pen: CanvasRenderingContext2D, shape: ContourMultiPolygon, px: (i: number) => number, py: (j: number) => number): void {
  pen.beginPath();
  for (const polygon of shape.coordinates) {
    for (const ring of polygon) {
      ring.forEach(([i, j], k) => (k === 0 ? pen.moveTo(px(i!), py(j!)) : pen.lineTo(px(i!), py(j!))));
      pen.closePath();
    }
  }
}

function drawRings(pen: CanvasRenderingContext2D): void {
  const found = rings.value;
  if (!found) return;
  const { shapes, thresholds, seen } = found;
  const [x, y] = [across.value, upward.value];
  const [columns, lines] = [seen.first.length, seen.second.length];
  // d3-contour puts the value of cell i at i + 1/2.
  const px = (i: number) => x(seen.first[0]! + ((i - 0.5) / (columns - 1)) * (seen.first[columns - 1]! - seen.first[0]!));
  const py = (j: number) => y(seen.second[0]! + ((j - 0.5) / (lines - 1)) * (seen.second[lines - 1]! - seen.second[0]!));
  const { low, high, panel, quiet } = ink.value;
  pen.fillStyle = high;
  pen.fillRect(x.from, y.to, x.to - x.from, y.from - y.to);
  pen.strokeStyle = panel;
  pen.lineWidth = 1;
  for (let k = thresholds.length - 1; k >= 0; k--) {
    const shape = shapes.find((one) => one.value === -thresholds[k]!);
    if (!shape) continue;
    outline(pen, shape, px, py);
    pen.fillStyle = between(low, high, (k - 1) / (thresholds.length - 1));
    pen.fill();
    pen.globalAlpha = 0.75;
    pen.stroke();
    pen.globalAlpha = 1;
  }
  // Three rings say what loss they stand for, where they are lowest in the picture.
  pen.font = `11px ${FONT.slice(5)}`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  let words = "loss ";
  const written: (readonly [number, number])[] = [];
  for (const k of [3, 6, 9]) {
    const shape = shapes.find((one) => one.value === -thresholds[k]!);
    const ring = shape?.coordinates[0]?.[0];
    if (!ring) continue;
    const inside = ring
      .map(([i, j]) => [px(i!), py(j!)] as const)
      .filter(([a, b]) => a > x.from + 34 && a < x.to - 34 && b > y.to + 12 && b < y.from - 10);
    if (inside.length === 0) continue;
    const spot = inside.reduce((best, one) => (one[1] > best[1] ? one : best));
    if (written.some((other) => Math.abs(other[0] - spot[0]) < 76 && Math.abs(other[1] - spot[1]) < 16)) continue;
    written.push(spot);
    halo(pen, words + number(thresholds[k]!, 3), spot[0], spot[1], quiet);
    words = "";
  }
}

function drawPath(pen: CanvasRenderingContext2D): void {
  const [x, y] = [across.value, upward.value];
  const [i, j] = pair.value;
  const { accent, panel, ink: black } = ink.value;
  const spot = (coefficients: readonly number[]): [number, number] => {
    const walked = toWalk(coefficients);
    const keep = (pixel: number) => Math.max(-1e4, Math.min(1e4, pixel));
    return [keep(x(walked[i]!)), keep(y(walked[j]!))];
  };
  const seen = steps.value.slice(0, at.value + 1);
  const last = seen.length - 1;
  pen.strokeStyle = accent;
  pen.lineWidth = 2;
  pen.lineJoin = "round";
  pen.beginPath();
  // A path of very many steps is drawn by every few of them.
  const every = Math.max(1, Math.floor(seen.length / 2000));
  seen.forEach((step, k) => {
    if (k % every !== 0 && k !== last) return;
    const [px, py] = spot(step.coefficients);
    if (k === 0) pen.moveTo(px, py);
    else pen.lineTo(px, py);
  });
  pen.stroke();
  pen.fillStyle = accent;
  for (const step of seen.slice(0, 60)) {
    const [px, py] = spot(step.coefficients);
    disc(pen, px, py, 2.4);
    pen.fill();
  }
  const best = optimum.value;
  if (best) {
    const [px, py] = spot(best.coefficients);
    pen.fillStyle = toOptimum.value ? accent : black;
    pen.strokeStyle = panel;
    pen.lineWidth = 2;
    diamond(pen, px, py, toOptimum.value ? 9 : 7);
    pen.fill();
    pen.stroke();
  }
  const [sx, sy] = spot(settings.value.start);
  pen.fillStyle = panel;
  pen.strokeStyle = accent;
  pen.lineWidth = 2.5;
  disc(pen, sx, sy, 6.5);
  pen.fill();
  pen.stroke();
  if (!toOptimum.value && at.value > 0) {
    const [px, py] = spot(shown.value);
    pen.fillStyle = accent;
    pen.strokeStyle = panel;
    pen.lineWidth = 2;
    disc(pen, px, py, 7);
    pen.fill();
    pen.stroke();
  }
  if (arrow.value) drawArrow(pen, spot);
}

/** The way downhill: where the next step goes, drawn long enough to be seen. */
function drawArrow(pen: CanvasRenderingContext2D, spot: (coefficients: readonly number[]) => [number, number]): void {
  const here = current.value;
  const next = steps.value[at.value + 1]?.coefficients ?? following.value;
  if (!here || !next) return;
  const [px, py] = spot(here.coefficients);
  const [qx, qy] = spot(next);
  const length = Math.hypot(qx - px, qy - py);
  if (length < 1e-9) return;
  const long = Math.max(46, Math.min(length, 90));
  const [ux, uy] = [(qx - px) / length, (qy - py) / length];
  const [tx, ty] = [px + ux * long, py + uy * long];
  pen.strokeStyle = ink.value.ink;
  pen.fillStyle = ink.value.ink;
  pen.lineWidth = 2.5;
  pen.beginPath();
  pen.moveTo(px + ux * 10, py + uy * 10);
  pen.lineTo(tx - ux * 8, ty - uy * 8);
  pen.stroke();
  pen.beginPath();
  pen.moveTo(tx, ty);
  pen.lineTo(tx - ux * 12 - uy * 6, ty - uy * 12 + ux * 6);
  pen.lineTo(tx - ux * 12 + uy * 6, ty - uy * 12 - ux * 6);
  pen.fill();
}

function within(pen: CanvasRenderingContext2D, draw: (pen: CanvasRenderingContext2D) => void): void {
  const [x, y] = [across.value, upward.value];
  pen.save();
  pen.beginPath();
  pen.rect(x.from, y.to, x.to - x.from, y.from - y.to);
  pen.clip();
  draw(pen);
  pen.restore();
}

function drawAxes(pen: CanvasRenderingContext2D): void {
  const [i, j] = pair.value;
  axes(pen, across.value, upward.value, label(i), label(j), false);
}

const LAYERS: readonly Draw[] = [(pen) => within(pen, drawRings), (pen) => within(pen, drawPath), drawAxes];

function label(index: number): string {
  const name = names.value[index] ?? "";
  return settings.value.standardised ? `${name}, x standardised` : name;
}

let dragging = false;

function startAt(px: number, py: number): void {
  const [x, y] = [across.value, upward.value];
  const [i, j] = pair.value;
  const walked = toWalk(settings.value.start).slice();
  const short = (value: number, span: number) => Number(value.toFixed(Math.max(0, Math.min(12, 3 - Math.floor(Math.log10(span))))));
  walked[i] = short(x.invert(Math.max(x.from, Math.min(x.to, px))), x.high - x.low);
  walked[j] = short(y.invert(Math.max(y.to, Math.min(y.from, py))), y.high - y.low);
  set({ start: fromWalk(walked) });
}

function place(event: PointerEvent): [number, number] {
  const { left, top } = (event.currentTarget as HTMLElement).closest(".canvas")!.getBoundingClientRect();
  return [event.clientX - left, event.clientY - top];
}

function keys(event: KeyboardEvent): void {
  const arrows: Record<string, readonly [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const direction = arrows[event.key];
  if (!direction || locked("start")) return;
  event.preventDefault();
  event.stopPropagation();
  const [i, j] = pair.value;
  const walked = toWalk(settings.value.start);
  const far = event.shiftKey ? 24 : 4;
  startAt(across.value(walked[i]!) + direction[0] * far, upward.value(walked[j]!) + direction[1] * far);
  window.clearTimeout(telling);
  telling = window.setTimeout(() => say(`Start: ${describeStart()}. Loss ${number(steps.value[0]?.loss ?? NaN)}.`), 350);
}
let telling: number | undefined;

function describeStart(): string {
  return names.value.map((name, k) => `${name} ${number(settings.value.start[k]!)}`).join(", ");
}

export function SurfacePicture() {
  const [i, j] = pair.value;
  const walked = toWalk(settings.value.start);
  const here = current.value;
  const text = `Rings of equal loss over ${names.value[i]} and ${names.value[j]}${here ? `; the path stands at step ${here.step}, loss ${steady(here.loss)}` : ""}`;
  return (
    <Canvas layers={LAYERS} size={size} label={text}>
      {steps.value.length > 0 && (
        <button
          type="button"
          class="handle"
          disabled={locked("start")}
          aria-label={`Start: ${describeStart()}. Arrow keys move it, with Shift further.`}
          style={{ left: `${across.value(walked[i]!)}px`, top: `${upward.value(walked[j]!)}px` }}
          onKeyDown={keys}
          onPointerDown={(event) => {
            dragging = true;
            event.currentTarget.setPointerCapture(event.pointerId);
          }}
          onPointerMove={(event) => {
            if (dragging) startAt(...place(event));
          }}
          onPointerUp={() => (dragging = false)}
          onPointerCancel={() => (dragging = false)}
        />
      )}
    </Canvas>
  );
}

/** For two inputs: which two coefficients the picture is over. */
export function PairChoice() {
  if (dimension.value === 1) return null;
  const choices: readonly (readonly [number, number])[] = [[1, 2], [1, 0], [2, 0]];
  const { inputs } = points.value;
  const short = (index: number) => (index === 0 ? "intercept" : inputs[index - 1]);
  return (
    <div class="segments" role="group" aria-label="Coefficients of the picture">
      {choices.map(([a, b]) => (
        <button type="button" aria-pressed={pair.value[0] === a && pair.value[1] === b} onClick={() => choosePair([a, b])}>
          {short(a)} · {short(b)}
        </button>
      ))}
    </div>
  );
}

function choosePair(next: readonly [number, number]): void {
  pair.value = next;
  settleFrames();
  set({});
}
