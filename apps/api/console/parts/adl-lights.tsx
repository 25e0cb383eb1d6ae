/** Five lights, as traders know them: the more of them are lit, the sooner a position is deleveraged. 1: among the first fifth. */
export function AdlLights({ quintile }: { readonly quintile: number }) {
  const lit = 6 - quintile;
  return (
    <span
      class="adl-lights"
      role="img"
      aria-label={`ADL: ${lit} of 5 lights, ${lit === 5 ? "first to go" : `fifth number ${quintile}`}`}
    >
      {[1, 2, 3, 4, 5].map((light) => (
        <i key={light} class={light <= lit ? `lit-${lit}` : ""} />
      ))}
    </span>
  );
}
