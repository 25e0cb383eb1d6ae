import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Rational } from "#libs/decimal/index.ts";
import { effective } from "#libs/domain/limits/effective.ts";
import { profileFigure } from "#libs/domain/limits/profiles.ts";
import { profileOf, type Subject, tierOf } from "#libs/domain/limits/subject.ts";
import { velocityBindings } from "#libs/domain/limits/velocity.ts";
import { counted, emptyWindow, sumAt } from "#libs/domain/limits/windows.ts";
import { RateWindow } from "#libs/engine/gate/rate-window.ts";
import { compileRules } from "#libs/domain/rule-set/compile.ts";
import type { RuleDocument } from "#libs/domain/rule-set/documents.ts";
import type { OverrideDocument } from "#libs/domain/rule-set/limit-documents.ts";
import type { LimitKey, LimitLevel } from "#libs/domain/rule-set/limit-types.ts";
import type { RuleSet } from "#libs/domain/rule-set/types.ts";
import { perpetual, rules } from "#test/support/exchange.ts";
import { propertyOptions } from "#test/support/property.ts";
import { table } from "#test/support/table.ts";

const subject: Subject = { account: "alice", key: "bot", entity: "desk" };
const alone: Subject = { account: "alice", key: null, entity: null };

function compiled(changes: Partial<RuleDocument>): RuleSet {
  const { rules: found, problems } = compileRules(rules(changes), 1);
  expect(problems).toEqual([]);
  return found;
}

/** Rules in which the named levels set a limit, alice being of the entity `desk` and of the tier `vip`. */
function levelled(figures: Partial<Record<LimitLevel, string>>, overrides: OverrideDocument[] = []): RuleSet {
  const limits = (level: LimitLevel): { limits?: { maxPosition: string } } =>
    figures[level] === undefined ? {} : { limits: { maxPosition: figures[level] } };
  return compiled({
    ...limits("exchange"),
    instruments: [perpetual(limits("instrument"))],
    tiers: { vip: limits("tier") },
    entities: { desk: { accounts: ["alice", "bob"], tier: "vip", ...limits("entity") } },
    accounts: { alice: { ...limits("account"), keys: { bot: limits("key") } } },
    overrides,
  });
}

function shownOf(set: RuleSet, of: Subject, t = 0, key: LimitKey = "maxPosition"): string {
  const instrument = set.instruments.get("X");
  if (instrument === undefined) throw new Error("no instrument X");
  const { owner, account } = effective(set.hierarchy, key, of, instrument, t);
  const one = (name: string, binding: typeof owner): string =>
    binding === null ? "" : `${name} ${binding.value.toStringDown()} by ${binding.source}`;
  return [one("owner", owner), one("account", account)].filter((text) => text !== "").join(", ") || "-";
}

const hierarchy = table(`
  rule   | exchange | instrument | tier | entity | account | key | binds                                           | because
  LIM-01 | -        | -          | -    | -      | -       | -   | -                                               | nobody says anything
  LIM-01 | 10       | -          | -    | -      | -       | -   | owner 10 by exchange                            | one level alone
  LIM-01 | 10       | 9          | 11   | 12     | -       | -   | owner 9 by instrument X                         | the most restrictive of several
  LIM-01 | 10       | 9          | 8    | 12     | -       | -   | owner 8 by tier vip                             | whichever level it is
  LIM-01 | 10       | 9          | 8    | 7      | -       | -   | owner 7 by entity desk                          | a narrower one
  LIM-01 | 7        | 9          | 8    | 7      | -       | -   | owner 7 by exchange                             | of equal ones the widest is named
  LIM-02 | 10       | -          | -    | -      | 12      | -   | owner 10 by exchange, account 12 by account alice | what the account says binds the account alone
  LIM-02 | 10       | -          | -    | -      | 12      | 3   | owner 10 by exchange, account 3 by key bot      | and so does its key
  LIM-02 | -        | -          | -    | -      | 3       | 12  | account 3 by account alice                      | a key cannot have more than its account
`);
for (const { rule, exchange, instrument, tier, entity, account, key, binds, because } of hierarchy) {
  test(`${rule} ${exchange} ${instrument} ${tier} ${entity} ${account} ${key}: ${because}`, () => {
    const given = Object.entries({ exchange, instrument, tier, entity, account, key }).filter(([, one]) => one !== "-");
    expect(shownOf(levelled(Object.fromEntries(given)), subject)).toBe(binds);
  });
}

