// A link that holds everything: points, settings, what is locked. The fragment of an address never leaves the browser. It reads
// `v1.` and compressed JSON, or `t1.` and plain JSON where a browser has no CompressionStream. What is read is checked field by field: a
// link comes from anywhere.

import { CATALOGUE } from "./catalogue.ts";
import { MOST_ROWS } from "./rows.ts";
import type { Source } from "./takeaway.ts";
import { EngineError, type LossSpec, type Points, type Settings } from "./types.ts";

export interface Shared {
  readonly points: Points;
  readonly source?: Source; // the points as a call makes them
  readonly settings: Settings;
  readonly compare: readonly LossSpec[];
  readonly locked: readonly string[]; // controls that stand still, for an assignment
  readonly steps: number; // taken when the link was made
  readonly task: string; // what a teacher asks, plain text
}

const LONGEST_LINK = 4_000_000;
const LARGEST_TEXT = 20_000_000;
const LONGEST_NAME = 200;

/** The fragment, without '#'. */
export async function toFragment(shared: Shared): Promise<string> {
  const { points, source } = shared;
  const held = source === undefined ? { ...points } : null;
  const json = JSON.stringify({ ...shared, points: held });
  const bytes = new TextEncoder().encode(json);
  if (typeof CompressionStream === "undefined") return `t1.${toBase64(bytes)}`;
  return `v1.${toBase64(await through(bytes, new CompressionStream("deflate"), Infinity))}`;
}

/** What a fragment holds. `made` makes points of a source. Raises EngineError where it is damaged, of a later version, or not ours. */
export async function fromFragment(fragment: string, made: (source: Source) => Points): Promise<Shared> {
  const text = fragment.replace(/^#/, "");
  if (text.length > LONGEST_LINK) refuse("it is too long");
  const [, kind, version, body] = /^([vt])(\d+)\.([A-Za-z0-9_-]*)$/.exec(text) ?? refuse("it has another form, or a character was lost");
  if (version !== "1") refuse(`it was made by a later studio (version ${version}); update this one`);
  const bytes = fromBase64(body!);
  let json: unknown;
  try {
    const plain = kind === "t" ? bytes : await through(bytes, new DecompressionStream("deflate"), LARGEST_TEXT);
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(plain));
  } catch (error) {
    if (error instanceof EngineError) throw error;
    refuse("it is cut short or damaged");
  }
  return checked(json, made);
}

function refuse(why: string): never {
  throw new EngineError({ path: "link", message: `this link cannot be opened: ${why}` });
}

async function through(bytes: Uint8Array, stream: CompressionStream | DecompressionStream, most: number): Promise<Uint8Array> {
  const writer = stream.writable.getWriter();
  // A stream that is read to its end reports a failure of the writing too.
  const writing = Promise.all([writer.write(bytes as Uint8Array<ArrayBuffer>), writer.close()]).catch(() => undefined);
  const reader = stream.readable.getReader();
  const parts: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > most) {
      await reader.cancel();
      refuse("it unfolds to more than a page can hold");
    }
    parts.push(value);
  }
  await writing;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

function toBase64(bytes: Uint8Array): string {
  const found: string[] = [];
  for (let i = 0; i < bytes.length; i += 3) {
    const left = bytes.length - i;
    const word = (bytes[i]! << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    found.push(DIGITS[word >> 18]! + DIGITS[(word >> 12) & 63]! + (left > 1 ? DIGITS[(word >> 6) & 63]! : "") + (left > 2 ? DIGITS[word & 63]! : ""));
  }
  return found.join("");
}

function fromBase64(text: string): Uint8Array {
  if (text.length % 4 === 1) refuse("it is cut short or damaged");
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let [word, bits, at] = [0, 0, 0];
  for (const digit of text) {
    word = ((word << 6) | DIGITS.indexOf(digit)) & 0xffffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = (word >> bits) & 255;
    }
  }
  return bytes;
}

type Fields = Readonly<Record<string, unknown>>;

function fields(value: unknown, what: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return refuse(`${what} is missing`);
  return value as Fields;
}

function finite(value: unknown, what: string): number {
  return typeof value === "number" && Number.isFinite(value) ? value : refuse(`${what} is no number`);
}

function whole(value: unknown, what: string, low: number, high: number): number {
  const found = finite(value, what);
  return Number.isInteger(found) && found >= low && found <= high ? found : refuse(`${what} is ${found}`);
}

function words(value: unknown, what: string, longest: number): string {
  return typeof value === "string" && value.length <= longest ? value : refuse(`${what} is no text, or too long`);
}

