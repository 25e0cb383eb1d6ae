import { Rational } from "#libs/decimal/index.ts";
import type { Catalogue } from "./catalogue.ts";
import type { MissingPrice } from "./price-presence.ts";
import { PricePresence } from "./price-presence.ts";
import type { ProblemCode, ProblemList } from "./problems.ts";
import { joinPath } from "./problems.ts";
import type { WrittenEntry } from "./scenario-schema.ts";

type Of<K extends WrittenEntry["k"]> = Extract<WrittenEntry, { k: K }>;

/** Kinds that never make the engine look at an account's health, or that only bring prices themselves. */
const unjudged: ReadonlySet<string> = new Set(
  "order cancel mode halt ask fund house position quality index mark frame quote depth".split(" "),
);

const idsOf = (map: unknown): string[] => (typeof map === "object" && map !== null ? Object.keys(map) : []);

/**
 * Holds the entries of a file, in order, against what earlier ones and the rules made known: ids, grains, signs, and
 * the prices that each needs. It remembers names only, so its cost per entry does not grow with the file.
 */
export class EntryCheck {
  catalogue: Catalogue;
  readonly #problems: ProblemList;
  readonly #isSystemAccount: (account: string) => boolean;
  readonly #prices = new PricePresence();
  readonly #accounts = new Set<string>();
  readonly #orders = new Map<string, Set<string>>();
  #path = "$";

  constructor(catalogue: Catalogue, isSystemAccount: (account: string) => boolean, problems: ProblemList) {
    this.catalogue = catalogue;
    this.#isSystemAccount = isSystemAccount;
    this.#problems = problems;
  }

  /** Checks one entry of the right shape at `path`, and remembers what it makes known. */
  check(entry: WrittenEntry, path: string): void {
    this.#path = path;
    this.#look(entry);
    if (unjudged.has(entry.k)) return;
    if (entry.k === "cash" && !entry.amount.startsWith("-")) return;
    this.#needWaiting();
  }

  /** Remembers the names in an entry whose shape is wrong, so that one mistake is not reported again and again. */
  passOver(entry: Readonly<Record<string, unknown>>): void {
    for (const key of ["account", "from", "to", "buyer", "seller"])
      if (typeof entry[key] === "string") this.#accounts.add(entry[key]);
    if (entry["k"] === "order" && typeof entry["account"] === "string" && typeof entry["id"] === "string") {
      this.#remember(entry["account"], entry["id"]);
    }
    if ((entry["k"] === "index" || entry["k"] === "quote") && typeof entry["asset"] === "string") {
      this.#prices.giveQuote(entry["asset"], this.catalogue);
    }
    if (entry["k"] === "mark" && typeof entry["instrument"] === "string") this.#prices.giveMark(entry["instrument"]);
    if (entry["k"] !== "frame") return;
    for (const id of idsOf(entry["index"])) this.#prices.giveIndex(id);
    for (const id of idsOf(entry["mark"])) this.#prices.giveMark(id);
  }

  #look(entry: WrittenEntry): void {
    switch (entry.k) {
      case "index":
        return this.#index(entry.asset, entry.price, ["asset"], ["price"]);
      case "mark":
        return this.#mark(entry.instrument, entry.price, ["instrument"], ["price"]);
      case "quote":
        return this.#quote(entry);
      case "frame":
        return this.#frame(entry);
      case "quality":
        return this.#priceId(entry.id, ["id"]);
      case "depth":
        return this.#depth(entry);
      case "fund":
      case "house":
        this.#grain(entry.asset, entry.amount, "amount");
        return this.#sign(entry.amount, "amount", "at least 0");
      case "cash":
        return this.#cash(entry);
      case "transfer":
        return this.#transfer(entry);
      case "mode":
        return this.#mode(entry);
      case "order":
        return this.#order(entry);
      case "cancel":
        if (this.#known(entry.account, "account")) this.#orderOf(entry.account, entry.id, "id");
        return;
      case "trade":
        return this.#trade(entry);
      case "position":
        return this.#position(entry);
      case "margin":
        return this.#margin(entry);
      case "funding":
        if (this.#instrument(entry.instrument, "instrument")) this.#need(this.#prices.missingMark(entry.instrument));
        return;
      case "convert":
        if (this.#known(entry.account, "account")) this.#need(this.#prices.missingFor(entry.account, this.catalogue));
        return;
      case "halt":
        return this.#halt(entry);
      case "expire":
        return this.#expire(entry);
      case "ask":
        return this.#ask(entry);
      case "rules":
      case "time":
        return;
    }
  }

  #report(code: ProblemCode, message: string, ...steps: readonly (string | number)[]): void {
    this.#problems.add(joinPath(this.#path, ...steps), code, message);
  }

  #sign(
    text: string,
    key: string,
    bound: "above 0" | "at least 0" | "not 0",
    ...more: readonly (string | number)[]
  ): void {
    const sign = Rational.parse(text).sign;
    const holds = bound === "above 0" ? sign > 0 : bound === "at least 0" ? sign >= 0 : sign !== 0;
    if (!holds) this.#report("out_of_range", `${text} must be ${bound}`, key, ...more);
  }

