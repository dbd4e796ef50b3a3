// Swagger UI for our own schema; keys that are typed in stay in the page.
import { data, find } from "./query.js";

const { SwaggerUIBundle } = /** @type {{SwaggerUIBundle: (options: object) => void}} */ (
  /** @type {unknown} */ (window)
);
const place = find(document, "#swagger-ui", HTMLElement);

SwaggerUIBundle({
  url: data(place, "schema"),
  domNode: place,
  deepLinking: true,
  // With more than 128 calls unfolded, Swagger UI stops in the middle of the page.
  docExpansion: "none",
  persistAuthorization: false,
  validatorUrl: null,
  tagsSorter: "alpha",
});
