import { createRequire } from "node:module";
import { join } from "node:path";
import fastifyStatic from "@fastify/static";
import type { FastifyInstance } from "fastify";
import { openApi } from "./http/openapi.ts";

const docsPath = "/docs/";
/** The page of the documentation: the interface of its package with a script of ours, since nothing may be inline. */
const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Plimsoll API</title>
<link rel="stylesheet" href="assets/swagger-ui.css">
<link rel="icon" href="assets/favicon-32x32.png">
</head>
<body>
<div id="page"></div>
<script src="assets/swagger-ui-bundle.js"></script>
<script src="start.js"></script>
</body>
</html>
`;
const script = `window.ui = SwaggerUIBundle({ url: "../v1/openapi.json", dom_id: "#page", deepLinking: true, validatorUrl: null });\n`;
/** The interface writes styles and draws its pictures into the page by itself; scripts stay ours. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The OpenAPI document at `/v1/openapi.json`, and a page to read and to try it at `/docs/`; nothing comes from elsewhere. */
export async function serveDocumentation(app: FastifyInstance): Promise<void> {
  const document = JSON.stringify(openApi());
  const swagger = createRequire(import.meta.url).resolve("@fastify/swagger-ui/package.json");
  await app.register(fastifyStatic, {
    root: join(swagger, "../static"),
    prefix: `${docsPath}assets/`,
    decorateReply: false,
    setHeaders: (reply) => void reply.header("cache-control", "public, max-age=86400"),
  });
  app.get("/v1/openapi.json", async (_request, reply) => reply.type("application/json").send(document));
  app.get("/docs", async (_request, reply) => reply.redirect(docsPath));
  app.get(docsPath, async (_request, reply) =>
    reply.header("content-security-policy", policy).type("text/html").send(page),
  );
  app.get(`${docsPath}start.js`, async (_request, reply) => reply.type("text/javascript").send(script));
}
