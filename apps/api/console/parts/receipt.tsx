import type { ReceiptReply } from "#libs/contracts/api/replies.ts";
import type { Receipt } from "#libs/domain/receipts/types.ts";
import type { Static } from "typebox";
import { useAnswer } from "../answers.ts";
import { duration, exact, instant, words } from "../format.ts";
import { Nothing } from "./basics.tsx";
import { Dialog } from "./dialog.tsx";
import { Problem } from "./problem.tsx";

type Reply = Static<typeof ReceiptReply>;

/** Why a fact happened to an account, computed again from the journal when it is asked for. */
export function ReceiptDialog(props: { readonly account: string; readonly seq: number; readonly close: () => void }) {
  const { data, problem } = useAnswer<Reply>(`/v1/accounts/${props.account}/receipts/${props.seq}`);
  return (
    <Dialog title={`Receipt of fact #${props.seq}`} close={props.close} class="wide-dialog">
      <div class="stack">
        <Problem of={problem} />
        {data === null ? (
          problem === null ? (
            <Nothing>Computing it again from the journal …</Nothing>
          ) : null
        ) : (
          <ReceiptText receipt={data.receipt as unknown as Receipt} />
        )}
      </div>
    </Dialog>
  );
}

export function ReceiptText({ receipt }: { readonly receipt: Receipt }) {
  const { subject } = receipt;
  const who = [
    subject.account,
    subject.mode === null ? null : `${subject.mode} pool`,
    subject.instrument,
    subject.asset,
  ];
  return (
    <article class="receipt stack">
      <p>
        <b>{words(receipt.kind)}</b> of {who.filter((one) => one !== null).join(", ")}
        <br />
        <span class="faint">
          rule {receipt.rule}, rules version {receipt.ruleVersion}, {instant(receipt.t)} UTC
        </span>
      </p>
      <Avoided receipt={receipt} />
      <PricesSection prices={receipt.prices} />
      <section>
        <h3>Computation</h3>
        <table>
          <tbody>
            {receipt.computation.map((line) => (
              <tr key={`${line.what} ${line.how ?? ""}`}>
                <th scope="row">{line.what}</th>
                <td class="number">{exact(line.value)}</td>
                <td class="text faint">{line.how ?? ""}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      <details>
        <summary>Inputs</summary>
        <table>
          <tbody>
            {receipt.inputs.map(({ name, value }) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td class="number">{exact(value)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
      {receipt.publication === null ? null : (
        <p class="faint">
          SHA-256 of the published decision: <code>{receipt.publication}</code>
        </p>
      )}
    </article>
  );
}

function Avoided({ receipt: { avoidedBy } }: { readonly receipt: Receipt }) {
  const ways =
    avoidedBy === null
      ? []
      : [
          avoidedBy.deposit && `a deposit of ${exact(avoidedBy.deposit.amount)} ${avoidedBy.deposit.asset}`,
          avoidedBy.price && `a price of ${avoidedBy.price.id} at ${exact(avoidedBy.price.price)}`,
          avoidedBy.size && `a size of ${exact(avoidedBy.size.qty)} ${avoidedBy.size.instrument}`,
        ].filter((way) => way !== undefined);
  return (
    <div class="success">
      <strong>
        {ways.length === 0 ? "Nothing that the account could have done" : "Each of these alone would have avoided it"}
      </strong>
      {ways.length === 0 ? null : (
        <ul>
          {ways.map((way) => (
            <li key={way}>{way}</li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** Every price as it stood then, with its sources and their ages. */
function PricesSection({ prices }: Pick<Receipt, "prices">) {
  return (
    <section>
      <h3>Prices</h3>
      <table>
        <tbody>
          {prices.map((price) => (
            <tr key={price.id}>
              <th scope="row">{price.id}</th>
              <td class="number">{exact(price.price)}</td>
              <td>{price.quality}</td>
              <td class="number">{duration(price.ageMs)} old</td>
              <td class="text faint">
                {price.sources.map(({ source, ageMs }) => `${source} (${duration(ageMs)})`).join(", ")}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
