import { effect } from "@preact/signals";
import { render } from "preact";
import { App } from "./page/app";
import "./page/dropping";
import "./page/keys";
import "./page/page.css";
import { connection } from "./page/server";
import { restore } from "./page/sharing";
import { engine, refresh, view } from "./page/state";
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
void restore().then(() => refresh(false));
render(<App />, document.getElementById("studio")!);
