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
  persistAuthorization: false,
  validatorUrl: null,
  tagsSorter: "alpha",
});
