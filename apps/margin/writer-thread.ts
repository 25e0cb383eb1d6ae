import { parentPort, workerData } from "node:worker_threads";
import {
  chainHash,
  commitValues,
  type Database,
  insertDecisionLines,
  openDatabase,
  pack,
} from "#libs/adapters/postgres/index.ts";
import { type Answered, type Asked, type CommitAsked, travelling, type WriterSettings } from "./writer-messages.ts";

/*
 * The thread that writes to PostgreSQL: hashes, packs and sends what the engine's thread has decided, so that none of it holds up an
 * entry or an answer. One batch at a time; decisions go beside them on a connection of their own.
 */
const port = parentPort;
if (port === null) throw new Error("this module is a thread of the margin process");
const { url, name } = workerData as WriterSettings;
const send = (answered: Answered): void => port.postMessage(answered);
const db = openDatabase({ url, name, max: 2, onIdleError: ({ message }) => send({ number: 0, idle: message }) });

// The first batch should not have to wait for a connection; where there is none yet, it says so itself.
db.query({ text: "SELECT 1" }).catch(() => {});

async function commit(database: Database, asked: CommitAsked): Promise<string> {
  const { epoch, fromSeq, content, journal, facts } = asked;
  const hash = chainHash(asked.chainHash, journal, facts);
  const seal = { epoch, fromSeq, chainHash: hash, journal: pack(journal), factsBlob: pack(facts) };
  await commitValues(database, content, seal);
  return hash;
}

async function answer(asked: Asked): Promise<Answered> {
  const { number } = asked;
  try {
    if (asked.kind === "commit") return { number, ok: true, chainHash: await commit(db, asked) };
    await insertDecisionLines(db, asked.lines);
    return { number, ok: true, chainHash: "" };
  } catch (error) {
    return { number, ok: false, error: travelling(error) };
  }
}

port.on("message", (asked: Asked | "close") => {
  if (asked === "close") void db.close().then(() => port.close());
  else void answer(asked).then(send);
});
