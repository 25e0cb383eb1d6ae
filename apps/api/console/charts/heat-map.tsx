import { useEffect, useRef, useState } from "preact/hooks";
import { ratio as shownRatio, usd, whole } from "../format.ts";
import { theme } from "../theme.ts";
import { type Placed, placeTiles, type Tile, zones, zoneSums } from "./heat-zones.ts";

const height = 300;
const gap = 1;

/** Accounts by ratio (colour and place, the worst at the left) and notional (area). Every box leads to its account. */
export function HeatMap(props: { readonly tiles: readonly Tile[]; readonly open: (account: string) => void }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const placed = useRef<readonly Placed[]>([]);
  const [width, setWidth] = useState(0);
  const [under, setUnder] = useState<Placed | null>(null);
  useEffect(() => {
    const holder = canvas.current?.parentElement;
    if (!holder) return undefined;
    const watch = new ResizeObserver(() => setWidth(holder.clientWidth));
    watch.observe(holder);
    return () => watch.disconnect();
  }, []);
  useEffect(() => {
    if (canvas.current === null || width === 0) return;
    placed.current = placeTiles(props.tiles, { x: 0, y: 0, width, height });
    draw(canvas.current, width, placed.current);
  }, [props.tiles, width, theme.value]);
  const at = (event: MouseEvent): Placed | null =>
    placed.current.find(({ box }) => inside(event.offsetX, event.offsetY, box)) ?? null;
  return (
    <figure class="heat">
      <div class="heat-holder">
        <canvas
          ref={canvas}
          role="img"
          aria-label={summary(props.tiles)}
          style={{ width: `${width}px`, height: `${height}px` }}
          onMouseMove={(event) => setUnder(at(event))}
          onMouseLeave={() => setUnder(null)}
          onClick={(event) => {
            const found = at(event);
            if (found !== null) props.open(found.tile.account);
          }}
        />
        {under === null ? null : <Tip placed={under} width={width} />}
      </div>
      <Legend tiles={props.tiles} />
    </figure>
  );
}

const inside = (x: number, y: number, box: Placed["box"]): boolean =>
  x >= box.x && x < box.x + box.width && y >= box.y && y < box.y + box.height;

function summary(tiles: readonly Tile[]): string {
  const parts = zoneSums(tiles).flatMap(({ name, pools, notionalUsd }) =>
    pools === 0 ? [] : [`${name}: ${pools} pools, ${usd(notionalUsd)}`],
  );
  return `Heat map of ${tiles.length} pools by margin ratio and notional. ${parts.join("; ")}. The same as a table: choose Table.`;
}

function Tip({ placed: { tile, box }, width }: { readonly placed: Placed; readonly width: number }) {
  const left = Math.min(Math.max(box.x + box.width / 2 - 90, 0), Math.max(0, width - 180));
  const below = box.y + box.height / 2 < height / 2;
  return (
    <div class="heat-tip" style={{ left: `${left}px`, ...(below ? { bottom: "8px" } : { top: "8px" }) }}>
      <strong>{tile.account}</strong>
      <span>{tile.instrument ?? "cross"}</span>
      <span>ratio {shownRatio(tile.ratio)}</span>
      <span>{usd(tile.notionalUsd)} notional</span>
      <span>{usd(tile.equity)} equity</span>
      {tile.liquidating ? <span class="loss">liquidating</span> : null}
    </div>
  );
}

function Legend({ tiles }: { readonly tiles: readonly Tile[] }) {
  const sums = zoneSums(tiles);
  return (
    <ul class="heat-legend">
      {zones.map(({ name }, zone) => (
        <li key={name}>
          <i class={`swatch heat-${zone}`} aria-hidden="true" />
          <span>{name}</span>
          <b>
            {whole(sums[zone]?.pools ?? 0)} · {usd(sums[zone]?.notionalUsd ?? "0")}
          </b>
        </li>
      ))}
    </ul>
  );
}

function draw(canvas: HTMLCanvasElement, width: number, placed: readonly Placed[]): void {
  const context = canvas.getContext("2d");
  if (context === null) return;
  const sharp = devicePixelRatio;
  canvas.width = Math.round(width * sharp);
  canvas.height = Math.round(height * sharp);
  context.scale(sharp, sharp);
  const style = getComputedStyle(document.documentElement);
  const colours = zones.map((_, zone) => style.getPropertyValue(`--heat-${zone}`).trim());
  const sans = style.getPropertyValue("--sans");
  for (const { tile, zone, box } of placed) {
    context.fillStyle = colours[zone] ?? "";
    context.fillRect(box.x + gap / 2, box.y + gap / 2, Math.max(0, box.width - gap), Math.max(0, box.height - gap));
    if (tile.liquidating) hatch(context, box);
    if (box.width > 54 && box.height > 30) label(context, sans, tile, box);
  }
}

/** Told apart by more than its colour. */
function hatch(context: CanvasRenderingContext2D, box: Placed["box"]): void {
  context.save();
  context.beginPath();
  context.rect(box.x, box.y, box.width, box.height);
  context.clip();
  context.strokeStyle = "rgb(255 255 255 / 45%)";
  context.lineWidth = 2;
  for (let at = -box.height; at < box.width; at += 9) {
    context.beginPath();
    context.moveTo(box.x + at, box.y + box.height);
    context.lineTo(box.x + at + box.height, box.y);
    context.stroke();
  }
  context.restore();
}

function label(context: CanvasRenderingContext2D, sans: string, tile: Tile, box: Placed["box"]): void {
  const large = box.width > 96 && box.height > 48;
  context.save();
  context.beginPath();
  context.rect(box.x + 2, box.y + 2, box.width - 4, box.height - 4);
  context.clip();
  context.fillStyle = "#ffffff";
  context.shadowColor = "rgb(0 0 0 / 55%)";
  context.shadowBlur = 3;
  context.font = `600 ${large ? 13 : 11}px ${sans}`;
  context.fillText(tile.account, box.x + 6, box.y + (large ? 18 : 14));
  context.font = `${large ? 12 : 10}px ${sans}`;
  context.fillText(shownRatio(tile.ratio), box.x + 6, box.y + (large ? 34 : 26));
  if (large && box.height > 64) context.fillText(usd(tile.notionalUsd), box.x + 6, box.y + 50);
  context.restore();
}
