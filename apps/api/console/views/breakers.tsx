import type { Halt } from "#libs/contracts/stream/market.ts";
import { useState } from "preact/hooks";
import { scopeText, stateMeaning, stateTone, stateWords, strictest } from "../exchange-state.ts";
import { instant, whole, words } from "../format.ts";
import { HaltForm } from "../halt-form.tsx";
import { useChannel } from "../live.ts";
import { Card, Tag } from "../parts/basics.tsx";
import { Awaiting, Freshness } from "../parts/freshness.tsx";
import { Proposals } from "../parts/proposals.tsx";
import { Table } from "../parts/table.tsx";
import { changesRules } from "../payloads.ts";
import { ReleaseDialog } from "../release-dialog.tsx";
import { mayCommand } from "../session.ts";

/** Big and unmistakable: what holds now, what would close it, and what waits for a second person. */
export function Breakers() {
  const seen = useChannel("halts").value;
  const all = useChannel("overview").value.data;
  const [released, release] = useState<Halt | null>(null);
  if (seen.data === null)
    return (
      <>
        <Head seen={seen} />
        <Awaiting of={seen} what="the halts" />
        {mayCommand.value ? <HaltForm /> : null}
      </>
    );
  // Those of accounts and entities are told to who may read everything, beside everybody's.
  const others = Object.entries(all?.halts ?? {}).filter(([, { scope }]) => scope === "account" || scope === "entity");
  const halts = [...Object.entries(seen.data.halts), ...others].map(([key, halt]) => ({ key, ...halt }));
  const everybody = Object.values(seen.data.halts).filter(({ scope }) => scope === "global");
  return (
    <>
      <Head seen={seen} />
      <Plate halts={everybody} />
      <div class="grid">
        {mayCommand.value ? <HaltForm /> : null}
        <Proposals
          title="Waiting for a second person"
          of={(operation) => !changesRules(operation)}
          class={mayCommand.value ? "half" : ""}
        />
        <Card title="In force" class="flush" aside={whole(halts.length)}>
          <Table
            caption="Halts in force"
            columns={[
              { name: "Scope", cell: (halt) => <b>{scopeText(halt)}</b> },
              {
                name: "State",
                cell: (halt) => (
                  <>
                    <Tag tone={stateTone[halt.state]}>{stateWords[halt.state]}</Tag>
                    <span class="faint narrow-note">{untilText(halt)}</span>
                  </>
                ),
              },
              { name: "Reason", cell: ({ reason }) => words(reason), wide: true },
              { name: "Set", cell: ({ manual }) => (manual ? "by hand" : "by a trigger"), wide: true },
              { name: "Since", cell: ({ since }) => instant(since), wide: true },
              { name: "Until", cell: untilText, wide: true },
              {
                name: "",
                cell: (halt) =>
                  mayCommand.value ? (
                    <button class="small" onClick={() => release(halt)} aria-label={`Release ${scopeText(halt)}`}>
                      Release …
                    </button>
                  ) : null,
              },
            ]}
            rows={halts}
            keyOf={({ key }) => key}
            none="Nothing is halted."
            toneOf={({ state }) => stateTone[state]}
          />
        </Card>
      </div>
      {released === null ? null : <ReleaseDialog halt={released} close={() => release(null)} />}
    </>
  );
}

const untilText = ({ until }: Halt): string => (until === null ? "lifted by hand" : instant(until));

const Head = ({ seen }: { readonly seen: Parameters<typeof Freshness>[0]["of"] }) => (
  <div class="view-head">
    <h1>Breakers</h1>
    <span class="grow" />
    <Freshness of={seen} />
  </div>
);

function Plate({ halts }: { readonly halts: readonly Halt[] }) {
  const state = strictest(halts);
  const strict = halts.find((halt) => halt.state === state);
  return (
    <section class={`plate ${stateTone[state]}`} aria-label="State of the whole exchange" data-state={state}>
      <span>Whole exchange</span>
      <strong>{stateWords[state]}</strong>
      <p>{stateMeaning[state]}</p>
      {strict === undefined ? null : (
        <p>
          {words(strict.reason)}, since {instant(strict.since)} UTC
          {strict.until === null ? ", until it is released" : `, until ${instant(strict.until)} UTC`}
        </p>
      )}
    </section>
  );
}
