// What one takes home: Python that gives the numbers on the screen, a command, a model file, and a link.
import { signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { command, csvOf, lossFile, modelOf, pythonScript, type Shown } from "../engine/takeaway";
import { EngineError } from "../engine/types";
import { plural, sentence } from "./format";
import { connection } from "./server";
import { linkTo } from "./sharing";
import { at, optimum, points, say, settings, source, task, toOptimum } from "./state";
import { walkShown } from "./walking";

declare const GRADLINE_VERSION: string;
const MOST_INLINE = 120; // rows; more go into a file beside the script
const TABLE = "points.csv";

const LOCKS: readonly (readonly [string, string])[] = [
  ["points", "points"],
  ["loss", "loss"],
  ["method", "method"],
  ["rate", "learning rate"],
  ["momentum", "momentum"],
  ["batch", "rows a step"],
  ["standardised", "standardising"],
  ["start", "start"],
  ["compare", "losses compared"],
];
const locking = signal<ReadonlySet<string>>(new Set());
const asking = signal("");

export function save(name: string, content: string, type: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  say(`${name} was saved.`);
}

function attempt(work: () => string): { readonly text: string } | { readonly problem: string } {
  try {
    return { text: work() };
  } catch (error) {
    if (error instanceof EngineError) return { problem: sentence(error.message) };
    throw error;
  }
}

function Copy({ of, what }: { readonly of: string; readonly what: string }) {
  const done = useSignal(false);
  return (
    <button
      type="button"
      class="button"
      onClick={() => {
        void navigator.clipboard.writeText(of).then(
          () => {
            done.value = true;
            say(`${what} copied.`);
            window.setTimeout(() => (done.value = false), 1500);
          },
          () => say("The browser does not allow it: select the text and copy it."),
        );
      }}
    >
      {done.value ? "Copied" : "Copy"}
    </button>
  );
}

export function Take() {
  const shown: Shown = { points: points.value, ...(source.value ? { source: source.value } : {}), settings: settings.value, walk: walkShown(), optimum: optimum.value };
  const many = source.value === undefined && points.value.y.length > MOST_INLINE;
  const script = attempt(() => pythonScript(shown, many ? TABLE : undefined));
  const run = attempt(() => {
    const { text, note } = command(shown, TABLE);
    return `# ${note}\n${text}`;
  });
  const model = attempt(() => modelOf(shown, GRADLINE_VERSION));
  const own = attempt(() => lossFile(settings.value.loss) ?? "");
  const where = toOptimum.value ? "the optimum" : at.value === 0 ? "the start" : plural(at.value, "step");
  return (
    <div class="take">
      <section class="card" aria-labelledby="take-python">
        <header>
          <h2 id="take-python">Python</h2>
          {"text" in script && (
            <div class="row">
              <Copy of={script.text} what="The script" />
              <button type="button" class="button" onClick={() => save("studio.py", script.text, "text/x-python")}>
                Save
              </button>
            </div>
          )}
        </header>
        <p class="small quiet">Prints the numbers on the screen ({where}), from the same points.{many && ` It reads ${TABLE}, which is below.`}</p>
        <Code of={script} id="python" label="The script, as text" />
      </section>
      <div class="stack">
        <section class="card" aria-labelledby="take-command">
          <header>
            <h2 id="take-command">Command</h2>
            {"text" in run && <Copy of={run.text.replace(/^#.*\n/, "")} what="The command" />}
          </header>
          <Code of={run} id="command" label="The command, as text" />
          <div class="row">
            <button type="button" class="button" id="save-table" onClick={() => save(TABLE, csvOf(points.value), "text/csv")}>
              Save {TABLE}
            </button>
            {"text" in own && own.text !== "" && (
              <button type="button" class="button" onClick={() => save("my_loss.py", own.text, "text/x-python")}>
                Save my_loss.py
              </button>
            )}
          </div>
        </section>
        <section class="card" aria-labelledby="take-model">
          <header>
            <h2 id="take-model">Model and report</h2>
          </header>
          <p class="small quiet">The coefficients of {where} with their certificate, without the points. gradline predicts with it, and reports on it:</p>
          <pre tabIndex={0} role="region" aria-label="Commands for the model">{`gradline predict model.json ${TABLE}\ngradline report model.json ${TABLE} --out report.html`}</pre>
          {"problem" in model ? (
            <p class="says bad">{model.problem}</p>
          ) : (
            <div>
              <button type="button" class="button" id="save-model" onClick={() => save("model.json", model.text, "application/json")}>
                Save model.json
              </button>
            </div>
          )}
        </section>
        <Link />
      </div>
    </div>
  );
}

function Code({ of, id, label }: { readonly of: { readonly text: string } | { readonly problem: string }; readonly id: string; readonly label: string }) {
  if ("problem" in of) return <p class="says bad">{of.problem}</p>;
  return (
    <pre id={id} tabIndex={0} role="region" aria-label={label}>
      {of.text}
    </pre>
  );
}

function Link() {
  const link = useSignal("");
  const wanted = [...locking.value];
  useEffect(() => {
    void linkTo(wanted, asking.value || task.value).then((made) => (link.value = made));
  }, [wanted.join(), asking.value, points.value, settings.value, at.value]);
  return (
    <section class="card" aria-labelledby="take-link">
      <header>
        <h2 id="take-link">Link</h2>
        <Copy of={link.value} what="The link" />
      </header>
      <p class="small quiet">Holds the points, the settings and the step. What it holds stays in the address and is sent to nobody’s server.</p>
      {connection && (
        <p class="small quiet" id="link-part">
          The address of this page holds your key to this server, so that it is left out. Put what is below behind the address of any studio.
        </p>
      )}
      <input type="text" readonly id="link" aria-label="Link" value={link.value} onFocus={(event) => event.currentTarget.select()} />
      <fieldset class="plain">
        <legend class="label">For an assignment, what stands still:</legend>
        <div class="locks">
          {LOCKS.map(([name, title]) => (
            <label class="check">
              <input
                type="checkbox"
                checked={locking.value.has(name)}
                onChange={(event) => {
                  const next = new Set(locking.value);
                  if (event.currentTarget.checked) next.add(name);
                  else next.delete(name);
                  locking.value = next;
                }}
              />
              {title}
            </label>
          ))}
        </div>
      </fieldset>
      <div class="field">
        <label for="asking">and what you ask of the reader</label>
        <textarea id="asking" rows={2} style={{ fontFamily: "inherit" }} value={asking.value} onInput={(event) => (asking.value = event.currentTarget.value)} />
      </div>
    </section>
  );
}
