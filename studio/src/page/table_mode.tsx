// The table's view, where a server has sent the page.
import { TableView } from "../table";
import { connection } from "./server";

export function TableMode() {
  return connection ? <TableView connection={connection} /> : null;
}
