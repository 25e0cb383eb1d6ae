import { fileURLToPath } from "node:url";

/** The folder that holds `apps/` and `libs/`. */
export const rootFolder = fileURLToPath(new URL("../..", import.meta.url));
