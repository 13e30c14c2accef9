// All that the tests reach of the engine.
export * from "../src/engine/catalogue.ts";
export * from "../src/engine/grammar.ts";
export * from "../src/engine/local.ts";
export * from "../src/engine/numbers.ts";
export * from "../src/engine/pcg64.ts";
export * from "../src/engine/rows.ts";
export * from "../src/engine/typed.ts";
export * from "../src/engine/types.ts";
