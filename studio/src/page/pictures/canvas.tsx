// A picture of canvases on top of each other, sharp on every screen, as large as their box. Each is drawn anew only when a signal that its own
// drawing reads has changed: what stands still is not painted again because something else moves.
import { effect, signal, type Signal } from "@preact/signals";
import type { ComponentChildren, HTMLAttributes } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { ink } from "../theme";

export interface Size {
  readonly width: number;
  readonly height: number;
}

export type Draw = (pen: CanvasRenderingContext2D, size: Size) => void;

interface Props {
  /** From the lowest to the topmost. */
  readonly layers: readonly Draw[];
  readonly size?: Signal<Size>;
  readonly label: string;
  readonly class?: string;
  readonly children?: ComponentChildren;
  readonly on?: HTMLAttributes<HTMLDivElement>;
}

/** Pixels of a canvas for each of the page's; beyond two an eye sees no gain and a telephone feels the cost. */
export function sharpness(): number {
  return Math.min(2, window.devicePixelRatio || 1);
}

export function Canvas({ layers, size, label, class: name = "", children, on }: Props) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const measured = size ?? signal<Size>({ width: 0, height: 0 });
    const observer = new ResizeObserver(() => {
      if (!box.current) return;
      const { clientWidth: width, clientHeight: height } = box.current;
      const before = measured.peek();
      if (before.width !== width || before.height !== height) measured.value = { width, height };
    });
    observer.observe(box.current!);
    measured.value = { width: box.current!.clientWidth, height: box.current!.clientHeight };
    const sheets = box.current!.querySelectorAll<HTMLCanvasElement>(":scope > canvas");
    const paint = (draw: Draw, target: HTMLCanvasElement) => () => {
      const { width, height } = measured.value;
      ink.value; // colours change with the theme
      if (width < 2 || height < 2) return;
      const ratio = sharpness();
      const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
      if (target.width !== across || target.height !== down) {
        target.width = across;
        target.height = down;
      }
      const pen = target.getContext("2d")!;
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
      pen.clearRect(0, 0, width, height);
      draw(pen, { width, height });
    };
    const stops = layers.map((draw, k) => effect(paint(draw, sheets[k]!)));
    return () => {
      for (const stop of stops) stop();
      observer.disconnect();
    };
  }, [layers]);
  return (
    <div class={`canvas ${name}`} ref={box} {...on}>
      {layers.map((_, k) => (k === 0 ? <canvas role="img" aria-label={label} /> : <canvas aria-hidden="true" />))}
      {children}
    </div>
  );
}

/** Text with a halo of the paper behind it, so that it reads on top of anything. */
export function halo(pen: CanvasRenderingContext2D, text: string, x: number, y: number, colour: string): void {
  pen.lineJoin = "round";
  pen.lineWidth = 4;
  pen.strokeStyle = ink.value.panel;
  pen.strokeText(text, x, y);
  pen.fillStyle = colour;
  pen.fillText(text, x, y);
}

export const FONT = '12px system-ui, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif';
