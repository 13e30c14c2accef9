// The server that has sent this page, if any: `gradline studio`. A page from a file, or in the docs, has none and looks for none.
import { Connection, socketAddress } from "../remote/connection";

const address = socketAddress(document, window.location);
export const connection: Connection | null = address === null ? null : new Connection(address);

export function hasServer(): boolean {
  return connection !== null;
}
