// All that the tests reach of the engine.
export * from "../src/engine/catalogue.ts";
export * from "../src/engine/grammar.ts";
export * from "../src/engine/local.ts";
export * from "../src/engine/numbers.ts";
export * from "../src/engine/pcg64.ts";
export * from "../src/engine/rows.ts";
export * from "../src/engine/typed.ts";
export * from "../src/engine/types.ts";

import { LocalEngine } from "../src/engine/local.ts";

/** What the page offers. */
export const offered = () => new LocalEngine().losses();
export * from "../src/engine/csv.ts";
export * from "../src/engine/link.ts";
export * from "../src/engine/model_file.ts";
export * from "../src/engine/presets.ts";
export * from "../src/engine/python.ts";
export * from "../src/engine/sha256.ts";
export * from "../src/engine/takeaway.ts";
