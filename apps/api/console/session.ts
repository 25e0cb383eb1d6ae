import { computed, signal } from "@preact/signals";

/** Who has logged in, as the token itself says; the server decides by its signature what it is worth. */
export interface Claims {
  readonly sub: string;
  readonly roles: readonly string[];
  readonly owner: string | null;
  /** UTC ms. */
  readonly expiresAt: number | null;
}

const key = "plimsoll.token";

/** Of this tab alone: it is gone when the tab is closed. */
export const token = signal<string | null>(sessionStorage.getItem(key));
/** Why there is none any longer; shown where one is asked for. */
export const refused = signal<string | null>(null);
export const claims = computed<Claims | null>(() => (token.value === null ? null : readClaims(token.value)));

const has = (...roles: string[]): boolean => claims.value?.roles.some((role) => roles.includes(role)) ?? false;
export const mayRead = computed(() => has("viewer", "operator", "officer"));
export const mayCommand = computed(() => has("operator", "officer"));
export const mayApprove = computed(() => has("officer"));

export function logIn(text: string): boolean {
  const given = text.trim();
  if (readClaims(given) === null) {
    refused.value = "This is no token: three parts, joined by dots, were expected.";
    return false;
  }
  sessionStorage.setItem(key, given);
  refused.value = null;
  token.value = given;
  return true;
}

export function logOut(why: string | null = null): void {
  sessionStorage.removeItem(key);
  refused.value = why;
  token.value = null;
}

/** The claims of a JWT, unverified; null: it is none. */
function readClaims(jwt: string): Claims | null {
  try {
    const [, payload = ""] = jwt.split(".");
    const bytes = Uint8Array.from(atob(payload.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));
    const { sub, roles, owner, exp } = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
    if (typeof sub !== "string" || !Array.isArray(roles)) return null;
    return {
      sub,
      roles: roles.filter((role) => typeof role === "string"),
      owner: typeof owner === "string" ? owner : null,
      expiresAt: typeof exp === "number" ? exp * 1_000 : null,
    };
  } catch {
    return null;
  }
}
