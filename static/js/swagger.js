// Swagger UI for our own schema; keys that are typed in stay in the page.
const place = document.getElementById("swagger-ui");

SwaggerUIBundle({
  url: place.dataset.schema,
  domNode: place,
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: null,
  tagsSorter: "alpha",
});
