// Shows /api/openapi.json. Calls are tried at the address that the page came from, whatever address the document names:
// the policy of the page lets it speak to no other.
"use strict";

const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

fetch("/api/openapi.json")
  .then((answer) => answer.json())
  .then((spec) => {
    SwaggerUIBundle({
      spec: { ...spec, servers: [{ url: "/" }] },
      dom_id: "#swagger-ui",
      deepLinking: true,
      docExpansion: "list",
      defaultModelsExpandDepth: 0,
      defaultModelExpandDepth: 2,
      displayRequestDuration: true,
      filter: true,
      validatorUrl: null,
    });
  })
  .catch((error) => {
    document.getElementById("swagger-ui").textContent = `The document could not be loaded: ${error.message}`;
  });
