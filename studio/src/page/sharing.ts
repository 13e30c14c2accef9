// The link that holds everything, and what the browser remembers of the last visit.
import { batch, signal } from "@preact/signals";
import { fromFragment, toFragment, type Shared } from "../engine/link";
import { line } from "../engine/presets";
import { EngineError, type Problem } from "../engine/types";
import { loadPoints } from "./editing";
import { onSave } from "./saving";
import { at, compared, locks, points, settings, source, steps, task } from "./state";
import { connection } from "./server";
import { stored } from "./stored";

export const linkProblem = signal<Problem | null>(null);

export function shared(locked: readonly string[], asked: string): Shared {
  const made = source.value;
  // A loss of a file belongs to the machine it is on: a link says the one it stands for on any.
  const { loss } = settings.value;
  return {
    points: points.value,
    ...(made ? { source: made } : {}),
    settings: loss.kind === "file" ? { ...settings.value, loss: { kind: "catalogue", name: "squared" } } : settings.value,
    compare: compared.value.filter((one) => one.kind !== "file"),
    locked,
    steps: Math.min(at.value, steps.value.length),
    task: asked,
  };
}

/** A link to this page. The address of a page that a server has sent holds the key to that server: then the part from "#" on, alone. */
export async function linkTo(locked: readonly string[], asked: string): Promise<string> {
  const address = connection ? "" : window.location.href.replace(/[#?].*$/, "");
  return `${address}#${await toFragment(shared(locked, asked))}`;
}

function apply(found: Shared): void {
  batch(() => {
    loadPoints(found.points, found.settings, found.source);
    if (found.compare.length > 0) compared.value = found.compare.slice(0, 4);
    locks.value = new Set(found.locked);
    task.value = found.task;
    at.value = found.steps;
  });
}

async function open(fragment: string, ours: boolean): Promise<void> {
  try {
    apply(await fromFragment(fragment, line));
    linkProblem.value = null;
  } catch (error) {
    // What the browser remembered is no matter; a link that somebody gave is.
    if (!ours) linkProblem.value = error instanceof EngineError ? error.problem : { path: "link", message: String(error) };
  }
}

/** What the address holds or, without anything there, what the last visit left. */
export async function restore(): Promise<void> {
  onSave(() => void toFragment(shared([...locks.value], task.value)).then((fragment) => stored.write("last", fragment)));
  window.addEventListener("hashchange", () => {
    if (window.location.hash.length > 1) void open(window.location.hash, false);
  });
  if (window.location.hash.length > 1) {
    await open(window.location.hash, false);
    return;
  }
  const last = stored.read("last");
  if (last !== null) await open(last, true);
}
