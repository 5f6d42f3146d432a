// A JSON value as a tree whose branches open on demand. Everything is drawn as text, so
// no part of a payload becomes markup.

import { useMemo, useState } from "preact/hooks";
import { clip, plainText } from "../core/format.ts";
import { type JsonNode, JsonError, pathStep, prettyJson, readJson, sliceOf } from "../core/json.ts";
import { texts } from "../texts.ts";
import { Copy } from "./copy.tsx";
import { Segments } from "./fields.tsx";
import { Button } from "./basics.tsx";

/** Children shown of one value before "more" is asked for. */
const CHILDREN_STEP = 100;
/** Characters of a string that are shown before it is opened. */
const STRING_MAX = 400;
/** Characters of the raw text that are drawn. */
const RAW_MAX = 300_000;
const OPEN_DEPTH = 2;

export function JsonView({ text, onPath }: { text: string; onPath?: (path: string) => void }) {
  const [form, setForm] = useState("tree");
  const read = useMemo((): { node: JsonNode } | { error: string } => {
    try {
      return { node: readJson(text) };
    } catch (error) {
      return { error: error instanceof JsonError ? error.fault : String(error) };
    }
  }, [text]);
  if ("error" in read) return <pre class="raw" tabIndex={0}>{plainText(clip(text, RAW_MAX))}</pre>;
  const { node } = read;
  const raw = form === "tree" ? "" : form === "raw" ? text : prettyJson(text, node);
  return (
    <div class="json">
      <div class="bar">
        <Segments
          label={texts.json.form}
          value={form}
          choices={[["tree", texts.json.tree], ["pretty", texts.json.pretty], ["raw", texts.json.raw]]}
          onChoice={setForm}
        />
        <span class="grow" />
        <Copy text={() => (form === "pretty" ? prettyJson(text, node) : text)} label={texts.json.copyAll} />
      </div>
      {form === "tree" ? (
        <ul class="tree" aria-label={texts.json.tree}>
          <Branch text={text} node={node} path="$" depth={0} onPath={onPath} />
        </ul>
      ) : (
        <pre class="raw" tabIndex={0}>
          {plainText(clip(raw, RAW_MAX))}
        </pre>
      )}
      {raw.length > RAW_MAX && <p class="hint">{texts.json.cut(RAW_MAX, raw.length)}</p>}
    </div>
  );
}

interface BranchProps {
  text: string;
  node: JsonNode;
  path: string;
  depth: number;
  onPath: ((path: string) => void) | undefined;
  index?: number;
}

function Branch({ text, node, path, depth, onPath, index }: BranchProps) {
  const [open, setOpen] = useState(depth < OPEN_DEPTH && (node.children?.length ?? 0) <= CHILDREN_STEP);
  const [shown, setShown] = useState(CHILDREN_STEP);
  const name = node.key ?? index;
  const children = node.children;
  const label = name === undefined ? null : <span class={typeof name === "number" ? "json-index" : "json-key"}>{plainText(clip(String(name), 200))}</span>;
  return (
    <li>
      <div class="json-line">
        {children && children.length > 0 ? (
          <button type="button" class="twist" aria-expanded={open} onClick={() => setOpen(!open)}>
            {label}
            <span class="muted">{texts.json.size(node.kind === "array", children.length)}</span>
          </button>
        ) : (
          <span class="leaf">
            {label}
            <Scalar text={text} node={node} />
          </span>
        )}
        <span class="json-actions">
          <Copy text={path} title={path} aria-label={texts.json.copyPath(path)} />
          {onPath && (
            <Button look="quiet" icon="subscriptions" title={texts.json.usePath} aria-label={`${texts.json.usePath}: ${path}`} onClick={() => onPath(path)} />
          )}
        </span>
      </div>
      {open && children && (
        <ul>
          {children.slice(0, shown).map((child, nth) => {
            const key = child.key ?? nth;
            return <Branch key={nth} text={text} node={child} path={path + pathStep(key)} depth={depth + 1} onPath={onPath} index={nth} />;
          })}
          {children.length > shown && (
            <li>
              <Button look="quiet" onClick={() => setShown(shown + CHILDREN_STEP * 5)}>
                {texts.json.more(children.length - shown)}
              </Button>
            </li>
          )}
        </ul>
      )}
    </li>
  );
}

function Scalar({ text, node }: { text: string; node: JsonNode }) {
  const [open, setOpen] = useState(false);
  const slice = sliceOf(text, node);
  if (node.children) return <span class="muted">{node.kind === "array" ? "[ ]" : "{ }"}</span>;
  if (node.kind !== "string") return <span class={`json-${node.kind}`}>{clip(slice, 2000)}</span>;
  const value = plainText(JSON.parse(slice) as string);
  const long = value.length > STRING_MAX;
  return (
    <span class="json-string">
      “{open ? clip(value, RAW_MAX) : clip(value, STRING_MAX)}”
      {long && (
        <Button look="quiet" onClick={() => setOpen(!open)}>
          {open ? texts.json.less : texts.json.all(value.length)}
        </Button>
      )}
    </span>
  );
}
