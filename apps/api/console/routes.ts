/** The console's addresses: `#/account/alice` and the like. Pure, so that links and reading them cannot drift apart. */
export const views = {
  overview: { title: "Overview", key: "o" },
  account: { title: "Account", key: "a" },
  instrument: { title: "Instrument", key: "i" },
  liquidations: { title: "Liquidations", key: "l" },
  breakers: { title: "Breakers", key: "b" },
  commands: { title: "Commands", key: "c" },
  rules: { title: "Rules", key: "r" },
  audit: { title: "Audit", key: "u" },
  alerts: { title: "Alerts", key: "e" },
  trader: { title: "Trader", key: "t" },
} as const;
export type View = keyof typeof views;

export interface Route {
  readonly view: View;
  /** The account, the instrument, the shard of a saga, the scope to halt, a command; null: none is chosen. */
  readonly id: string | null;
  /** The saga of that shard, or what of the scope is meant. */
  readonly part: string | null;
}

const isView = (text: string): text is View => Object.hasOwn(views, text);
const idPattern = /^[A-Za-z0-9_-]{1,96}$/;
const idOf = (text: string): string | null => (idPattern.test(text) ? text : null);

export function readRoute(hash: string): Route {
  const [view = "", id = "", part = ""] = hash.replace(/^#\/?/, "").split("/");
  return isView(view) ? { view, id: idOf(id), part: idOf(part) } : { view: "overview", id: null, part: null };
}

export const hrefOf = (view: View, ...parts: readonly (string | null)[]): string =>
  ["#", view, ...parts.filter((part) => part !== null)].join("/");

/** A token that came in a link, `#token=…`, and where to go with it. */
export function tokenIn(hash: string): { readonly token: string; readonly next: string } | null {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const token = given.get("token");
  return token === null || token === "" ? null : { token, next: given.get("to") ?? hrefOf("overview") };
}
