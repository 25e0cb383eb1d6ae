import type { Entry, FrameEntry } from "../log.ts";
import type { ProblemList } from "../problems.ts";
import { venueKinds } from "./entries.ts";
import { notNegative, notZero, positive, signOf, tell, trader } from "./meaning.ts";
import { slotCount } from "./shards.ts";
import { sources } from "./subjects.ts";

type Of<K extends Entry["k"]> = Extract<Entry, { k: K }>;

/** Who alone may say a kind of entry; every other kind may come from whoever is none of these. */
function soleSource(kind: string): string | undefined {
  if (venueKinds.has(kind)) return sources.venue;
  return kind === "frame" ? sources.markPrice : kind === "time" ? sources.clock : undefined;
}
const soleSources: ReadonlySet<string> = new Set([sources.venue, sources.markPrice, sources.clock]);

function checkSource(entry: Entry, problems: ProblemList): void {
  const { k, source = "" } = entry;
  const sole = soleSource(k);
  if (sole !== undefined && source !== sole) tell(problems, "not_permitted", source, `${sole}, for ${k}`, "source");
  if (sole === undefined && soleSources.has(source))
    tell(problems, "not_permitted", source, `a source that may say ${k}`, "source");
}

function checkFrame(entry: FrameEntry, problems: ProblemList): void {
  for (const [id, price] of Object.entries(entry.index ?? {})) positive(problems, price, "index", id);
  for (const [id, price] of Object.entries(entry.mark ?? {})) positive(problems, price, "mark", id);
  for (const [id, contracts] of Object.entries(entry.depth ?? {})) notNegative(problems, contracts, "depth", id);
  for (const [id, { initial, maintenance }] of Object.entries(entry.haircut ?? {})) {
    share(problems, initial, "haircut", id, "initial");
    share(problems, maintenance, "haircut", id, "maintenance");
  }
}

const one = /^1(\.0*)?$|^0(\.\d*)?$/;
function share(problems: ProblemList, amount: string, ...steps: string[]): void {
  if (!one.test(amount)) tell(problems, "out_of_range", amount, "from 0 to 1", ...steps);
}

function checkFills(fills: Of<"closed">["fills"], problems: ProblemList): void {
  fills.forEach(({ qty, price }, at) => {
    positive(problems, qty, "fills", at, "qty");
    positive(problems, price, "fills", at, "price");
  });
}

function checkAttest({ from, to, positions }: Of<"attest">, problems: ProblemList): void {
  if (from >= to) tell(problems, "not_ascending", to, `above ${from}`, "to");
  if (to > slotCount) tell(problems, "out_of_range", to, `at most ${slotCount}`, "to");
  const seen = new Set<string>();
  positions.forEach(([account, instrument, qty], at) => {
    notZero(problems, qty, "positions", at, 2);
    const key = `${account}/${instrument}`;
    if (seen.has(key)) tell(problems, "duplicate_id", key, "each position once", "positions", at);
    seen.add(key);
  });
}

function checkHalt({ scope, id }: Of<"halt">, problems: ProblemList): void {
  if (scope === "global" && id !== undefined) tell(problems, "unknown_key", id, "no id for the global scope", "id");
  if (scope !== "global" && id === undefined) tell(problems, "missing_key", "nothing", `the id of one ${scope}`, "id");
}

function checkTransfer(entry: Of<"transfer">, problems: ProblemList): void {
  trader(problems, entry.from, "from");
  trader(problems, entry.to, "to");
  if (entry.from === entry.to) tell(problems, "same_account", entry.to, `another account than ${entry.from}`, "to");
  positive(problems, entry.amount, "amount");
}

const dayMs = 86_400_000;

function checkBody(entry: Entry, problems: ProblemList): void {
  switch (entry.k) {
    case "fill":
    case "order":
      trader(problems, entry.account, "account");
      positive(problems, entry.qty, "qty");
      if (entry.k === "order") positive(problems, entry.stop, "stop");
      return positive(problems, entry.price, "price");
    case "deleverage":
      trader(problems, entry.account, "account");
      return positive(problems, entry.qty, "qty");
    case "frame":
      return checkFrame(entry, problems);
    case "time":
      return Object.entries(entry.errors ?? {}).forEach(([id, failed]) => share(problems, failed, "errors", id));
    case "closed":
      return checkFills(entry.fills, problems);
    case "attest":
      return checkAttest(entry, problems);
    case "cash":
      trader(problems, entry.account, "account");
      return notZero(problems, entry.amount, "amount");
    case "fund":
    case "house":
      // Only people draw a fund down.
      return entry.source === sources.operator ? undefined : notNegative(problems, entry.amount, "amount");
    case "transfer":
      return checkTransfer(entry, problems);
    case "mode":
      trader(problems, entry.account, "account");
      return positive(problems, entry.leverage, "leverage");
    case "margin":
      trader(problems, entry.account, "account");
      return notZero(problems, entry.amount, "amount");
    case "cancel":
    case "convert":
      return trader(problems, entry.account, "account");
    case "halt":
      return checkHalt(entry, problems);
    case "expire":
      return positive(problems, entry.price, "price");
    case "session":
      if (entry.start % dayMs !== 0) tell(problems, "not_permitted", entry.start, "the start of a day, UTC", "start");
      return;
    case "funding":
      // A rate of 1 would be the whole notional in one payment.
      if (signOf(entry.rate) !== 0 && !withinOne(entry.rate))
        tell(problems, "out_of_range", entry.rate, "from -1 to 1", "rate");
      return;
    default:
  }
}

const withinOne = (amount: string): boolean => one.test(amount.startsWith("-") ? amount.slice(1) : amount);

/** What is wrong with an entry of the right shape that needs no knowledge of the shard's state. */
export function checkLiveEntry(entry: Entry, problems: ProblemList): void {
  checkSource(entry, problems);
  checkBody(entry, problems);
}
