import { connect } from "nats";

/** Answers every request on `echo` with the same bytes: what a question over NATS costs before anybody thinks about it. */
const [url = "", answer = ""] = process.argv.slice(2);
const connection = await connect({ servers: url });
const bytes = new TextEncoder().encode(answer);
connection.subscribe("echo", {
  callback(error, message) {
    if (error === null) message.respond(bytes);
  },
});
await connection.flush();
process.stdout.write("ready\n");
