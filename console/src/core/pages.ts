// An endless list, read page by page. Pages far from the view are dropped and read
// again by their cursors, so a list of a million takes no more memory than a short one.

import type { InboxPage } from "./types.ts";
import { type EventLine, lineOf } from "./tail.ts";

/** Pages whose lines are kept. */
const KEPT_PAGES = 40;
export const PAGE_EVENTS = 250;

interface Page {
  /** The cursor that reads it; null reads the first. */
  cursor: string | null;
  /** The index of its first event. */
  first: number;
  count: number;
  lines: EventLine[] | null;
  usedAt: number;
  loading: boolean;
}

export type ReadPage = (cursor: string | null, signal: AbortSignal) => Promise<InboxPage>;

export class EventPages {
  private pages: Page[] = [];
  private next: { cursor: string | null } | null = { cursor: null };
  private readonly controller = new AbortController();
  private uses = 0;
  private extending = false;
  length = 0;
  failure: unknown = null;

  constructor(
    private readonly read: ReadPage,
    private readonly changed: () => void,
  ) {}

  stop(): void {
    this.controller.abort();
  }

  /** Whether there are more lines than `length`. */
  get hasMore(): boolean {
    return this.next !== null;
  }

  get loading(): boolean {
    return this.extending;
  }

  /** The line, or null while its page is being read. */
  line(index: number): EventLine | null {
    const page = this.pageOf(index);
    if (!page) return null;
    this.uses += 1;
    page.usedAt = this.uses;
    if (!page.lines) void this.restore(page);
    return page.lines?.[index - page.first] ?? null;
  }

  /** Reads the next page when the view comes near the end. */
  want(index: number): void {
    if (index >= this.length - PAGE_EVENTS / 2) void this.extend();
  }

  async extend(): Promise<void> {
    if (this.extending || !this.next || this.failure) return;
    this.extending = true;
    this.changed();
    const { cursor } = this.next;
    try {
      const answer = await this.read(cursor, this.controller.signal);
      const lines = answer.events.map(lineOf);
      if (lines.length > 0) {
        this.uses += 1;
        this.pages.push({
          cursor,
          first: this.length,
          count: lines.length,
          lines,
          usedAt: this.uses,
          loading: false,
        });
        this.length += lines.length;
        this.letGo();
      }
      this.next = answer.has_more ? { cursor: answer.cursor } : null;
    } catch (error) {
      if (!this.controller.signal.aborted) this.failure = error;
    }
    this.extending = false;
    this.changed();
    // A page of a rare filter may be empty although more pages follow.
    if (this.length === 0 && this.next && !this.failure && !this.controller.signal.aborted) await this.extend();
  }

  retry(): void {
    this.failure = null;
    void this.extend();
  }

  private async restore(page: Page): Promise<void> {
    if (page.loading) return;
    page.loading = true;
    try {
      const answer = await this.read(page.cursor, this.controller.signal);
      // Events that came since do not move: a cursor is a position.
      page.lines = answer.events.slice(0, page.count).map(lineOf);
      this.letGo();
      this.changed();
    } catch (error) {
      if (!this.controller.signal.aborted) this.failure = error;
    }
    page.loading = false;
  }

  private letGo(): void {
    const kept = this.pages.filter((page) => page.lines);
    if (kept.length <= KEPT_PAGES) return;
    kept.sort((a, b) => a.usedAt - b.usedAt);
    for (const page of kept.slice(0, kept.length - KEPT_PAGES)) page.lines = null;
  }

  private pageOf(index: number): Page | undefined {
    let [low, high] = [0, this.pages.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.pages[middle]!.first <= index) low = middle;
      else high = middle - 1;
    }
    const page = this.pages[low];
    return page && index < page.first + page.count ? page : undefined;
  }
}
