// A canvas that is sharp on every screen, follows the size of its box, and is drawn anew when a signal that the drawing reads has changed.
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
  readonly draw: Draw;
  readonly size?: Signal<Size>;
  readonly label: string;
  readonly class?: string;
  readonly children?: ComponentChildren;
  readonly on?: HTMLAttributes<HTMLDivElement>;
}

export function Canvas({ draw, size, label, class: name = "", children, on }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
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
    const stop = effect(() => {
      const { width, height } = measured.value;
      ink.value; // colours change with the theme
      if (width < 2 || height < 2) return;
      const ratio = window.devicePixelRatio || 1;
      const target = canvas.current!;
      const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
      if (target.width !== across || target.height !== down) {
        target.width = across;
        target.height = down;
      }
      const pen = target.getContext("2d")!;
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
      pen.clearRect(0, 0, width, height);
      draw(pen, { width, height });
    });
    return () => {
      stop();
      observer.disconnect();
    };
  }, [draw]);
  return (
    <div class={`canvas ${name}`} ref={box} {...on}>
      <canvas ref={canvas} role="img" aria-label={label} />
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
