import { createServer } from "node:net";

/** A port that nobody listens on now. Another process may take it first, so whoever uses it tries again with the next. */
export async function freePort(host = "127.0.0.1"): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, host, () => {
      const address = server.address();
      server.close(() => {
        if (address !== null && typeof address === "object") resolve(address.port);
        else reject(new Error("the system gave no port"));
      });
    });
  });
}
