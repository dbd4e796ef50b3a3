import { find } from "./query.js";

// What a SAML provider's page has posted goes on by itself: from here the session's cookie goes with it.
find(document, "#answer", HTMLFormElement).requestSubmit();
