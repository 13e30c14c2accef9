// A picture with axes on a canvas, and the same numbers as a table behind it.
import { useCallback, useMemo } from "preact/hooks";
import { number } from "../page/format";
import { Canvas, FONT, halo, type Draw } from "../page/pictures/canvas";
import { linear, padded, ticks } from "../page/pictures/scale";
import { ink } from "../page/theme";

type Numbers = readonly (number | null)[];

export interface Line {
  readonly x: Numbers;
  readonly y: Numbers;
  readonly role: "fit" | "right" | number; // a trend, what a right model gives, or one of several series
  readonly name?: string;
}

export interface Picture {
  readonly label: string;
  readonly across: string;
  readonly up: string;
  readonly dots?: { readonly x: Numbers; readonly y: Numbers; readonly rows: readonly number[]; readonly far: readonly number[]; readonly low?: Numbers; readonly high?: Numbers };
  readonly lines?: readonly Line[];
  readonly band?: { readonly x: Numbers; readonly low: Numbers; readonly high: Numbers };
  readonly zero?: boolean;
  readonly logarithmic?: boolean; // across
  readonly marks?: readonly { readonly x: number; readonly name: string }[];
  readonly columns: readonly string[];
  readonly table: () => readonly (readonly (number | string | null)[])[];
}

const LEFT = 58;
const BOTTOM = 40;
const SERIES_DASH: readonly (readonly number[])[] = [[], [7, 4], [2, 3], [9, 3, 2, 3]];

function finite(values: Numbers): number[] {
  return values.filter((value): value is number => value !== null && Number.isFinite(value));
}

