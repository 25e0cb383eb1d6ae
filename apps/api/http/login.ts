import type { FastifyRequest } from "fastify";
import { type Access, AccessRefused, type Principal, requestText } from "#libs/access/index.ts";

const header = (request: FastifyRequest, name: string): string => {
  const value = request.headers[name];
  return typeof value === "string" ? value : "";
};

export const idempotencyKey = (request: FastifyRequest): string => header(request, "idempotency-key");

/**
 * Who sent a request: by `authorization: Bearer <token>`, or by the signature in `plimsoll-key`, `-timestamp`, `-nonce` and
 * `-signature`. Throws `AccessRefused`.
 */
export async function login(access: Access, request: FastifyRequest): Promise<Principal> {
  const authorization = header(request, "authorization");
  const key = header(request, "plimsoll-key");
  if ((authorization === "") === (key === "")) throw new AccessRefused("no_credentials");
  if (authorization !== "") {
    const [, token] = /^Bearer ([\w.~+/=-]{1,8192})$/.exec(authorization) ?? [];
    if (token === undefined) throw new AccessRefused("token_malformed");
    return access.verifyToken(token);
  }
  const timestamp = header(request, "plimsoll-timestamp");
  const nonce = header(request, "plimsoll-nonce");
  const signature = header(request, "plimsoll-signature");
  const body = request.body instanceof Uint8Array ? request.body : "";
  const what = requestText(request.method, request.url, body, idempotencyKey(request));
  return access.verifySignature({ key, timestamp, nonce, signature }, what);
}
