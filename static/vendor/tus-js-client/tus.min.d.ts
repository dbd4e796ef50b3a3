// What the vendored bundle puts on the page; its types are those of the package that it comes from.
import type * as client from "tus-js-client";

declare global {
  var tus: typeof client;
}