test("LIM-02 without an owner everything binds the account; leverage and order size always do", () => {
  expect(shownOf(levelled({ exchange: "10", account: "12" }), alone)).toBe("account 10 by exchange");
  const set = compiled({
    limits: { maxLeverage: "5", maxOrderQty: "3", maxRiskShare: "0.1", maxCorrelation: "0.5" },
    entities: { desk: { accounts: ["alice"], limits: { maxLeverage: "4" } } },
  });
  expect(shownOf(set, subject, 0, "maxLeverage")).toBe("account 4 by entity desk");
  expect(shownOf(set, subject, 0, "maxOrderQty")).toBe("account 3 by exchange");
  // An instrument's own maximum leverage is the figure of its level.
  expect(shownOf(set, subject, 0, "maxInstrumentLeverage")).toBe("account 100 by instrument X");
});

test("LIM-01 a level's figure for an instrument stands beside its general one", () => {
  const set = compiled({
    instruments: [perpetual(), perpetual({ id: "Y" })],
    accounts: {
      alice: { limits: { maxPosition: "10" }, instruments: { X: { maxPosition: "4" }, Y: { maxPosition: "99" } } },
    },
  });
  expect(shownOf(set, alone)).toBe("account 4 by account alice");
  const instrument = set.instruments.get("Y");
  expect(
    instrument && effective(set.hierarchy, "maxPosition", alone, instrument, 0).account?.value.toStringDown(),
  ).toBe("10");
});

const override = (level: LimitLevel, of: string | null, value: string | null, more = {}): OverrideDocument => ({
  level,
  ...(of === null ? {} : { of }),
  limit: "maxPosition",
  value,
  until: 1000,
  reason: "agreed",
  ...more,
});

describe("LIM-07 overrides", () => {
  const figures = { exchange: "10", instrument: "9", tier: "8", entity: "7", account: "6", key: "5" } as const;
  const cases: readonly [string, OverrideDocument[], string][] = [
    ["of the account: all wider ones give way", [override("account", "alice", "50")], "account 5 by key bot"],
    ["of the entity", [override("entity", "desk", "50")], "owner 50 by override of entity desk, account 5 by key bot"],
    [
      "of the exchange: the others still bind",
      [override("exchange", null, "50")],
      "owner 7 by entity desk, account 5 by key bot",
    ],
    ["lifted for the tier", [override("tier", "vip", null)], "owner 7 by entity desk, account 5 by key bot"],
    ["of the key", [override("key", "bot", "50", { account: "alice" })], "account 50 by override of key bot"],
    ["lifted for the key", [override("key", "bot", null, { account: "alice" })], "-"],
    [
      "of the same key of another account",
      [override("key", "bot", "50", { account: "bob" })],
      "owner 7 by entity desk, account 5 by key bot",
    ],
    ["of another account", [override("account", "bob", "50")], "owner 7 by entity desk, account 5 by key bot"],
    ["tighter too", [override("instrument", "X", "1")], "owner 1 by override of instrument X, account 5 by key bot"],
    [
      "the narrowest counts",
      [override("account", "alice", "40"), override("entity", "desk", "50")],
      "account 5 by key bot",
    ],
    [
      "one for the instrument goes before one for all",
      [
        override("key", "bot", "40", { account: "alice" }),
        override("key", "bot", "50", { account: "alice", instrument: "X" }),
      ],
      "account 50 by override of key bot",
    ],
  ];
  for (const [what, overrides, binds] of cases)
    test(what, () => expect(shownOf(levelled(figures, overrides), subject, 999)).toBe(binds));

  test("it ends by itself", () => {
    const set = levelled({ exchange: "10" }, [override("account", "alice", "50")]);
    expect([shownOf(set, subject, 999), shownOf(set, subject, 1000)]).toEqual([
      "account 50 by override of account alice",
      "owner 10 by exchange",
    ]);
  });

  test("it limits what nobody else does", () => {
    expect(shownOf(levelled({}, [override("tier", "vip", "3")]), subject)).toBe("owner 3 by override of tier vip");
  });
});