function items<T>(value: unknown, what: string, most: number, read: (one: unknown, i: number) => T): T[] {
  return Array.isArray(value) && value.length <= most ? value.map(read) : refuse(`${what} is no list, or too long`);
}

function checked(json: unknown, made: (source: Source) => Points): Shared {
  const top = fields(json, "its content");
  const source = top["source"] === undefined ? undefined : sourceOf(top["source"]);
  const points = source === undefined ? pointsOf(top["points"]) : made(source);
  return {
    points,
    ...(source === undefined ? {} : { source }),
    settings: settingsOf(top["settings"], points.inputs.length),
    compare: items(top["compare"] ?? [], "the list of losses", 8, lossSpecOf),
    locked: items(top["locked"] ?? [], "the list of locked controls", 100, (one) => words(one, "a control", 60)),
    steps: whole(top["steps"] ?? 0, "the number of steps", 0, 1_000_000),
    task: words(top["task"] ?? "", "the task", 4000),
  };
}

function sourceOf(value: unknown): Source {
  const found = fields(value, "the source of the points");
  if (found["kind"] !== "line") return refuse("its points are of a kind not known here");
  const noise = finite(found["noise"], "the noise");
  return {
    kind: "line",
    count: whole(found["count"], "the number of points", 1, MOST_ROWS),
    slope: finite(found["slope"], "the slope"),
    intercept: finite(found["intercept"], "the intercept"),
    noise: noise >= 0 ? noise : refuse("the noise is below 0"),
    seed: whole(found["seed"], "the seed", 0, Number.MAX_SAFE_INTEGER),
  };
}

function pointsOf(value: unknown): Points {
  const found = fields(value, "its data");
  const inputs = items(found["inputs"], "the list of inputs", 2, (one) => words(one, "a name", LONGEST_NAME));
  if (inputs.length < 1) refuse("it has no input");
  const y = items(found["y"], "the target", MOST_ROWS, (one, i) => finite(one, `row ${i + 1} of the target`));
  const x = items(found["x"], "the inputs", MOST_ROWS, (row, i) => items(row, `row ${i + 1}`, inputs.length, (one) => finite(one, `row ${i + 1}`)));
  if (x.length !== y.length || x.some((row) => row.length !== inputs.length)) refuse("its rows are of different lengths");
  const points = { inputs, target: words(found["target"], "the target's name", LONGEST_NAME), x, y };
  if (found["weights"] === undefined) return points;
  const weights = items(found["weights"], "the weights", MOST_ROWS, (one, i) => finite(one, `weight ${i + 1}`));
  if (weights.length !== y.length || weights.some((weight) => weight < 0)) refuse("its weights do not fit its rows");
  return { ...points, weights };
}

function lossSpecOf(value: unknown): LossSpec {
  const found = fields(value, "a loss");
  if (found["kind"] === "typed") return { kind: "typed", text: words(found["text"], "the loss", 2000) };
  // A file's loss is named on a command line and never by a page, let alone by a link.
  if (found["kind"] !== "catalogue") return refuse("its loss is of a kind that no link may hold");
  const name = words(found["name"], "the loss", 60);
  if (!CATALOGUE.includes(name)) refuse(`no loss is called '${name}' here`);
  return found["option"] === undefined ? { kind: "catalogue", name } : { kind: "catalogue", name, option: finite(found["option"], "the loss's option") };
}

function settingsOf(value: unknown, inputs: number): Settings {
  const found = fields(value, "its settings");
  const momentum = finite(found["momentum"], "the momentum");
  if (!(momentum >= 0 && momentum < 1)) refuse(`the momentum is ${momentum}`);
  const rate = found["rate"] === "auto" ? "auto" : finite(found["rate"], "the rate");
  if (rate !== "auto" && !(rate > 0)) refuse(`the rate is ${rate}`);
  const start = items(found["start"], "the start", 3, (one) => finite(one, "the start"));
  if (start.length !== inputs + 1) refuse("its start does not fit its inputs");
  return {
    loss: lossSpecOf(found["loss"]),
    method: found["method"] === "newton" ? "newton" : "descent",
    rate,
    momentum,
    nesterov: found["nesterov"] === true,
    batch: found["batch"] === null || found["batch"] === undefined ? null : whole(found["batch"], "the batch", 1, MOST_ROWS),
    seed: whole(found["seed"], "the seed", 0, Number.MAX_SAFE_INTEGER),
    start,
    standardised: found["standardised"] === true,
  };
}
