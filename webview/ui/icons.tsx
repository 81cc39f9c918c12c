/** Paths of our icons on a field of 16 x 16. */
const paths = {
  add: 'M7.5 2h1v5.5H14v1H8.5V14h-1V8.5H2v-1h5.5z',
  close: 'M3.4 2.7 8 7.3l4.6-4.6.7.7L8.7 8l4.6 4.6-.7.7L8 8.7l-4.6 4.6-.7-.7L7.3 8 2.7 3.4z',
  copy: 'M5 1h8l1 1v9h-1V2H5zM2 4h8l1 1v9l-1 1H3l-1-1zm1 1v9h7V5z',
  dice: 'M3 2h10l1 1v10l-1 1H3l-1-1V3zm0 1v10h10V3zm2 2h2v2H5zm4 0h2v2H9zM5 9h2v2H5zm4 0h2v2H9z',
  down: 'M8 11 2.6 5.6l.8-.7L8 9.5l4.6-4.6.8.7z',
  error: 'M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1m0 1a6 6 0 1 0 0 12A6 6 0 0 0 8 2m-.5 2.5h1V9h-1zm0 5.5h1v1.2h-1z',
  flag: 'M3 1h1v1h9l-2 3.5L13 9H4v6H3z',
  folder: 'M2 3h4.4l1.5 1.5H14V13H2zm1 1v8h10V5.5H7.5L6 4z',
  info: 'M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1m0 1a6 6 0 1 0 0 12A6 6 0 0 0 8 2m-.5 2.6h1v1.2h-1zm0 2.4h1v4.5h-1z',
  link: 'M2 6h5v1H3v3h4v1H2zm7 0h5v5H9v-1h4V7H9zM5 8h6v1H5z',
  pause: 'M4 2h3v12H4zm5 0h3v12H9z',
  pin: 'M10 1.3 14.7 6l-.7.7-1-.2-2.6 2.6.1 2.4-.8.7-3-3L2.3 14l-.6-.6 4.7-4.5-3-3 .7-.7 2.4.1L9.1 2.7 9 1.9z',
  play: 'M4 2.2 13 8l-9 5.8z',
  save: 'M2 2h9.7L14 4.3V14H2zm1 1v10h1V9h8v4h1V4.7L11.3 3H11v3H5V3zm3 0v2h4V3zm-1 7v3h6v-3z',
  stop: 'M3 3h10v10H3z',
  swap: 'M5 2 1.5 5.5 5 9l.7-.7L3.4 6H11V5H3.4l2.3-2.3zm6 5-.7.7L12.6 10H5v1h7.6l-2.3 2.3.7.7 3.5-3.5z',
  up: 'M8 5l5.4 5.4-.8.7L8 6.5l-4.6 4.6-.8-.7z',
  warning: 'M8 1.5 15 14H1zm0 2L2.7 13h10.6zM7.5 6.5h1v3.3h-1zm0 4.2h1v1.2h-1z',
  zoomIn:
    'M7 1a6 6 0 0 1 4.7 9.7l3.6 3.6-.7.7-3.6-3.6A6 6 0 1 1 7 1m0 1a5 5 0 1 0 0 10A5 5 0 0 0 7 2m-.5 2h1v2.5H10v1H7.5V10h-1V7.5H4v-1h2.5z',
} as const;

export type IconName = keyof typeof paths;

/** A picture beside words; readers of the screen pass over it. */
export const Icon = ({ name, slot }: { readonly name: IconName; readonly slot?: string }) => (
  <svg
    class="icon"
    slot={slot}
    viewBox="0 0 16 16"
    width="16"
    height="16"
    aria-hidden="true"
    focusable="false"
  >
    <path d={paths[name]} fill="currentColor" />
  </svg>
);