  #priceAt(text: string, steps: readonly (string | number)[]): void {
    if (Rational.parse(text).sign <= 0) this.#report("out_of_range", `a price of ${text} must be above 0`, ...steps);
  }

  /** Unknown assets are reported, known ones tell the grain that the amount must be made of. */
  #grain(asset: string, amount: string, key: string): boolean {
    const quantum = this.catalogue.assets.get(asset);
    if (quantum === undefined) {
      this.#report("unknown_asset", `${asset} is not an asset`, "asset");
      return false;
    }
    if (!Rational.parse(amount).isMultipleOf(quantum)) {
      this.#report("off_quantum", `${amount} is not a whole number of ${quantum.toStringDown()} ${asset}`, key);
    }
    return true;
  }

  #instrument(id: string, ...steps: readonly (string | number)[]): boolean {
    if (this.catalogue.instruments.has(id)) return true;
    this.#report("unknown_instrument", `${id} is not an instrument`, ...steps);
    return false;
  }

  #lots(id: string, qty: string, ...steps: readonly (string | number)[]): void {
    const lot = this.catalogue.instruments.get(id)?.lot;
    if (lot !== undefined && !Rational.parse(qty).isMultipleOf(lot)) {
      this.#report("off_lot", `${qty} is not a whole number of lots of ${lot.toStringDown()}`, ...steps);
    }
  }

  /** A trader's account that this entry may name for the first time. */
  #named(account: string, key: string): boolean {
    if (this.#isSystemAccount(account)) {
      this.#report("system_account", `${account} is a system account`, key);
      return false;
    }
    this.#accounts.add(account);
    return true;
  }

  /** A trader's account that an earlier entry, or the rules, must have named. */
  #known(account: string, key: string): boolean {
    if (this.#isSystemAccount(account)) {
      this.#report("system_account", `${account} is a system account`, key);
      return false;
    }
    if (this.#accounts.has(account) || this.catalogue.accounts.has(account)) return true;
    this.#report("unknown_account", `no earlier entry names the account ${account}`, key);
    return false;
  }

  #remember(account: string, order: string): void {
    const orders = this.#orders.get(account) ?? new Set();
    this.#orders.set(account, orders.add(order));
  }

  #orderOf(account: string, order: string, key: string): void {
    if (this.#orders.get(account)?.has(order) === true) return;
    this.#report("unknown_order", `no earlier entry is an order ${order} of ${account}`, key);
  }

  #need(missing: readonly MissingPrice[]): void {
    for (const { code, id } of missing) {
      const what = code === "missing_mark" ? "mark" : "index";
      this.#report(code, `needs the ${what} of ${id}, which no earlier entry gives`);
    }
  }

  #needInstrument(id: string): void {
    if (this.#instrument(id, "instrument")) this.#need(this.#prices.missingForInstrument(id, this.catalogue));
  }

  #needWaiting(): void {
    for (const { account, missing } of this.#prices.takeWaiting(this.catalogue)) {
      for (const { code, id } of missing) {
        const what = code === "missing_mark" ? "mark" : "index";
        this.#report(code, `looks at the position of ${account}, which needs the ${what} of ${id}`);
      }
    }
  }

  #index(asset: string, price: string, idSteps: readonly string[], priceSteps: readonly string[]): void {
    if (!this.catalogue.priced.has(asset)) this.#report("unknown_asset", `${asset} is not an asset`, ...idSteps);
    this.#priceAt(price, priceSteps);
    this.#prices.giveIndex(asset);
  }

  #mark(id: string, price: string, idSteps: readonly string[], priceSteps: readonly string[]): void {
    this.#instrument(id, ...idSteps);
    this.#priceAt(price, priceSteps);
    this.#prices.giveMark(id);
  }

  #priceId(id: string, steps: readonly string[]): void {
    if (this.catalogue.priced.has(id) || this.catalogue.instruments.has(id)) return;
    this.#report("unknown_id", `${id} is neither an asset nor an instrument`, ...steps);
  }

  /** A quote may be of any price: the stage drops what is not positive. */
  #quote(entry: Of<"quote">): void {
    const { asset, source } = entry;
    if (!this.catalogue.priced.has(asset)) this.#report("unknown_asset", `${asset} is not an asset`, "asset");
    else if (this.catalogue.sources.get(asset)?.has(source) !== true) {
      this.#report("unknown_source", `the rules name no source ${source} of ${asset}`, "source");
    }
    if (Rational.parse(entry.price).sign > 0) this.#prices.giveQuote(asset, this.catalogue);
  }

  #frame(entry: Of<"frame">): void {
    for (const [asset, price] of Object.entries(entry.index ?? {}))
      this.#index(asset, price, ["index", asset], ["index", asset]);
    for (const [id, price] of Object.entries(entry.mark ?? {})) this.#mark(id, price, ["mark", id], ["mark", id]);
    for (const id of Object.keys(entry.quality ?? {})) this.#priceId(id, ["quality", id]);
    for (const [id, contracts] of Object.entries(entry.depth ?? {})) {
      this.#instrument(id, "depth", id);
      if (contracts.startsWith("-")) this.#report("out_of_range", `${contracts} must be at least 0`, "depth", id);
    }
  }

  /** Levels are positive, whole lots, and best first. */
  #depth(entry: Of<"depth">): void {
    this.#instrument(entry.instrument, "instrument");
    for (const key of ["bids", "asks"] as const) {
      let before: Rational | null = null;
      (entry[key] ?? []).forEach(([price, qty], at) => {
        this.#priceAt(price, [key, at, 0]);
        this.#sign(qty, key, "above 0", at, 1);
        this.#lots(entry.instrument, qty, key, at, 1);
        const now = Rational.parse(price);
        const worse = before === null || (key === "bids" ? now.atMost(before) : now.atLeast(before));
        const code = key === "bids" ? "not_descending" : "not_ascending";
        if (!worse)
          this.#report(code, `${price} is better than the level before: levels are listed best first`, key, at, 0);
        before = now;
      });
    }
  }

  #cash(entry: Of<"cash">): void {
    const named = this.#named(entry.account, "account");
    if (!this.#grain(entry.asset, entry.amount, "amount") || !named) return;
    this.#prices.holdAsset(entry.account, entry.asset);
    if (Rational.parse(entry.amount).sign < 0) this.#need(this.#prices.missingFor(entry.account, this.catalogue));
  }

  #transfer(entry: Of<"transfer">): void {
    const known = this.#known(entry.from, "from");
    const named = this.#named(entry.to, "to");
    if (entry.from === entry.to) this.#report("same_account", "an account cannot transfer to itself", "to");
    this.#sign(entry.amount, "amount", "above 0");
    if (!this.#grain(entry.asset, entry.amount, "amount") || !known || !named) return;
    this.#prices.holdAsset(entry.from, entry.asset);
    this.#prices.holdAsset(entry.to, entry.asset);
    this.#need(this.#prices.missingFor(entry.from, this.catalogue));
  }

  #mode(entry: Of<"mode">): void {
    const named = this.#named(entry.account, "account");
    this.#instrument(entry.instrument, "instrument");
    if (entry.leverage !== undefined) this.#sign(entry.leverage, "leverage", "above 0");
    if (named && this.#prices.hasPositions(entry.account))
      this.#need(this.#prices.missingFor(entry.account, this.catalogue));
  }

  /** Size, tick and lot of an order are the pre-trade check's to refuse, with a fact; only what is no order is refused here. */
  #order(entry: Of<"order">): void {
    const named = this.#named(entry.account, "account");
    this.#sign(entry.qty, "qty", "above 0");
    if (entry.price !== undefined) this.#priceAt(entry.price, ["price"]);
    if (entry.stop !== undefined) this.#priceAt(entry.stop, ["stop"]);
    if (named) this.#remember(entry.account, entry.id);
    if (!this.#instrument(entry.instrument, "instrument") || !named) return;
    this.#hold(entry.account, entry.instrument);
  }

  #hold(account: string, instrument: string): void {
    this.#prices.holdInstrument(account, instrument);
    this.#need(this.#prices.missingFor(account, this.catalogue));
  }

  #trade(entry: Of<"trade">): void {
    this.#sign(entry.qty, "qty", "above 0");
    this.#priceAt(entry.price, ["price"]);
    const listed = this.#instrument(entry.instrument, "instrument");
    if (listed) this.#lots(entry.instrument, entry.qty, "qty");
    for (const [key, orderKey] of [
      ["buyer", "buyOrder"],
      ["seller", "sellOrder"],
    ] as const) {
      const account = entry[key];
      const order = entry[orderKey];
      // Only `market`, of the system's accounts, trades: it is the other side of closing orders.
      const trader = account !== "market" && this.#named(account, key);
      if (order !== undefined) this.#orderOf(account, order, orderKey);
      if (trader && listed) this.#prices.holdInstrument(account, entry.instrument);
    }
    const missing = [entry.buyer, entry.seller].flatMap((account) => this.#prices.missingFor(account, this.catalogue));
    const once = new Map(missing.map((one) => [`${one.code} ${one.id}`, one]));
    this.#need([...once.values()]);
  }

  #position(entry: Of<"position">): void {
    const named = this.#named(entry.account, "account");
    this.#sign(entry.qty, "qty", "not 0");
    this.#priceAt(entry.entry, ["entry"]);
    if (!this.#instrument(entry.instrument, "instrument")) return;
    this.#lots(entry.instrument, entry.qty, "qty");
    if (named) this.#prices.setUp(entry.account, entry.instrument);
  }

  #margin(entry: Of<"margin">): void {
    const known = this.#known(entry.account, "account");
    if (!this.#instrument(entry.instrument, "instrument")) return;
    const settle = this.catalogue.instruments.get(entry.instrument)?.settle ?? "";
    if (this.catalogue.assets.has(settle)) this.#grain(settle, entry.amount, "amount");
    if (known) this.#hold(entry.account, entry.instrument);
  }

  #halt(entry: Of<"halt">): void {
    const { scope, id } = entry;
    if (scope === "global") {
      if (id !== undefined) this.#report("unknown_key", "a global halt has no id", "id");
      return;
    }
    if (id === undefined) return this.#report("missing_key", `a halt of one ${scope} needs its id`, "id");
    if (scope === "account") this.#known(id, "id");
    else if (scope === "instrument") this.#instrument(id, "id");
    else if (!this.catalogue.entities.has(id)) this.#report("unknown_entity", `${id} is not an entity`, "id");
  }

  #expire(entry: Of<"expire">): void {
    this.#priceAt(entry.price, ["price"]);
    if (!this.#instrument(entry.instrument, "instrument")) return;
    const dated = this.catalogue.instruments.get(entry.instrument)?.expires === true;
    if (!dated) this.#report("not_dated", `${entry.instrument} has no expiry`, "instrument");
  }

  #ask(entry: Of<"ask">): void {
    if (entry.what === "exchange") return this.#needWaiting();
    if (entry.what === "alloc") {
      this.#sign(entry.qty, "qty", "above 0");
      this.#needInstrument(entry.instrument);
      this.#lots(entry.instrument, entry.qty, "qty");
      return this.#needWaiting();
    }
    if (this.#known(entry.account, "account")) this.#need(this.#prices.missingFor(entry.account, this.catalogue));
  }
}
