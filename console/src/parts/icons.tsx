// Icons, drawn on a grid of 24 with lines, so that they follow the text's colour.

const PATHS = {
  overview: "M4 19V10M10 19V5M16 19v-7M21 19H3",
  tail: "M3 12h3l3-8 5 16 3-8h4",
  events: "M4 6h16M4 12h16M4 18h10",
  composer: "M5 19h4L20 8l-4-4L5 15zM14 6l4 4",
  ticket: "M4 7h16v3a2 2 0 0 0 0 4v3H4v-3a2 2 0 0 0 0-4zM14 7v10",
  subscriptions: "M6 9a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM18 21a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM6 9v4a5 5 0 0 0 5 5h4",
  deadLetters: "M4 6h16v12H4zM4 7l8 6 8-6M16 3l5 5",
  replays: "M4 12a8 8 0 1 0 3-6.2M4 4v4h4M12 8v4l3 2",
  keys: "M15 9m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0M12 12l-8 8M7 17l2 2",
  customers: "M9 11a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM2 21a7 7 0 0 1 14 0M16 4a4 4 0 0 1 0 7M22 21a7 7 0 0 0-5-6.7",
  usage: "M12 3v9l7 5M12 21a9 9 0 1 1 0-18 9 9 0 0 1 0 18z",
  system: "M4 5h16v6H4zM4 13h16v6H4zM8 8h.01M8 16h.01",
  eventTypes: "M4 4h7v7H4zM13 13h7v7h-7zM17 4v6M14 7h6M4 17h6M7 14v6",
  audit: "M6 3h9l4 4v14H6zM9 12h7M9 16h7M9 8h3",
  trigger: "M13 2L4 14h7l-1 8 9-12h-7z",
  webhooks: "M4 13v6h16v-6M12 3v11M8 10l4 4 4-4",
  search: "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM21 21l-5-5",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  check: "M5 13l4 4L19 7",
  cross: "M6 6l12 12M18 6L6 18",
  warning: "M12 4L2 20h20zM12 10v4M12 17h.01",
  info: "M12 21a9 9 0 1 1 0-18 9 9 0 0 1 0 18zM12 11v5M12 8h.01",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.5 1.5M17.5 17.5L19 19M5 19l1.5-1.5M17.5 6.5L19 5",
  moon: "M20 14A8 8 0 0 1 10 4a8 8 0 1 0 10 10z",
  out: "M10 4H4v16h6M14 8l4 4-4 4M18 12H9",
  menu: "M4 6h16M4 12h16M4 18h16",
  right: "M9 6l6 6-6 6",
  refresh: "M20 11A8 8 0 1 0 18 17M20 5v6h-6",
  pause: "M8 5v14M16 5v14",
  play: "M7 4l13 8-13 8z",
  plus: "M12 5v14M5 12h14",
  trash: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13",
  send: "M21 3L3 10l7 3 3 7z",
  keyboard: "M3 6h18v12H3zM7 10h.01M11 10h.01M15 10h.01M7 14h10",
  shield: "M12 3l8 3v6c0 5-4 8-8 9-4-1-8-4-8-9V6z",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

export function Logo() {
  return (
    <svg class="logo" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" class="logo-ground" />
      <path class="logo-wave" d="M6 12c3.3-3 6.7-3 10 0s6.7 3 10 0M6 20c3.3-3 6.7-3 10 0s6.7 3 10 0" />
    </svg>
  );
}
