import type { AccountsReply } from "#libs/contracts/api/replies.ts";
import type { Static } from "typebox";
import { AccountSearch } from "../account-search.tsx";
import { compare } from "../amounts.ts";
import { useAnswer } from "../answers.ts";
import { ratio, usd } from "../format.ts";
import { useChannel } from "../live.ts";
import { hrefOf, type View, views } from "../routes.ts";
import { mayRead } from "../session.ts";
import { Card } from "./basics.tsx";
import { Freshness } from "./freshness.tsx";
import { LoadLine } from "./load-line.tsx";
import { Problem } from "./problem.tsx";
import { Table } from "./table.tsx";

const shown = 100;
const pickerRows = 25;

/** Where none is chosen yet: the accounts nearest to liquidation, and those that may be read by their id. */
export function AccountPicker({ view }: { readonly view: View }) {
  const answer = useAnswer<Static<typeof AccountsReply>>("/v1/accounts", { limit: shown });
  return (
    <>
      <div class="view-head">
        <h1>{views[view].title}</h1>
        <span class="grow" />
        {mayRead.value ? (
          <span class="narrow">
            <AccountSearch />
          </span>
        ) : null}
      </div>
      <div class="grid">
        {mayRead.value ? <Riskiest view={view} /> : null}
        <Card title={mayRead.value ? "By id" : "My accounts"} class={mayRead.value ? "half flush" : "flush"}>
          <Problem of={answer.problem} />
          <Table
            caption="Accounts by id"
            columns={[
              { name: "Account", cell: ({ account }) => <a href={hrefOf(view, account)}>{account}</a> },
              { name: "Owner", cell: ({ owner }) => owner },
              { name: "Shard", cell: ({ shard }) => shard, wide: true },
            ]}
            rows={answer.data?.accounts ?? []}
            keyOf={({ account }) => account}
            none={answer.asking ? "Asking …" : "There is no account."}
            atOnce={pickerRows}
          />
        </Card>
      </div>
    </>
  );
}

function Riskiest({ view }: { readonly view: View }) {
  const seen = useChannel("overview").value;
  const pools = Object.entries(seen.data?.pools ?? {})
    .flatMap(([key, pool]) => (pool.ratio === null ? [] : [{ key, ...pool, ratio: pool.ratio }]))
    .sort((a, b) => compare(a.ratio, b.ratio))
    .slice(0, shown);
  return (
    <Card title="Nearest to liquidation" class="half flush" aside={<Freshness of={seen} />}>
      <Table
        caption="Accounts nearest to liquidation"
        columns={[
          { name: "Account", cell: ({ account }) => <a href={hrefOf(view, account)}>{account}</a> },
          { name: "Pool", cell: ({ instrument }) => instrument ?? "cross", wide: true },
          { name: "Ratio", number: true, cell: (pool) => ratio(pool.ratio) },
          { name: "Load line", cell: (pool) => <LoadLine ratio={pool.ratio} small />, wide: true },
          { name: "Notional", number: true, cell: ({ notionalUsd }) => usd(notionalUsd) },
        ]}
        rows={pools}
        keyOf={({ key }) => key}
        none="No pool has a requirement."
        atOnce={pickerRows}
      />
    </Card>
  );
}
