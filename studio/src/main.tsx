import { render } from "preact";
import { App } from "./page/app";
import "./page/dropping";
import "./page/keys";
import "./page/page.css";
import { restore } from "./page/sharing";
import { refresh } from "./page/state";

void restore().then(() => refresh(false));
render(<App />, document.getElementById("studio")!);
