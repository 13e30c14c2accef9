// What several pictures draw: axes, marks, colours between two.
import { number } from "../format";
import { ink } from "../theme";
import { FONT, halo, sharpness } from "./canvas";
import { ticks, type Scale } from "./scale";

export interface Margins {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

export const MARGINS: Margins = { left: 56, right: 14, top: 14, bottom: 34 };

export function axes(pen: CanvasRenderingContext2D, x: Scale, y: Scale, across: string, up: string, grid = true): void {
  const { quiet, line } = ink.value;
  const [left, right, bottom, top] = [x.from, x.to, y.from, y.to];
  pen.font = FONT;
  pen.lineWidth = 1;
  pen.strokeStyle = line;
  pen.fillStyle = quiet;
  pen.textAlign = "center";
  pen.textBaseline = "top";
  pen.font = `600 ${FONT}`;
  const taken = right - pen.measureText(across).width - 16;
  pen.font = FONT;
  const room = Math.max(2, Math.floor((right - left) / 80));
  pen.beginPath();
  for (const tick of ticks(x.low, x.high, room)) {
    const at = Math.round(x(tick)) + 0.5;
    if (grid) pen.moveTo(at, top), pen.lineTo(at, bottom);
    if (at + pen.measureText(number(tick)).width / 2 < taken) pen.fillText(number(tick), at, bottom + 6);
  }
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  for (const tick of ticks(y.low, y.high, Math.max(2, Math.floor((bottom - top) / 48)))) {
    const at = Math.round(y(tick)) + 0.5;
    if (grid) pen.moveTo(left, at), pen.lineTo(right, at);
    if (at > top + 14) pen.fillText(number(tick), left - 7, at);
  }
  pen.stroke();
  pen.font = `600 ${FONT}`;
  pen.fillStyle = ink.value.ink;
  pen.textBaseline = "top";
  pen.textAlign = "right";
  pen.fillText(across, right, bottom + 6);
  pen.textAlign = "left";
  halo(pen, up, left + 5, top + 2, ink.value.ink);
}

export function disc(pen: CanvasRenderingContext2D, x: number, y: number, radius: number): void {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
}

let stamp: { readonly key: string; readonly image: CanvasImageSource; readonly wide: number } | null = null;

/** A disc with an edge, painted once and then stamped wherever it is wanted: a thousand points within a frame. */
export function stamped(pen: CanvasRenderingContext2D, radius: number, edge: number, fill: string, stroke: string): (x: number, y: number) => void {
  const ratio = sharpness();
  const key = [radius, edge, fill, stroke, ratio].join();
  const half = Math.ceil(radius + edge) + 1;
  if (stamp?.key !== key) {
    const side = Math.ceil(2 * half * ratio);
    const off = typeof OffscreenCanvas === "undefined" ? null : new OffscreenCanvas(side, side);
    const page = off ?? Object.assign(document.createElement("canvas"), { width: side, height: side });
    const own = page.getContext("2d") as CanvasRenderingContext2D;
    own.scale(ratio, ratio);
    own.fillStyle = fill;
    own.strokeStyle = stroke;
    own.lineWidth = edge;
    disc(own, half, half, radius);
    own.fill();
    own.stroke();
    // An image that cannot change any more is not copied each time that it is drawn.
    stamp = { key, image: off ? off.transferToImageBitmap() : page, wide: side / ratio };
  }
  const { image, wide } = stamp;
  return (x, y) => pen.drawImage(image, x - half, y - half, wide, wide);
}

export function diamond(pen: CanvasRenderingContext2D, x: number, y: number, radius: number): void {
  pen.beginPath();
  pen.moveTo(x, y - radius);
  pen.lineTo(x + radius, y);
  pen.lineTo(x, y + radius);
  pen.lineTo(x - radius, y);
  pen.closePath();
}

/** The colour a share of the way from one `#rrggbb` to another. */
export function between(from: string, to: string, share: number): string {
  const t = Math.max(0, Math.min(1, share));
  const channel = (k: number) => {
    const a = parseInt(from.slice(1 + 2 * k, 3 + 2 * k), 16);
    const b = parseInt(to.slice(1 + 2 * k, 3 + 2 * k), 16);
    return Math.round(a + (b - a) * t);
  };
  return `rgb(${channel(0)} ${channel(1)} ${channel(2)})`;
}

/** How the lines of up to four losses are told apart without colour. */
export const DASHES: readonly (readonly number[])[] = [[], [9, 5], [2, 5], [11, 4, 2, 4]];
