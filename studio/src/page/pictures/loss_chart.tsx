// Loss against step, beside the rate that theory predicts.
import { computed, effect, signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { number } from "../format";
import { at, current, optimum, settings, stability, steps, waits } from "../state";
import { goTo, sayWhere } from "../walking";
import { ink } from "../theme";
import { FONT } from "./canvas";
import { disc } from "./marks";

/** Whether the chart is of what is left above the lowest loss, on a logarithmic scale, or of the loss itself. */
export const left = signal(true);

const base = computed(() => {
  const best = optimum.value;
  return left.value && best?.certificate.converged ? best.loss : null;
});

/** Steps the axis reaches to: it grows in leaps, so that the curve does not shiver while it grows. */
const reach = computed(() => {
  const count = Math.max(20, steps.value.length - 1);
  const power = 10 ** Math.floor(Math.log10(count));
  return ([1, 2, 3, 5, 10].find((factor) => factor * power >= count) ?? 10) * power;
});

/** Heights are logarithms where the chart is of what is left: a straight line is then a steady rate. */
const logarithmic = computed(() => base.value !== null);

function height(value: number): number {
  return logarithmic.peek() ? Math.log10(value) : value;
}

function above(value: number): number | null {
  if (!Number.isFinite(value)) return null;
  if (base.value === null) return value;
  const rest = value - base.value;
  // Below the rounding of the loss itself there is nothing to see.
  return rest > 4e-16 * Math.max(Math.abs(value), 1e-300) ? rest : null;
}

export const theory = computed<((step: number) => number) | null>(() => {
  const factor = stability.value?.predictedRate ?? null;
  const best = optimum.value;
  const first = steps.value[0];
  if (factor === null || !best?.certificate.converged || !first || settings.value.batch !== null || settings.value.method !== "descent") return null;
  return (step) => (base.value === null ? best.loss : 0) + (first.loss - best.loss) * factor ** (2 * step);
});

const data = computed<uPlot.AlignedData>(() => {
  const seen = steps.value;
  const end = reach.value;
  const predicted = theory.value;
  const every = Math.max(1, Math.floor(Math.max(end, seen.length) / 1500));
  const across: number[] = [];
  const got: (number | null)[] = [];
  const told: (number | null)[] = [];
  for (let k = 0; k <= end; k += every) {
    across.push(k);
    const rest = k < seen.length ? above(seen[k]!.loss) : null;
    got.push(rest === null ? null : height(rest));
    const value = predicted?.(k) ?? null;
    told.push(value !== null && Number.isFinite(value) && (base.value === null || value > 1e-300) ? height(value) : null);
  }
  return [across, got, told];
});

const WHOLE = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000];

function range(): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of data.peek()[1] as (number | null)[]) {
    if (value === null) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return logarithmic.peek() ? [-3, 0] : [0, 1];
  // At least four decades, so that the first steps do not look like a fall to the bottom.
  if (logarithmic.peek()) return [Math.min(low - 0.4, high - 4), high + 0.4];
  const air = 0.06 * (high - low || Math.abs(high) || 1);
  return [low - air, high + air];
}

function make(box: HTMLElement): uPlot {
  const { quiet, line, accent, ink: black, panel } = ink.value;
  const log = logarithmic.peek();
  const axis = { stroke: quiet, font: FONT, grid: { stroke: line, width: 1 }, ticks: { show: false } };
  const marker = (plot: uPlot) => {
    const here = current.peek();
    const value = here ? above(here.loss) : null;
    if (value === null || !here) return;
    const ratio = devicePixelRatio;
    const [x, y] = [plot.valToPos(at.peek(), "x", true), plot.valToPos(height(value), "y", true)];
    if (!Number.isFinite(y)) return;
    const pen = plot.ctx;
    pen.save();
    pen.fillStyle = accent;
    pen.strokeStyle = panel;
    pen.lineWidth = 2 * ratio;
    disc(pen, x, y, 6 * ratio);
    pen.fill();
    pen.stroke();
    pen.restore();
  };
  return new uPlot(
    {
      width: box.clientWidth,
      height: box.clientHeight,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
      scales: { x: { time: false, range: () => [0, reach.peek()] }, y: { range: () => range() } },
      axes: [
        { ...axis, size: 30, incrs: WHOLE },
        {
          ...axis,
          size: 62,
          ...(log ? { incrs: WHOLE } : {}),
          values: (_: uPlot, values: number[]) => values.map((value) => (log ? number(10 ** value, 2) : number(value, 3))),
        },
      ],
      series: [
        {},
        { stroke: accent, width: 2.25, points: { show: false } },
        { stroke: black, width: 1.5, dash: [6, 5], points: { show: false } },
      ],
      hooks: { draw: [marker] },
    },
    data.peek(),
    box,
  );
}

export function LossChart() {
  const root = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const box = root.current!;
    let plot: uPlot | null = null;
    const stopShape = effect(() => {
      ink.value;
      logarithmic.value;
      plot?.destroy();
      plot = box.clientWidth > 10 ? make(box) : null;
    });
    const stopData = effect(() => {
      if (waits.value) return;
      const next = data.value;
      at.value;
      plot?.setData(next);
    });
    const observer = new ResizeObserver(() => {
      if (box.clientWidth <= 10) return;
      if (plot) plot.setSize({ width: box.clientWidth, height: box.clientHeight });
      else plot = make(box);
    });
    observer.observe(box);
    return () => {
      stopShape();
      stopData();
      observer.disconnect();
      plot?.destroy();
    };
  }, []);
  const pick = (event: MouseEvent) => {
    const over = root.current!.querySelector(".u-over")!.getBoundingClientRect();
    const share = (event.clientX - over.left) / over.width;
    goTo(Math.round(share * reach.value));
    sayWhere();
  };
  const here = current.value;
  const told = theory.value ? "; dashed, what theory predicts" : "";
  return (
    <div
      class="plot"
      ref={root}
      role="img"
      aria-label={`Loss against step, ${here ? `${steps.value.length - 1} steps, now at step ${here.step}` : "no steps yet"}${told}`}
      onClick={pick}
    />
  );
}
