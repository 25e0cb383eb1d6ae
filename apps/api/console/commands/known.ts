import type { ExchangeReply, RuleVersionReply } from "#libs/contracts/api/replies.ts";
import { idPattern } from "#libs/contracts/patterns.ts";
import type { Static } from "typebox";
import { useEffect, useState } from "preact/hooks";
import { useAnswer } from "../answers.ts";
import { type Seen, useChannel } from "../live.ts";
import type { Known } from "./figures.ts";
import type { Payload } from "./operations.ts";

const quietMs = 250;
const againMs = 2_000;

/** A value once it has rested for a moment: nobody is asked about every letter of an id. */
function useRested(value: string | null): string | null {
  const [rested, rest] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => rest(value), quietMs);
    return () => clearTimeout(timer);
  }, [value]);
  return rested;
}

const idIn = (payload: Payload, ...names: readonly string[]): string | null => {
  const found = names.map((name) => payload[name]).find((value) => typeof value === "string");
  return typeof found === "string" && idPattern.test(found) ? found : null;
};

type Exchange = Static<typeof ExchangeReply>;
type Balances = Readonly<Record<string, Readonly<Record<string, string>> | undefined>>;

/** The balances of the fund that is meant, asked of its shard's engine again and again. */
function useFunds(operation: string, payload: Payload): Known["funds"] {
  const answer = useAnswer<Exchange>(operation === "fund" ? "/v1/exchange" : null);
  useEffect(() => {
    const timer = setInterval(answer.again, againMs);
    return () => clearInterval(timer);
  }, [answer.again]);
  const shards = answer.data?.shards ?? {};
  const shard = idIn(payload, "shard") ?? Object.keys(shards)[0];
  const found = shard === undefined ? undefined : shards[shard];
  if (found === undefined) return null;
  const { fund, house } = found.exchange as Balances;
  return { balances: (payload["fund"] === "house" ? house : fund) ?? {}, logSeq: found.logSeq };
}

const ruled = new Set(["settle", "deleverage", "limit", "entity"]);

/** What is known of what a command would touch, live; `seen`: what the numbers were computed at. */
export function useKnown(operation: string, payload: Payload): { readonly known: Known; readonly seen: Seen<unknown> } {
  const first = useRested(idIn(payload, "account", "from"));
  const second = useRested(idIn(payload, "to"));
  const wanted = operation === "settle" || operation === "deleverage" ? idIn(payload, "instrument") : null;
  const marks = useChannel("marks").value;
  const one = useChannel("margin", first).value;
  const other = useChannel("margin", second).value;
  const instrument = useChannel("instrument", wanted).value;
  const funds = useFunds(operation, payload);
  const rules = useAnswer<Static<typeof RuleVersionReply>>(ruled.has(operation) ? "/v1/rules/current" : null).data;
  const accounts = Object.fromEntries(
    [one, other].flatMap(({ data }) => (data === null ? [] : [[data.account, data]])),
  );
  const known: Known = {
    marks: marks.data,
    funds,
    accounts,
    instrument: instrument.data,
    rules:
      rules === null ? null : { version: rules.version, document: rules.document as Readonly<Record<string, unknown>> },
    marketT: marks.t,
  };
  return { known, seen: one.at === null ? marks : one };
}