export function Plot({ picture }: { readonly picture: Picture }) {
  const draw = useCallback<Draw>(
    (pen, { width, height }) => {
      const { ink: dark, quiet, line, accent, soft, data, series, panel } = ink.value;
      const { dots, lines = [], band, marks = [] } = picture;
      const across = (value: number) => (picture.logarithmic ? Math.log10(value) : value);
      const xs = [...finite(dots?.x ?? []), ...lines.flatMap((one) => finite(one.x)), ...(dots ? [] : finite(band?.x ?? []))].map(across);
      const ys = [
        ...finite(dots?.y ?? []),
        ...lines.filter((one) => one.role !== "right").flatMap((one) => finite(one.y)),
        ...finite(dots?.low ?? []),
        ...finite(dots?.high ?? []),
        ...(dots ? [] : [...finite(band?.low ?? []), ...finite(band?.high ?? [])]),
        ...(picture.zero ? [0] : []),
      ];
      const [x0, x1] = padded(xs, 0.03);
      const [y0, y1] = padded(ys, 0.06);
      const x = linear(x0, x1, LEFT, width - 12);
      const y = linear(y0, y1, height - BOTTOM, 14);
      pen.font = FONT;
      pen.lineWidth = 1;
      pen.strokeStyle = line;
      pen.fillStyle = quiet;
      pen.textAlign = "center";
      for (const tick of ticks(x0, x1, Math.max(2, width / 110))) {
        if (picture.logarithmic && !Number.isInteger(tick)) continue;
        pen.fillText(picture.logarithmic ? number(10 ** tick, 2) : number(tick, 4), x(tick), height - BOTTOM + 16);
      }
      pen.textAlign = "right";
      for (const tick of ticks(y0, y1, Math.max(2, height / 60))) {
        pen.beginPath();
        pen.moveTo(LEFT, y(tick));
        pen.lineTo(width - 12, y(tick));
        pen.stroke();
        pen.fillText(number(tick, 4), LEFT - 6, y(tick) + 4);
      }
      pen.textAlign = "center";
      pen.fillText(shortened(picture.across, width / 7), (LEFT + width - 12) / 2, height - 6);
      pen.save();
      pen.translate(11, (height - BOTTOM) / 2 + 7);
      pen.rotate(-Math.PI / 2);
      pen.fillText(shortened(picture.up, height / 7), 0, 0);
      pen.restore();
      pen.save();
      pen.beginPath();
      pen.rect(LEFT, 6, width - LEFT - 8, height - BOTTOM - 4);
      pen.clip();
      if (band) {
        pen.fillStyle = soft;
        pen.beginPath();
        const kept = band.x.map((_, i) => i).filter((i) => band.low[i] !== null && band.high[i] !== null);
        kept.forEach((i, k) => (k === 0 ? pen.moveTo(x(across(band.x[i]!)), y(band.high[i]!)) : pen.lineTo(x(across(band.x[i]!)), y(band.high[i]!))));
        for (const i of kept.reverse()) pen.lineTo(x(across(band.x[i]!)), y(band.low[i]!));
        pen.fill();
      }
      if (picture.zero && y0 < 0 && y1 > 0) {
        pen.strokeStyle = quiet;
        pen.beginPath();
        pen.moveTo(LEFT, y(0));
        pen.lineTo(width - 12, y(0));
        pen.stroke();
      }
      if (dots) {
        pen.fillStyle = data;
        pen.strokeStyle = data;
        const many = dots.x.length > 400;
        pen.globalAlpha = many ? 0.5 : 0.75;
        dots.x.forEach((value, i) => {
          const height = dots.y[i];
          if (value === null || height === null || height === undefined) return;
          const [low, high] = [dots.low?.[i], dots.high?.[i]];
          if (low !== undefined && low !== null && high !== undefined && high !== null) {
            pen.beginPath();
            pen.moveTo(x(across(value)), y(low));
            pen.lineTo(x(across(value)), y(high));
            pen.stroke();
          }
          pen.beginPath();
          pen.arc(x(across(value)), y(height), many ? 1.75 : 2.75, 0, 2 * Math.PI);
          pen.fill();
        });
        pen.globalAlpha = 1;
      }
      lines.forEach((one) => {
        const place = typeof one.role === "number" ? one.role : 0;
        pen.strokeStyle = one.role === "right" ? dark : one.role === "fit" ? accent : series[place % series.length]!;
        pen.lineWidth = one.role === "right" ? 1.5 : 2.25;
        pen.setLineDash(one.role === "right" ? [6, 5] : [...SERIES_DASH[Math.floor(place / 1) % SERIES_DASH.length]!]);
        pen.beginPath();
        let begun = false;
        one.x.forEach((value, i) => {
          const height = one.y[i];
          if (value === null || height === null || height === undefined) {
            begun = false;
            return;
          }
          if (begun) pen.lineTo(x(across(value)), y(height));
          else pen.moveTo(x(across(value)), y(height));
          begun = true;
        });
        pen.stroke();
        pen.setLineDash([]);
      });
      pen.lineWidth = 1;
      for (const mark of marks) {
        pen.strokeStyle = dark;
        pen.beginPath();
        pen.moveTo(x(across(mark.x)), 6);
        pen.lineTo(x(across(mark.x)), height - BOTTOM);
        pen.stroke();
      }
      pen.restore();
      pen.textAlign = "left";
      for (const i of dots?.far ?? []) {
        const [value, height] = [dots!.x[i], dots!.y[i]];
        if (value === null || height === null || value === undefined || height === undefined) continue;
        const right = x(across(value)) > width - 70;
        pen.textAlign = right ? "right" : "left";
        halo(pen, String(dots!.rows[i]), x(across(value)) + (right ? -7 : 7), y(height) + 4, dark);
      }
      void panel;
    },
    [picture],
  );
  const layers = useMemo(() => [draw], [draw]);
  return (
    <figure class="plot-figure">
      <Canvas class="plot-canvas" layers={layers} label={picture.label} />
      <details>
        <summary>As a table</summary>
        <div class="scroll" tabIndex={0} role="region" aria-label={`${picture.label} as a table`}>
          <table>
            <thead>
              <tr>
                {picture.columns.map((name) => (
                  <th scope="col">{name}</th>
                ))}
              </tr>
            </thead>
            <tbody>
              {picture
                .table()
                .slice(0, 200)
                .map((row) => (
                  <tr>{row.map((cell, k) => (k === 0 ? <th scope="row">{shownCell(cell)}</th> : <td>{shownCell(cell)}</td>))}</tr>
                ))}
            </tbody>
          </table>
        </div>
      </details>
    </figure>
  );
}

export function shownCell(cell: number | string | null | undefined): string {
  return cell === null || cell === undefined ? "" : typeof cell === "number" ? number(cell, 5) : cell;
}

function shortened(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, Math.max(3, Math.floor(most) - 1))}…` : text;
}
