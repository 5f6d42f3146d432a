// The difference of two JSON values, as a list of paths.

import { type JsonNode, pathStep, sliceOf } from "./json.ts";

export type DiffKind = "added" | "removed" | "changed";

export interface DiffLine {
  kind: DiffKind;
  path: string;
  left: string | null;
  right: string | null;
}

export interface JsonText {
  text: string;
  node: JsonNode;
}

/** What must change in `left` to get `right`; at most `linesMax` lines. */
export function diffJson(left: JsonText, right: JsonText, linesMax = 1000): DiffLine[] {
  const lines: DiffLine[] = [];
  compare(left, right, "$", lines, linesMax);
  return lines;
}

function compare(left: JsonText, right: JsonText, path: string, lines: DiffLine[], linesMax: number): void {
  if (lines.length >= linesMax) return;
  const [a, b] = [left.node, right.node];
  if (a.kind !== b.kind || !a.children || !b.children) {
    const [was, is] = [sliceOf(left.text, a), sliceOf(right.text, b)];
    if (a.kind !== b.kind || !sameScalar(a, was, is)) lines.push({ kind: "changed", path, left: was, right: is });
    return;
  }
  const [before, after] = [byKey(a), byKey(b)];
  for (const [key, child] of before) {
    const other = after.get(key);
    const at = path + pathStep(key);
    if (other) compare({ text: left.text, node: child }, { text: right.text, node: other }, at, lines, linesMax);
    else lines.push({ kind: "removed", path: at, left: sliceOf(left.text, child), right: null });
  }
  for (const [key, child] of after) {
    if (!before.has(key)) {
      lines.push({ kind: "added", path: path + pathStep(key), left: null, right: sliceOf(right.text, child) });
    }
  }
}

/** Strings may be escaped in different ways; numbers are compared as they are written. */
function sameScalar(node: JsonNode, left: string, right: string): boolean {
  return left === right || (node.kind === "string" && JSON.parse(left) === JSON.parse(right));
}

function byKey(node: JsonNode): Map<string | number, JsonNode> {
  return new Map((node.children ?? []).map((child, index) => [child.key ?? index, child]));
}
