import { render } from "preact";
import { App } from "./page/app";
import "./page/dropping";
import "./page/keys";
import "./page/page.css";
import { connection } from "./page/server";
import { restore } from "./page/sharing";
import { engine, refresh } from "./page/state";
import { RemoteEngine } from "./remote/engine";

if (connection) engine.value = new RemoteEngine(connection, engine.value);
void restore().then(() => refresh(false));
render(<App />, document.getElementById("studio")!);
