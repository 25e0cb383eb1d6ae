import { calculateJwkThumbprint, exportJWK, generateKeyPair } from "jose";

/** A new Ed25519 key pair: the private JWK for who issues tokens, the public JWKS for who verifies them, both JSON. */
export async function newKeyPair(): Promise<{ readonly privateKey: string; readonly jwks: string }> {
  const { publicKey, privateKey } = await generateKeyPair("EdDSA", { extractable: true });
  const jwk = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(jwk);
  const named = { alg: "EdDSA", use: "sig", kid };
  return {
    privateKey: JSON.stringify({ ...(await exportJWK(privateKey)), ...named }),
    jwks: JSON.stringify({ keys: [{ ...jwk, ...named }] }),
  };
}