const profiles = table(`
  rule   | account  | entity   | tier     | exchange | profile  | because
  LIM-04 | desk     | exchange | exchange | exchange | desk     | the account's own
  LIM-04 | -        | desk     | exchange | exchange | desk     | its entity's
  LIM-04 | -        | -        | desk     | exchange | desk     | its tier's
  LIM-04 | -        | -        | -        | exchange | exchange | the exchange's
  LIM-04 | -        | -        | -        | -        | -        | none
`);
for (const { rule, account, entity, tier, exchange, profile, because } of profiles) {
  test(`${rule} ${account} ${entity} ${tier} ${exchange}: ${because}`, () => {
    const of = (name: string): { profile?: "desk" | "exchange" } =>
      name === "desk" || name === "exchange" ? { profile: name } : {};
    const set = compiled({
      ...of(exchange),
      tiers: { vip: of(tier) },
      entities: { desk: { accounts: ["alice"], tier: "vip", ...of(entity) } },
      accounts: { alice: of(account) },
    });
    expect(profileOf(set.hierarchy, subject) ?? "-").toBe(profile);
  });
}

test("LIM-03 an account's tier is its own, else its entity's", () => {
  const set = compiled({
    tiers: { vip: {}, retail: {} },
    entities: { desk: { accounts: ["alice"], tier: "retail" } },
    accounts: { alice: { tier: "vip" } },
  });
  expect(tierOf(set.hierarchy, subject)).toBe("vip");
  expect(tierOf(set.hierarchy, { ...subject, account: "bob" })).toBe("retail");
  expect(tierOf(set.hierarchy, { ...alone, account: "bob" })).toBe(null);
});

test("LIM-05 LIM-06 the figures of the two profiles", () => {
  const figures = (profile: "exchange" | "desk"): Record<string, string | undefined> =>
    Object.fromEntries(
      (
        [
          "maxPositionShare",
          "maxRiskShare",
          "maxRiskSumShare",
          "maxOpenPositions",
          "maxExposure",
          "maxSectorShare",
          "maxCorrelation",
          "tradesPerDay",
          "dayLoss",
          "weekLoss",
        ] as const
      ).map((key) => [key, profileFigure(profile, key, "BTC")?.toStringDown()]),
    );
  expect(figures("desk")).toEqual({
    maxPositionShare: "0.1",
    maxRiskShare: "0.02",
    maxRiskSumShare: "0.06",
    maxOpenPositions: "10",
    maxExposure: "0.8",
    maxSectorShare: "0.3",
    maxCorrelation: "0.8",
    tradesPerDay: "20",
    dayLoss: "0.03",
    weekLoss: "0.08",
  });
  expect(Object.values(figures("exchange")).every((one) => one === undefined)).toBe(true);
  for (const [base, leverage] of [
    ["BTC", "100"],
    ["ETH", "100"],
    ["SOL", "20"],
  ] as const)
    expect(profileFigure("exchange", "maxInstrumentLeverage", base)?.toStringDown()).toBe(leverage);
});

test("LIM-04 a profile says nothing where a level does", () => {
  const set = compiled({
    profile: "desk",
    assets: [{ id: "USDT" }, { id: "SOL" }],
    instruments: [{ id: "X", kind: "linear", base: "SOL", quote: "USDT", settle: "USDT" }],
    accounts: { bob: { limits: { maxOpenPositions: 50, maxInstrumentLeverage: "5" } } },
  });
  expect(shownOf(set, alone, 0, "maxOpenPositions")).toBe("account 10 by profile desk");
  expect(shownOf(set, alone, 0, "maxInstrumentLeverage")).toBe("account 20 by profile desk");
  expect(shownOf(set, { ...alone, account: "bob" }, 0, "maxOpenPositions")).toBe("account 50 by account bob");
  expect(shownOf(set, { ...alone, account: "bob" }, 0, "maxInstrumentLeverage")).toBe("account 5 by account bob");
});

test("LIM-08 windows of wide levels count the client, those of an account the account, those of a key the key", () => {
  const window = (orders: number) => ({ limits: { velocity: [{ windowMs: 1000, orders }] } });
  const set = compiled({
    ...window(100),
    entities: { desk: { accounts: ["alice"], ...window(50) } },
    accounts: { alice: { ...window(20), keys: { bot: window(5) } } },
  });
  const shown = (of: Subject): string[] =>
    velocityBindings(set.hierarchy, of).map(
      (one) => `${one.counted} ${one.orders?.toStringDown() ?? "-"} by ${one.source}`,
    );
  expect(shown(subject)).toEqual(["client 50 by entity desk", "account 20 by account alice", "key 5 by key bot"]);
  expect(shown({ ...alone, account: "carol" })).toEqual(["account 100 by exchange"]);
  const profiled = compiled({ profile: "exchange" });
  expect(velocityBindings(profiled.hierarchy, alone).map((one) => [one.windowMs, one.orders?.toStringDown()])).toEqual([
    [1000, "200"],
    [60000, "6000"],
  ]);
});

