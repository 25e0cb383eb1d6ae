/** The load line of a ship: how deep it may be loaded, seen from afar. */
export function LoadLineMark({ size = 24 }: { readonly size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <circle cx="16" cy="16" r="10" fill="none" stroke="currentColor" stroke-width="2.6" />
      <path d="M1 16h30" stroke="currentColor" stroke-width="2.6" />
    </svg>
  );
}
