// Light and dark, and the colours that canvases need to know.
import { computed, effect, signal } from "@preact/signals";
import { stored } from "./stored";

export type Theme = "auto" | "light" | "dark";
export const theme = signal<Theme>((stored.read("theme") as Theme | null) ?? "auto");
const system = window.matchMedia("(prefers-color-scheme: dark)");
const systemDark = signal(system.matches);
system.addEventListener("change", (event) => {
  systemDark.value = event.matches;
});

export const dark = computed(() => (theme.value === "auto" ? systemDark.value : theme.value === "dark"));

effect(() => {
  document.documentElement.dataset["theme"] = dark.value ? "dark" : "light";
  if (theme.value !== "auto") stored.write("theme", theme.value);
});

export function toggleTheme(): void {
  theme.value = dark.value ? "light" : "dark";
}

export interface Ink {
  readonly ink: string;
  readonly quiet: string;
  readonly line: string;
  readonly panel: string;
  readonly accent: string;
  readonly soft: string;
  readonly data: string;
  readonly low: string;
  readonly high: string;
  readonly series: readonly [string, string, string, string];
}

/** The custom properties of page.css, as canvases take them. */
export const ink = computed<Ink>(() => {
  dark.value;
  document.documentElement.dataset["theme"] = dark.value ? "dark" : "light";
  const style = getComputedStyle(document.documentElement);
  const read = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    ink: read("ink"),
    quiet: read("quiet"),
    line: read("line"),
    panel: read("panel"),
    accent: read("accent"),
    soft: read("soft"),
    data: read("data"),
    low: read("low"),
    high: read("high"),
    series: [read("series-1"), read("series-2"), read("series-3"), read("series-4")],
  };
});

/** Whether movement is to be left out. */
export const still = signal(window.matchMedia("(prefers-reduced-motion: reduce)").matches);
window.matchMedia("(prefers-reduced-motion: reduce)").addEventListener("change", (event) => {
  still.value = event.matches;
});
