// One WebSocket to a `gradline studio` server: questions with answers, and a connection that comes back by itself.

import { signal, type ReadonlySignal } from "@preact/signals";
import { EngineError, type Problem } from "../engine/types";
import { PROTOCOL, type Ask, type FromServer, type Hello, type Progress, type Questions } from "./protocol";

export type State =
  | { readonly kind: "connecting" }
  | { readonly kind: "open" }
  | { readonly kind: "lost"; readonly again: number } // `again`: when it is tried next, as Date.now() counts
  | { readonly kind: "refused"; readonly message: string };

/** A question was overtaken by a newer one of its lane. Whoever asked need not say so to anybody. */
export class Cancelled extends Error {
  constructor() {
    super("a newer question has taken this one's place");
  }
}

interface Pending {
  readonly ask: Ask;
  readonly lane: string | null;
  readonly what: unknown;
  readonly answer: (value: never) => void;
  readonly fail: (error: Error) => void;
  readonly progress: ((at: Progress) => void) | undefined;
}

const FIRST_WAIT = 500;
const LONGEST_WAIT = 15_000;

/** The socket's address, or null for a page that no server has served: one in the docs, or a file. */
export function socketAddress(page: Document, at: Location): string | null {
  if (page.querySelector('meta[name="gradline-server"]') === null) return null;
  return new URL("socket", at.href).href.replace(/^http/, "ws").replace(/[?#].*$/, "");
}

export class Connection {
  private readonly current = signal<State>({ kind: "connecting" });
  private readonly greeting = signal<Hello | null>(null);
  private readonly pending = new Map<number, Pending>();
  private socket: WebSocket | null = null;
  private last = 0;
  private failures = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly address: string) {
    this.open();
    document.addEventListener("visibilitychange", this.look);
    window.addEventListener("online", this.look);
  }

  /** For the banner. */
  get state(): ReadonlySignal<State> {
    return this.current;
  }

  /** What the server has: null until it has said so once. */
  get hello(): ReadonlySignal<Hello | null> {
    return this.greeting;
  }

  /** Ask; a new question of a lane takes the place of the older ones. Fails with EngineError, or with Cancelled. */
  ask<Name extends Ask>(
    ask: Name,
    what: Questions[Name]["with"],
    options: { readonly lane?: string; readonly progress?: (at: Progress) => void } = {},
  ): Promise<Questions[Name]["answer"]> {
    const lane = options.lane ?? null;
    if (lane !== null) this.forget(lane);
    return new Promise((answer, fail) => {
      const id = ++this.last;
      this.pending.set(id, { ask, lane, what, answer, fail, progress: options.progress });
      this.send(id);
    });
  }

  /** Give up the questions of a lane. */
  cancel(lane: string): void {
    for (const id of this.forget(lane)) this.transmit({ cancel: id });
  }

  /** Try at once, in place of waiting. */
  retry(): void {
    if (this.current.value.kind === "open") return;
    this.failures = 0;
    this.open();
  }

  close(): void {
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.look);
    window.removeEventListener("online", this.look);
    this.socket?.close();
    this.socket = null;
  }

  private readonly look = (): void => {
    if (this.current.value.kind === "lost" && !document.hidden) this.retry();
  };

  private forget(lane: string): number[] {
    const old = [...this.pending].filter(([, question]) => question.lane === lane);
    for (const [id, question] of old) {
      this.pending.delete(id);
      question.fail(new Cancelled());
    }
    return old.map(([id]) => id);
  }

  private open(): void {
    clearTimeout(this.timer);
    if (typeof WebSocket === "undefined") {
      this.current.value = { kind: "refused", message: "This browser has no WebSocket, by which the page speaks with gradline: use a newer one." };
      return;
    }
    this.socket?.close();
    if (this.current.value.kind !== "lost") this.current.value = { kind: "connecting" };
    let socket: WebSocket;
    try {
      socket = new WebSocket(this.address);
    } catch (error) {
      this.current.value = { kind: "refused", message: `The browser refuses the connection: ${error instanceof Error ? error.message : String(error)}` };
      return;
    }
    this.socket = socket;
    socket.onmessage = (event: MessageEvent<string>) => {
      if (this.socket === socket) this.receive(JSON.parse(event.data) as FromServer);
    };
    socket.onclose = () => {
      if (this.socket === socket) this.lost();
    };
  }

  private lost(): void {
    this.socket = null;
    const wait = Math.min(FIRST_WAIT * 2 ** this.failures, LONGEST_WAIT);
    this.failures += 1;
    this.current.value = { kind: "lost", again: Date.now() + wait };
    // A socket does not tell a refusal from a server that is gone; the page's own address does.
    void this.refused().then((refused) => {
      if (this.current.value.kind !== "lost") return;
      if (refused) {
        this.current.value = {
          kind: "refused",
          message: "The server does not know this page: it was started by somebody else, or anew. Open the address that gradline studio has printed.",
        };
        return;
      }
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.open(), Math.max(0, wait));
    });
  }

  private async refused(): Promise<boolean> {
    try {
      const page = this.address.replace(/^ws/, "http").replace(/socket$/, "");
      return (await fetch(page, { method: "HEAD", cache: "no-store" })).status === 403;
    } catch {
      return false;
    }
  }

  private receive(message: FromServer): void {
    if ("hello" in message) {
      if (message.hello.protocol !== PROTOCOL) {
        this.current.value = { kind: "refused", message: "This page is of another version of gradline than the server: load it again." };
        this.socket = null;
        return;
      }
      this.failures = 0;
      this.greeting.value = message.hello;
      this.current.value = { kind: "open" };
      // A server that was started anew knows nothing of what was asked; one that was only out of reach answers twice, and once is kept.
      for (const id of [...this.pending.keys()]) this.send(id);
      return;
    }
    const question = this.pending.get(message.id);
    if (question === undefined) return;
    if ("progress" in message) {
      question.progress?.(message.progress);
      return;
    }
    this.pending.delete(message.id);
    if ("answer" in message) question.answer(message.answer as never);
    else if ("problem" in message) question.fail(new EngineError(message.problem as Problem));
    else question.fail(new Cancelled());
  }

  private send(id: number): void {
    const question = this.pending.get(id);
    if (question === undefined) return;
    this.transmit({ id, ask: question.ask, with: question.what, ...(question.lane === null ? {} : { lane: question.lane }) });
  }

  private transmit(message: unknown): void {
    if (this.current.value.kind === "open" && this.socket?.readyState === 1) this.socket.send(JSON.stringify(message));
  }
}
