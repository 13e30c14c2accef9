// What opens above the page: your own data, the keys, and what this is.
import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { OwnData } from "./own_data";
import { singleKeys } from "./keys";

export const dialog = signal<"csv" | "keys" | "about" | null>(null);

function Dialog({ title, children }: { readonly title: string; readonly children: ComponentChildren }) {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const back = document.activeElement as HTMLElement | null;
    box.current!.showModal();
    return () => back?.focus();
  }, []);
  return (
    <dialog
      ref={box}
      aria-labelledby="dialog-title"
      onClose={() => (dialog.value = null)}
      onClick={(event) => {
        if (event.target === box.current) dialog.value = null;
      }}
    >
      <div class="body">
        <header>
          <h2 id="dialog-title">{title}</h2>
          <button type="button" class="button plain" onClick={() => (dialog.value = null)}>
            Close
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}

const KEYS: readonly (readonly [string, string])[] = [
  ["P", "play or pause"],
  ["N", "one step"],
  ["M", "ten steps"],
  ["B", "one step back"],
  ["R", "back to the start"],
  ["O", "to the optimum"],
  ["G", "to the points: arrows move one, Shift moves further, Page Up and Page Down choose another, Enter adds one, Delete removes it; in 3-D, arrows turn the plane and Home turns it back"],
  ["S", "to the start in the loss surface: arrows move it"],
  ["L", "the lesson"],
  ["1 – 4", "the views"],
  ["D", "light or dark"],
  ["?", "this list"],
];

export function Dialogs() {
  if (dialog.value === "csv") {
    return (
      <Dialog title="Your own points">
        <OwnData close={() => (dialog.value = null)} />
      </Dialog>
    );
  }
  if (dialog.value === "keys") {
    return (
      <Dialog title="Keys">
        <dl class="keys">
          {KEYS.map(([key, what]) => (
            <>
              <dt>
                <kbd>{key}</kbd>
              </dt>
              <dd>{what}</dd>
            </>
          ))}
        </dl>
        <label class="check">
          <input type="checkbox" checked={singleKeys.value} onChange={(event) => (singleKeys.value = event.currentTarget.checked)} />
          single keys work
        </label>
      </Dialog>
    );
  }
  if (dialog.value === "about") {
    return (
      <Dialog title="About">
        <p>
          The studio belongs to gradline, a Python library for linear models whose loss you write as a plain function. What it shows is calculated in this
          page, in double precision, and agrees with gradline; nothing leaves your machine.
        </p>
        <p>
          It stands on the shoulders of TensorFlow Playground, Distill and MLU-Explain. Built with Preact (MIT), uPlot (MIT) and d3-contour (ISC). MIT
          licence.
        </p>
      </Dialog>
    );
  }
  return null;
}
