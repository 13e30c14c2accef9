// Single keys, wherever one is on the page but where one writes. They can be switched off, for those whose speech types them.
import { effect, signal } from "@preact/signals";
import { dialog } from "./dialogs";
import { closeLesson, openLesson } from "./lesson";
import { lesson, pane, view, type View } from "./state";
import { back, jumpToOptimum, reset, step } from "./walking";
import { stored } from "./stored";
import { togglePlay } from "./time";
import { toggleTheme } from "./theme";
import { hasServer } from "./server";

export const singleKeys = signal(stored.read("keys") !== "off");
effect(() => stored.write("keys", singleKeys.value ? "on" : "off"));

const VIEWS: readonly View[] = ["watch", "compare", "take", "table"];

function writing(target: EventTarget | null): boolean {
  const element = target as HTMLElement | null;
  if (!element?.closest) return false;
  return element.closest("textarea, select, [contenteditable], dialog, input:not([type=range]):not([type=checkbox])") !== null;
}

function focus(selector: string): void {
  requestAnimationFrame(() => document.querySelector<HTMLElement>(selector)?.focus());
}

const ACTIONS: Readonly<Record<string, () => void>> = {
  p: togglePlay,
  n: () => step(1),
  m: () => step(10),
  b: () => back(1),
  r: reset,
  o: jumpToOptimum,
  g: () => {
    if (view.value !== "compare") view.value = "watch";
    pane.value = "points";
    focus("#point, #plane");
  },
  s: () => {
    view.value = "watch";
    pane.value = "surface";
    focus(".pane-surface .handle");
  },
  l: () => (lesson.value === 0 ? openLesson() : closeLesson()),
  d: toggleTheme,
  "?": () => (dialog.value = "keys"),
};

document.addEventListener("keydown", (event) => {
  if (!singleKeys.value || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || writing(event.target)) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const chosen = VIEWS[Number(key) - 1];
  if (chosen && (chosen !== "table" || hasServer())) view.value = chosen;
  else if (ACTIONS[key]) ACTIONS[key]!();
  else return;
  event.preventDefault();
});
