import { useState } from "preact/hooks";
import type { AuditReply, AuditVerifyReply } from "#libs/contracts/api/replies.ts";
import type { Static } from "typebox";
import { useAnswer } from "../answers.ts";
import { commandSentence } from "../commands/sentences.ts";
import { instant, whole, words } from "../format.ts";
import { useChannel } from "../live.ts";
import { Card, Figure, Figures, Tag } from "../parts/basics.tsx";
import { Freshness } from "../parts/freshness.tsx";
import { Payload } from "../parts/payload.tsx";
import { Problem } from "../parts/problem.tsx";
import { Table } from "../parts/table.tsx";

type Verified = Static<typeof AuditVerifyReply>;
type Records = Static<typeof AuditReply>;
const shownAtOnce = 100;

/** Every privileged act, newest first, and whether the chain of hashes over all of them still holds. */
export function Audit() {
  const market = useChannel("halts").value;
  const verified = useAnswer<Verified>("/v1/audit/verify");
  const [back, setBack] = useState(0);
  const [wanted, setWanted] = useState("");
  const last = verified.data?.seq ?? null;
  const after = last === null ? null : Math.max(0, last - shownAtOnce * (back + 1));
  const answer = useAnswer<Records>(after === null ? null : "/v1/audit", { after: after ?? 0, limit: shownAtOnce });
  const fits = ({ actor, action, detail }: Records["records"][number]): boolean =>
    `${actor} ${action} ${JSON.stringify(detail)}`.toLowerCase().includes(wanted.trim().toLowerCase());
  return (
    <>
      <div class="view-head">
        <h1>Audit</h1>
        <span class="grow" />
        <Freshness of={market} />
      </div>
      <Chain answer={verified} />
      <Card
        title="Records"
        class="flush"
        aside={
          <>
            <input
              type="search"
              aria-label="Show only records with this text"
              placeholder="Who, what, which account …"
              value={wanted}
              onInput={({ currentTarget }) => setWanted(currentTarget.value)}
            />
            <button class="small" disabled={back === 0} onClick={() => setBack(back - 1)}>
              Newer
            </button>
            <button class="small" disabled={after === null || after === 0} onClick={() => setBack(back + 1)}>
              Older
            </button>
          </>
        }
      >
        <Problem of={answer.problem} />
        <Table
          caption="Audit records"
          columns={[
            { name: "#", cell: ({ seq }) => whole(seq) },
            { name: "At, UTC", cell: ({ at }) => instant(at) },
            { name: "Who", cell: ({ actor }) => <b>{actor}</b> },
            { name: "Act", cell: ({ action }) => words(action) },
            { name: "Detail", cell: ({ action, detail }) => <Detail action={action} of={detail} />, text: true },
            { name: "Hash", cell: ({ hash }) => <code>{hash.slice(0, 12)}…</code>, wide: true },
          ]}
          rows={[...(answer.data?.records ?? [])].reverse().filter(fits)}
          keyOf={({ seq }) => String(seq)}
          none={answer.asking ? "Asking …" : "No record fits."}
        />
      </Card>
    </>
  );
}

const linesMax = 5;

/** What was said first: why it was refused, the reason and what was asked for; the whole record on request. */
function Detail({ action, of }: { readonly action: string; readonly of: unknown }) {
  const record = (typeof of === "object" && of !== null ? of : {}) as Readonly<Record<string, unknown>>;
  const { reason, payload, code, why, count, ...others } = record;
  const short = Object.entries(others).filter(([, value]) => typeof value === "string" || typeof value === "number");
  const [kind, operation = ""] = action.split(".");
  const isCommand = kind === "command" && payload !== undefined && payload !== null;
  return (
    <div class="audit-detail">
      {typeof code === "string" ? (
        <span>
          <Tag tone="bad">{words(code)}</Tag> {typeof why === "string" ? why : null}
        </span>
      ) : null}
      {typeof count === "number" ? <span>{whole(count)} more refused attempts, summed up</span> : null}
      {isCommand ? <span>{commandSentence(operation, payload)}</span> : null}
      {typeof reason === "string" ? <span class="soft">“{reason}”</span> : null}
      {isCommand || short.length === 0 ? null : <Payload of={Object.fromEntries(short.slice(0, linesMax))} />}
      <details>
        <summary class="faint">record</summary>
        <code class="detail">{JSON.stringify(of, null, 1)}</code>
      </details>
    </div>
  );
}

function Chain({ answer }: { readonly answer: ReturnType<typeof useAnswer<Verified>> }) {
  const { data } = answer;
  return (
    <Card
      title="Chain"
      aside={
        <button class="small" disabled={answer.asking} onClick={answer.again}>
          {answer.asking ? "Computing every hash …" : "Verify again"}
        </button>
      }
    >
      <Problem of={answer.problem} />
      {data === null ? null : (
        <Figures>
          <Figure
            name="Every hash"
            value={data.holds ? "holds" : "BROKEN"}
            note={data.why ?? "computed again just now"}
            tone={data.holds ? "good" : "bad"}
          />
          <Figure name="Records" value={whole(data.seq)} />
          <Figure
            name="Last hash"
            value={<code class="hash">{data.hash?.slice(0, 16) ?? "–"}…</code>}
            note="keep it elsewhere to prove it later"
          />
        </Figures>
      )}
    </Card>
  );
}
