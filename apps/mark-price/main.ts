import { runApp } from "#libs/process/lifecycle.ts";
import { startMarkPrice } from "./start.ts";

await runApp("mark-price", startMarkPrice);
