import { effect } from "@preact/signals";
import { render } from "preact";
import { App } from "./page/app";
import "./page/dropping";
import "./page/keys";
import "./page/page.css";
import { connection } from "./page/server";
import { restore } from "./page/sharing";
import { engine, view } from "./page/state";
import { refresh } from "./page/working_out";
import { RemoteEngine } from "./remote/engine";

if (connection) {
  engine.value = new RemoteEngine(connection, engine.value);
  // A server that was given a table or a fit is opened for its sake.
  const stop = effect(() => {
    const hello = connection!.hello.value;
    if (hello === null) return;
    if ((hello.table !== null || hello.given !== null) && window.location.hash.length <= 1) view.value = "table";
    queueMicrotask(() => stop());
  });
}
function start(): void {
  const place = document.getElementById("studio")!;
  // The head that the file itself holds was only for the first moment.
  place.replaceChildren();
  render(<App />, place);
  void restore().then(() => refresh(false));
}

// The head is painted before anything is worked out; a page that nobody sees is given no frame, and need not wait for one.
if (document.visibilityState === "visible") requestAnimationFrame(() => setTimeout(start));
else start();
