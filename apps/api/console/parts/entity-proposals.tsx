import type { EntityProposalsReply } from "#libs/contracts/api/replies.ts";
import type { Static } from "typebox";
import { useState } from "preact/hooks";
import { useAnswer } from "../answers.ts";
import { CommandButton } from "../commands/dialog.tsx";
import { evidenceText } from "../entity-evidence.ts";
import { fixed, whole } from "../format.ts";
import { hrefOf } from "../routes.ts";
import { Card, Nothing } from "./basics.tsx";
import { Problem } from "./problem.tsx";
import { Table } from "./table.tsx";

type Reply = Static<typeof EntityProposalsReply>;
type Proposed = Reply["proposals"][number];

/** Accounts that may be one owner's, looked for when somebody asks; an entity is proposed with the evidence's own name. */
export function EntityProposals() {
  const [asked, ask] = useState(false);
  const answer = useAnswer<Reply>(asked ? "/v1/entities/proposals" : null);
  const look = (
    <button class="small" disabled={answer.asking} onClick={() => (asked ? answer.again() : ask(true))}>
      {answer.asking ? "Looking through 90 days …" : "Look for them"}
    </button>
  );
  return (
    <Card title="Accounts that may be one owner's" class={answer.data === null ? "" : "flush"} aside={look}>
      <Problem of={answer.problem} />
      {answer.data === null ? (
        <Nothing>Logins, addresses and trading against each other are compared when it is asked for.</Nothing>
      ) : (
        <Table
          caption="Accounts that may be one owner's, the strongest evidence first"
          columns={[
            { name: "Accounts", cell: ({ accounts }) => <Links accounts={accounts} />, text: true },
            { name: "Score", number: true, cell: ({ score }) => fixed(score, 2, "down") },
            { name: "Evidence", cell: (one) => evidenceText(one.links), text: true },
            { name: "Entities", cell: ({ entities }) => entities.join(", ") || "none", wide: true },
            { name: "", cell: (one) => <Propose of={one} /> },
          ]}
          rows={answer.data.proposals}
          keyOf={({ id }) => id}
          none="No accounts look as if they were one owner's."
          atOnce={20}
        />
      )}
      {(answer.data?.dropped ?? 0) === 0 ? null : (
        <p class="faint">{whole(answer.data?.dropped)} more are not listed.</p>
      )}
    </Card>
  );
}

const Links = ({ accounts }: { readonly accounts: readonly string[] }) => (
  <>
    {accounts.map((account, at) => (
      <span key={account}>
        {at === 0 ? "" : ", "}
        <a href={hrefOf("account", account)}>{account}</a>
      </span>
    ))}
  </>
);

const Propose = ({ of: { id, accounts, entities } }: { readonly of: Proposed }) => (
  <CommandButton
    name="entity"
    given={{
      accounts: accounts.join(", "),
      proposal: id,
      ...(entities[0] === undefined ? {} : { entity: entities[0] }),
    }}
  >
    Entity …<span class="unseen"> of {accounts[0]}</span>
  </CommandButton>
);
