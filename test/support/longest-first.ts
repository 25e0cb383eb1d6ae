import type { TestSpecification } from "vitest/node";
import { BaseSequencer } from "vitest/node";

/** What takes longest, longest first: begun last, they would run on alone. A name that is missing here costs time, nothing else. */
const longest = [
  "processes/live",
  "processes/exchange",
  "processes/margin-streams",
  "processes/scheduler-process",
  "processes/liquidation",
  "processes/",
  "scenarios/",
  "adapters/",
  "properties/",
  "engine/",
];

const place = ({ moduleId }: TestSpecification): number => {
  const found = longest.findIndex((name) => moduleId.includes(`/test/${name}`));
  return found === -1 ? longest.length : found;
};

export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((left, right) => place(left) - place(right));
  }
}
