import { runApp } from "#libs/process/lifecycle.ts";
import { startLiquidation } from "./start.ts";

await runApp("liquidation", startLiquidation);
