import { render } from "preact";
import { App } from "./page/app";
import "./page/keys";
import "./page/page.css";
import { refresh } from "./page/state";

void refresh(false);
render(<App />, document.getElementById("studio")!);
