import { connect } from "node:net";

const answerMax = 64 * 1024;

/** Connects, sends, and gives what came back once `complete` says it is all; null on any error or after the time. */
export async function ask(
  port: number,
  host: string,
  question: string,
  complete: (answer: string) => boolean,
  withinMs = 1_000,
): Promise<string | null> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect({ port, host });
    const end = (result: string | null): void => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(withinMs, () => end(null));
    socket.once("error", () => end(null));
    socket.once("close", () => end(null));
    socket.once("connect", () => {
      if (question !== "") socket.write(question);
    });
    socket.on("data", (bytes) => {
      answer += bytes.toString("utf8");
      if (complete(answer)) end(answer);
      else if (answer.length > answerMax) end(null);
    });
  });
}