const maybeFigure = fc.option(fc.integer({ min: 0, max: 20 }).map(String), { nil: undefined });

test("LIM-01 LIM-07 what binds is what a look at every level finds", () => {
  const levels = ["exchange", "instrument", "tier", "entity", "account", "key"] as const;
  const of: Record<LimitLevel, string | null> = {
    exchange: null,
    instrument: "X",
    tier: "vip",
    entity: "desk",
    account: "alice",
    key: "bot",
  };
  const someOverrides = fc.uniqueArray(
    fc.record({
      level: fc.constantFrom(...levels),
      value: fc.option(fc.integer({ min: 0, max: 20 })),
      until: fc.integer({ min: 0, max: 9 }),
    }),
    { selector: (one) => one.level, maxLength: 4 },
  );
  const someFigures = fc.tuple(maybeFigure, maybeFigure, maybeFigure, maybeFigure, maybeFigure, maybeFigure);
  fc.assert(
    fc.property(someFigures, someOverrides, fc.integer({ min: 0, max: 9 }), (given, overrides, t) => {
      const figures = Object.fromEntries(
        levels.flatMap((level, at) => (given[at] === undefined ? [] : [[level, given[at]]])),
      );
      const documents = overrides.map(({ level, value, until }) =>
        override(level, of[level], value === null ? null : String(value), {
          until,
          ...(level === "key" ? { account: "alice" } : {}),
        }),
      );
      const set = levelled(figures, documents);
      const inForce = overrides
        .filter((one) => t < one.until)
        .toSorted((a, b) => levels.indexOf(b.level) - levels.indexOf(a.level))[0];
      const cut = inForce === undefined ? -1 : levels.indexOf(inForce.level);
      const left = levels.map((level, at) =>
        at > cut ? figures[level] : at === cut ? (inForce?.value ?? undefined) : undefined,
      );
      const least = (some: unknown[]): string | null => {
        const numbers = some.filter((one) => one !== undefined).map(Number);
        return numbers.length === 0 ? null : String(Math.min(...numbers));
      };
      const instrument = set.instruments.get("X");
      if (instrument === undefined) throw new Error("no instrument X");
      const found = effective(set.hierarchy, "maxPosition", subject, instrument, t);
      expect([found.owner?.value.toStringDown() ?? null, found.account?.value.toStringDown() ?? null]).toEqual([
        least(left.slice(0, 4)),
        least(left.slice(4)),
      ]);
    }),
    propertyOptions(),
  );
});

test("LIM-09 a window holds what a list of everything would say, bucket by bucket", () => {
  const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 700 }), fc.integer({ min: 0, max: 9 })), { maxLength: 60 });
  fc.assert(
    fc.property(
      steps,
      fc.constantFrom(20, 1000, 60000),
      fc.integer({ min: 0, max: 70000 }),
      (given, windowMs, later) => {
        let window = emptyWindow;
        const ring = new RateWindow(windowMs);
        let t = 1_700_000_000_000;
        const all: { bucket: bigint; amount: number }[] = [];
        const bucket = (at: number): bigint => (BigInt(at) * 20n) / BigInt(windowMs);
        for (const [wait, amount] of given) {
          t += wait * (windowMs / 20);
          window = counted(window, windowMs, t, BigInt(amount));
          ring.add(t, amount, BigInt(amount));
          all.push({ bucket: bucket(t), amount });
        }
        const now = t + later;
        const held = all.filter((one) => one.bucket > bucket(now) - 20n).reduce((sum, one) => sum + one.amount, 0);
        ring.turn(now);
        expect([sumAt(window, windowMs, now), ring.value, ring.orders]).toEqual([BigInt(held), BigInt(held), held]);
        expect(window.sums.length).toBeLessThanOrEqual(20);
      },
    ),
    propertyOptions(),
  );
});

test("LIM-09 what is 19 buckets old still counts, what is 20 old does not", () => {
  const window = counted(emptyWindow, 1000, 49, 7n);
  expect([sumAt(window, 1000, 999), sumAt(window, 1000, 1000)]).toEqual([7n, 0n]);
  expect(Rational.ofInteger(sumAt(window, 1000, 0)).toStringDown()).toBe("7");
});
