// The state of the table's view: the model as it is built, and what the server has answered. Whatever is on the screen stays until its
// successor is there.
import { batch, computed, effect, signal, type ReadonlySignal } from "@preact/signals";
import { EngineError, type Problem } from "../engine/types";
import { Cancelled, type Connection } from "../remote/connection";
import type { Column, ColumnHead, Diagnostics, Factor, Fitted, ModelSpec, PenaltyPath, Predicted, Progress, ResultTable, Taken, Term, Transform } from "../remote/protocol";
import { number, plural } from "../page/format";
import { ofClasses, takesLabels } from "./losses";

export type Tab = "coefficients" | "diagnostics" | "effects" | "curves" | "path" | "predict" | "take";
export type Part = "columns" | "model" | "result";

export const EMPTY: ModelSpec = {
  target: "",
  targetClass: null,
  targetTransform: "none",
  terms: [],
  intercept: true,
  formula: null,
  loss: { kind: "catalogue", name: "squared", options: {} },
  weights: null,
  frequencies: null,
  covariance: "default",
  groups: null,
  penalty: null,
};

const SHOWN = 40; // columns listed at first, and with each "more"
const AUTOMATIC = 300_000; // rows up to which diagnostics follow a fit by themselves
const CLASSES = 8; // classes up to which a text target chooses the multinomial loss by itself
const SOON = 60; // milliseconds

/** An answer with what stands beside it while there is none. */
export interface Asked<T> {
  readonly value: T | null;
  readonly problem: Problem | null;
  readonly busy: boolean;
}

const nothing = { value: null, problem: null, busy: false } as const;

