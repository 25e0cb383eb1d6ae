/*
 * Follows one account: its ratio, where its positions would be liquidated, and what happens to it.
 *
 *   node --import tsx docs/examples/streams/trader.ts ws://127.0.0.1:8081/v1/stream ACCOUNT TOKEN
 *
 * The connection may break, and the server may be started anew: the client comes back by itself.
 */
import { WebSocket } from "ws";
import { StreamClient } from "../../../libs/client/index.ts";

const [url = "", account = "", token = ""] = process.argv.slice(2);

const client = new StreamClient({
  url,
  // Asked for at every connection, and before a login ends: here is where a new token would be fetched.
  login: async () => ({ token }),
  connect: (to) => new WebSocket(to),
  onState: (state) => console.log(state),
  onRefused: ({ code, message }) => console.log(`refused: ${code}, ${message}`),
  onError: (error) => console.log(String(error)),
});

let told = 0;
client.follow(`margin.${account}`, ({ data, logSeq, markAgeMs }) => {
  const ratio = data.ratio === null ? "no requirement" : `ratio ${Number(data.ratio).toFixed(3)}`;
  console.log(
    `${ratio}, equity ${data.equity}, free ${data.free} (entry ${logSeq ?? "?"}, prices ${markAgeMs ?? "?"} ms old)`,
  );
  for (const [instrument, { liqPrice, distancePercent, adl }] of Object.entries(data.positions))
    console.log(
      `  ${instrument}: liquidation at ${liqPrice ?? "no price"}, ${distancePercent ?? "-"} % away, ADL fifth ${adl?.quintile ?? "-"}`,
    );
  for (const event of data.events.filter(({ seq }) => seq > told)) {
    console.log(`  ${event.fact}`, event["level"] ?? event["stage"] ?? event["outcome"] ?? "");
    told = event.seq;
  }
});
client.open();
process.once("SIGINT", () => client.close());
