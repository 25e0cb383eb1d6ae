/** Boxes whose areas are as the weights, each as near to a square as can be (squarified). Pure; floats, for drawing alone. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** In the order of `weights`, which must fall and be above zero. */
export function squarified(weights: readonly number[], within: Box): Box[] {
  const total = weights.reduce((sum, one) => sum + one, 0);
  if (total <= 0 || within.width <= 0 || within.height <= 0)
    return weights.map(() => ({ ...within, width: 0, height: 0 }));
  const scale = (within.width * within.height) / total;
  const boxes: Box[] = [];
  let rest = within;
  for (let from = 0; from < weights.length;) {
    const to = endOfRow(weights, from, scale, Math.min(rest.width, rest.height));
    const areas = weights.slice(from, to).map((weight) => weight * scale);
    rest = laid(areas, rest, boxes);
    from = to;
  }
  return boxes;
}

/** As many as make the row's worst box better still. */
function endOfRow(weights: readonly number[], from: number, scale: number, side: number): number {
  let to = from + 1;
  let area = (weights[from] ?? 0) * scale;
  let worst = stretch(weights, from, to, scale, area, side);
  while (to < weights.length) {
    const larger = area + (weights[to] ?? 0) * scale;
    const next = stretch(weights, from, to + 1, scale, larger, side);
    if (next > worst) break;
    worst = next;
    area = larger;
    to += 1;
  }
  return to;
}

/** How far from square the first and the last box of a row are, at worst; 1: they are squares. */
function stretch(
  weights: readonly number[],
  from: number,
  to: number,
  scale: number,
  area: number,
  side: number,
): number {
  const thickness = area / side;
  const aspect = (weight: number): number => {
    const length = (weight * scale) / thickness;
    return Math.max(length / thickness, thickness / length);
  };
  return Math.max(aspect(weights[from] ?? 0), aspect(weights[to - 1] ?? 0));
}

/** Lays one row along the shorter side; gives what is left. */
function laid(areas: readonly number[], within: Box, boxes: Box[]): Box {
  const area = areas.reduce((sum, one) => sum + one, 0);
  const upright = within.width >= within.height;
  const side = upright ? within.height : within.width;
  const thickness = area / side;
  let along = 0;
  for (const one of areas) {
    const length = one / thickness;
    boxes.push(
      upright
        ? { x: within.x, y: within.y + along, width: thickness, height: length }
        : { x: within.x + along, y: within.y, width: length, height: thickness },
    );
    along += length;
  }
  return upright
    ? { ...within, x: within.x + thickness, width: within.width - thickness }
    : { ...within, y: within.y + thickness, height: within.height - thickness };
}
