import { Command } from "commander";
import { registerCrash } from "./crash.ts";
const p = new Command("plimsoll"); registerCrash(p); p.parse();
