import { render } from "preact";
import "./page/page.css";

render(<main>gradline studio</main>, document.getElementById("studio")!);