export function createTable(connection: Connection) {
  const table = computed(() => connection.hello.value?.table ?? null);
  const heads = computed<readonly ColumnHead[]>(() => table.value?.columns ?? []);
  const kinds = computed(() => new Map(heads.value.map((head) => [head.name, head.kind])));

  const model = signal<ModelSpec>(EMPTY);
  const search = signal("");
  const shown = signal(SHOWN);
  const listed = computed(() => {
    const wanted = search.value.trim().toLowerCase();
    return wanted === "" ? heads.value : heads.value.filter((head) => head.name.toLowerCase().includes(wanted));
  });
  const columns = signal<ReadonlyMap<string, Column>>(new Map());
  const asking = new Set<string>();

  const fitted = signal<Asked<Fitted>>(nothing);
  const progress = signal<Progress | null>(null);
  const diagnostics = signal<Asked<Diagnostics>>(nothing);
  const effects = signal<Asked<ResultTable>>(nothing);
  const path = signal<Asked<PenaltyPath>>(nothing);
  const predicted = signal<Asked<Predicted>>(nothing);
  const taken = signal<Asked<Taken & { readonly what: string }>>(nothing);
  const tab = signal<Tab>("coefficients");
  const part = signal<Part>("columns");
  const by = signal<string | null>(null);
  const said = signal("");

  const say = (text: string): void => {
    said.value = said.value === text ? `${text}\u00a0` : text;
  };
  const given = computed(() => (table.value === null ? (connection.hello.value?.given ?? null) : null));
  const key = computed(() => fitted.value.value?.key ?? null);

  /** Whether a model has what a fit needs. */
  const complete = computed(() => model.value.formula !== null ? model.value.formula.trim() !== "" : model.value.target !== "");

  const turns = new Map<unknown, number>();

  async function answer<T>(into: { value: Asked<T> }, question: Promise<T>, done?: (value: T) => void): Promise<void> {
    const turn = (turns.get(into) ?? 0) + 1;
    turns.set(into, turn);
    into.value = { ...into.value, busy: true };
    try {
      const value = await question;
      into.value = { value, problem: null, busy: false };
      done?.(value);
    } catch (error) {
      if (error instanceof Cancelled) {
        // Where a newer question is under way, that says when it is done.
        if (turns.get(into) === turn) into.value = { ...into.value, busy: false };
        return;
      }
      const problem = error instanceof EngineError ? error.problem : { path: "", message: error instanceof Error ? error.message : String(error) };
      if (problem.path === "fit" && complete.peek()) {
        refit(); // a server that was started anew
        return;
      }
      into.value = { ...into.value, problem, busy: false };
      say(problem.message);
    }
  }

  let timer: ReturnType<typeof setTimeout> | undefined;

  function refit(): void {
    clearTimeout(timer);
    timer = setTimeout(fit, SOON);
  }

  function fit(): void {
    // What was asked of the model before is of no use any more, and would keep the server from this one.
    for (const lane of ["diagnostics", "effects", "path", "predict"]) connection.cancel(lane);
    if (!complete.peek()) {
      connection.cancel("fit");
      batch(() => {
        fitted.value = nothing;
        diagnostics.value = nothing;
        progress.value = null;
      });
      return;
    }
    progress.value = null;
    const question = connection.ask("fit", { model: model.peek() }, { lane: "fit", progress: (at) => (progress.value = at) });
    void answer(fitted, question, (value) => {
      batch(() => {
        progress.value = null;
        taken.value = nothing;
        predicted.value = nothing;
      });
      say(spoken(value));
      if (value.rowsUsed <= AUTOMATIC || tab.peek() === "diagnostics") askDiagnostics();
      else diagnostics.value = nothing;
      if (tab.peek() === "effects") askEffects();
      else effects.value = nothing;
      if (tab.peek() === "path") askPath();
      else path.value = nothing;
      if (tab.peek() === "curves" && value.curves.length === 0) tab.value = "coefficients";
    });
  }

  function spoken(value: Fitted): string {
    const warnings = value.warnings.length > 0 ? `${plural(value.warnings.length, "warning")}. ` : "";
    const certificate = value.certificate.converged ? "Converged." : "Not converged.";
    return `${warnings}${value.formula}: ${plural(value.rowsUsed, "row")}, ${plural(value.coefficients.length, "coefficient")}. ${certificate}`;
  }

  function askDiagnostics(): void {
    const fit = key.peek();
    if (fit !== null) void answer(diagnostics, connection.ask("diagnostics", { fit }, { lane: "diagnostics" }));
  }

  function askEffects(): void {
    const fit = key.peek();
    if (fit !== null) void answer(effects, connection.ask("effects", { fit, variables: null, by: by.peek() }, { lane: "effects" }));
  }

  function askPath(): void {
    void answer(path, connection.ask("path", { model: model.peek() }, { lane: "path", progress: (at) => (progress.value = at) }), () => (progress.value = null));
  }

  function askPrediction(rows: readonly Readonly<Record<string, string | number | null>>[], interval: "confidence" | "prediction"): void {
    const fit = key.peek();
    if (fit === null) return;
    void answer(predicted, connection.ask("predict", { fit, rows, interval }, { lane: "predict" }), (value) => {
      const first = value.prediction[0];
      say(first === null || first === undefined ? "No prediction: a value is missing." : `Predicted ${number(first, 5)}.`);
    });
  }

  function take(what: "python" | "command" | "model" | "report"): void {
    const fit = key.peek();
    if (fit === null) return;
    taken.value = nothing;
    const question = connection.ask("take", { fit, what }, { lane: "take" }).then((value) => ({ ...value, what }));
    void answer(taken, question, (value) => say(value.text === null ? `${value.name ?? "The file"} is ready.` : "The text is ready."));
  }

  function open(next: Tab): void {
    tab.value = next;
    if (next === "diagnostics" && diagnostics.peek().value === null && !diagnostics.peek().busy) askDiagnostics();
    if (next === "effects") askEffects();
    if (next === "path" && path.peek().value === null && !path.peek().busy) askPath();
  }

  /** Facts of columns that are looked at, some at a time. */
  function describe(names: readonly string[]): void {
    const wanted = names.filter((name) => !columns.peek().has(name) && !asking.has(name)).slice(0, 50);
    if (wanted.length === 0) return;
    for (const name of wanted) asking.add(name);
    connection
      .ask("columns", { names: wanted })
      .then((found) => {
        const next = new Map(columns.peek());
        for (const column of found.columns) next.set(column.name, column);
        columns.value = next;
        settle();
      })
      .catch((error: unknown) => {
        if (error instanceof Error) say(error.message);
      })
      .finally(() => {
        for (const name of wanted) asking.delete(name);
        describe(names);
      });
  }

  // Changes of the model.
  const change = (changes: Partial<ModelSpec>): void => {
    model.value = { ...model.value, ...changes };
    store();
    refit();
  };

  function usual(column: string): Transform {
    const kind = kinds.peek().get(column);
    return kind === "text" || kind === "category" || kind === "boolean" ? "factor" : "none";
  }

  function add(column: string): void {
    const one: Factor = { column, transform: usual(column) };
    change({ terms: [...model.peek().terms, { factors: [one] }] });
    say(`${column} added.`);
  }

  function toggle(column: string): void {
    const terms = model.peek().terms;
    const kept = terms.filter((term) => !term.factors.some((factor) => factor.column === column));
    if (kept.length === terms.length) add(column);
    else {
      change({ terms: kept });
      say(`${column} taken out.`);
    }
  }

  const isText = (column: string): boolean => kinds.peek().get(column) === "text" || kinds.peek().get(column) === "category";
  const hasClasses = (column: string): boolean => isText(column) || kinds.peek().get(column) === "boolean";

  /** The loss when this column becomes the target: classes need one of theirs, and a number after classes needs none of them. */
  function lossFor(column: string): ModelSpec["loss"] {
    const { loss, target } = model.peek();
    if (loss.kind !== "catalogue" || column === "") return loss;
    const named = (name: string): ModelSpec["loss"] => ({ kind: "catalogue", name, options: {} });
    if (!hasClasses(column)) return hasClasses(target) && ofClasses(loss.name) ? named("squared") : loss;
    const distinct = isText(column) ? (columns.peek().get(column)?.distinct ?? 0) : 2;
    if (distinct === 2) return takesLabels(loss.name) ? loss : named("logistic");
    return distinct > 2 && distinct <= CLASSES && loss.name !== "ordinal" ? named("multinomial") : loss;
  }

  // A text target that was clicked before its classes were counted, with the loss that it had then.
  let unsettled: Pick<ModelSpec, "target" | "loss"> | null = null;

  function settle(): void {
    if (unsettled === null || !columns.peek().has(unsettled.target)) return;
    const { target, loss } = unsettled;
    unsettled = null;
    if (model.peek().target === target && model.peek().loss === loss) change({ loss: lossFor(target) });
  }

  function explain(column: string): void {
    const terms = model.peek().terms.filter((term) => !term.factors.some((factor) => factor.column === column));
    const loss = lossFor(column);
    change({ target: column, targetClass: null, terms, loss });
    unsettled = isText(column) && !columns.peek().has(column) ? { target: column, loss } : null;
    if (unsettled !== null) describe([column]);
    if (column !== "") say(`${column} is the target.`);
  }

  function transform(place: number, factor: number, to: Transform, degree?: number): void {
    const replaced = (one: Factor): Factor => (to === "poly" ? { column: one.column, transform: to, degree: degree ?? 2 } : { column: one.column, transform: to });
    const terms = model.peek().terms.map((term, i): Term => (i === place ? { factors: term.factors.map((one, j) => (j === factor ? replaced(one) : one)) } : term));
    change({ terms });
  }

  function remove(place: number): void {
    change({ terms: model.peek().terms.filter((_, i) => i !== place) });
    say("Term taken out.");
  }

  function interact(first: number, second: number): void {
    const terms = model.peek().terms;
    const factors = [...terms[first]!.factors, ...terms[second]!.factors];
    change({ terms: [...terms, { factors }] });
    say("Interaction added.");
  }

  // A page that is loaded again goes on where it was.
  const place = (): string => `gradline-table:${table.peek()?.name ?? ""}`;

  function store(): void {
    try {
      sessionStorage.setItem(place(), JSON.stringify(model.peek()));
    } catch {
      // Without a store a page that is loaded again begins anew.
    }
  }

  function restore(): void {
    try {
      const kept = sessionStorage.getItem(place());
      if (kept === null) return;
      const found = { ...EMPTY, ...(JSON.parse(kept) as ModelSpec) };
      const known = new Set(heads.peek().map((head) => head.name));
      const named = [found.target, ...found.terms.flatMap((term) => term.factors.map((factor) => factor.column))];
      if (named.every((name) => name === "" || known.has(name))) model.value = found;
    } catch {
      // What was kept is of another page.
    }
  }

  // Each time the server greets, it may be another one: the columns and the fit are asked for anew.
  let greeted = false;
  const stop = effect(() => {
    const hello = connection.hello.value;
    if (hello === null) return;
    setTimeout(() => {
      if (!greeted) restore();
      greeted = true;
      if (hello.table !== null) {
        describe(listed.peek().slice(0, shown.peek()).map((head) => head.name));
        if (complete.peek()) fit();
      } else if (hello.given !== null) {
        fitted.value = { value: hello.given, problem: null, busy: false };
      }
    });
  });

  function close(): void {
    stop();
    clearTimeout(timer);
    for (const lane of ["fit", "diagnostics", "effects", "path", "predict", "take"]) connection.cancel(lane);
  }

  return {
    connection,
    table,
    given,
    heads,
    kinds,
    model: model as ReadonlySignal<ModelSpec>,
    search,
    shown,
    listed,
    columns: columns as ReadonlySignal<ReadonlyMap<string, Column>>,
    fitted: fitted as ReadonlySignal<Asked<Fitted>>,
    progress: progress as ReadonlySignal<Progress | null>,
    diagnostics: diagnostics as ReadonlySignal<Asked<Diagnostics>>,
    effects: effects as ReadonlySignal<Asked<ResultTable>>,
    path: path as ReadonlySignal<Asked<PenaltyPath>>,
    predicted: predicted as ReadonlySignal<Asked<Predicted>>,
    taken: taken as ReadonlySignal<Asked<Taken & { readonly what: string }>>,
    tab: tab as ReadonlySignal<Tab>,
    part,
    by,
    said: said as ReadonlySignal<string>,
    complete,
    more: () => {
      shown.value += SHOWN;
      describe(listed.peek().slice(0, shown.peek()).map((head) => head.name));
    },
    look: (text: string) => {
      search.value = text;
      shown.value = SHOWN;
      describe(listed.peek().slice(0, SHOWN).map((head) => head.name));
    },
    change,
    add,
    toggle,
    explain,
    transform,
    remove,
    interact,
    open,
    askEffects,
    askPrediction,
    take,
    describe,
    close,
  };
}

export type TableState = ReturnType<typeof createTable>;
