// The agent's rule for tickets: a ticket triggers an event if its priority is
// high, or if it has one of these words.

export const TRIGGER_WORDS = ["angry", "urgent", "critical", "escalate", "emergency"] as const;

export type Priority = "low" | "normal" | "high";

export interface TicketVerdict {
  triggers: boolean;
  priorityIsHigh: boolean;
  /** Where the words are: in order, not overlapping. */
  hits: { start: number; end: number; word: string }[];
}

const WORDS = new RegExp(`(?<![\\p{L}\\p{N}])(?:${TRIGGER_WORDS.join("|")})(?![\\p{L}\\p{N}])`, "giu");

export function judgeTicket(text: string, priority: Priority): TicketVerdict {
  const hits = [...text.matchAll(WORDS)].map((match) => ({
    start: match.index,
    end: match.index + match[0].length,
    word: match[0].toLowerCase(),
  }));
  const priorityIsHigh = priority === "high";
  return { triggers: priorityIsHigh || hits.length > 0, priorityIsHigh, hits };
}
