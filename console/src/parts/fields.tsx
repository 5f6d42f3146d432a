// Form fields: a label, the control, a hint, and the fault of the value.

import type { ComponentChildren, JSX } from "preact";
import { useId, useState } from "preact/hooks";
import { texts } from "../texts.ts";

interface FieldProps {
  label: string;
  hint?: ComponentChildren;
  error?: string | null | undefined;
  children: (attributes: { id: string; "aria-describedby": string | undefined; "aria-invalid": boolean }) => ComponentChildren;
}

export function Field({ label, hint, error, children }: FieldProps) {
  const id = useId();
  const about = hint || error ? `${id}-about` : undefined;
  return (
    <div class={`field ${error ? "wrong" : ""}`}>
      <label for={id}>{label}</label>
      {children({ id, "aria-describedby": about, "aria-invalid": Boolean(error) })}
      {about && (
        <p id={about} class={error ? "error" : "hint"}>
          {error || hint}
        </p>
      )}
    </div>
  );
}

interface TextProps extends Omit<JSX.IntrinsicElements["input"], "label"> {
  label: string;
  value: string;
  onText: (text: string) => void;
  hint?: ComponentChildren;
  error?: string | null | undefined;
}

export function TextField({ label, value, onText, hint, error, ...rest }: TextProps) {
  return (
    <Field label={label} hint={hint} error={error}>
      {(attributes) => (
        <input
          type="text"
          autocomplete="off"
          spellcheck={false}
          {...rest}
          {...attributes}
          value={value}
          onInput={(event) => onText(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}

interface AreaProps extends Omit<JSX.IntrinsicElements["textarea"], "label"> {
  label: string;
  value: string;
  onText: (text: string) => void;
  hint?: ComponentChildren;
  error?: string | null | undefined;
}

export function TextArea({ label, value, onText, hint, error, ...rest }: AreaProps) {
  return (
    <Field label={label} hint={hint} error={error}>
      {(attributes) => (
        <textarea spellcheck={false} {...rest} {...attributes} value={value} onInput={(event) => onText(event.currentTarget.value)} />
      )}
    </Field>
  );
}

export type Choice = readonly [value: string, label: string];

export function Select({ label, value, choices, onChoice, hint }: { label: string; value: string; choices: readonly Choice[]; onChoice: (value: string) => void; hint?: ComponentChildren }) {
  return (
    <Field label={label} hint={hint}>
      {(attributes) => (
        <select {...attributes} value={value} onChange={(event) => onChoice(event.currentTarget.value)}>
          {choices.map(([choice, text]) => (
            <option key={choice} value={choice}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

/** A choice of a few values, all of them visible. */
export function Segments({ label, value, choices, onChoice }: { label: string; value: string; choices: readonly Choice[]; onChoice: (value: string) => void }) {
  return (
    <div class="segments" role="group" aria-label={label}>
      {choices.map(([choice, text]) => (
        <button type="button" key={choice} aria-pressed={choice === value} onClick={() => onChoice(choice)}>
          {text}
        </button>
      ))}
    </div>
  );
}

export function Check({ label, checked, onCheck, hint }: { label: string; checked: boolean; onCheck: (checked: boolean) => void; hint?: string }) {
  const id = useId();
  return (
    <div class="check">
      <input type="checkbox" id={id} checked={checked} onChange={(event) => onCheck(event.currentTarget.checked)} />
      <label for={id}>
        {label}
        {hint && <span class="hint">{hint}</span>}
      </label>
    </div>
  );
}

/** A local time; its value is RFC 3339 in UTC, or empty. */
export function TimeField({ label, value, onTime, hint }: { label: string; value: string; onTime: (value: string) => void; hint?: string }) {
  const [wrong, setWrong] = useState(false);
  return (
    <Field label={label} hint={hint} error={wrong ? texts.notATime : null}>
      {(attributes) => (
        <input
          type="datetime-local"
          step={1}
          {...attributes}
          value={value === "" ? "" : toLocalInput(value)}
          onChange={(event) => {
            const text = event.currentTarget.value;
            const date = new Date(text);
            const bad = text !== "" && Number.isNaN(date.getTime());
            setWrong(bad);
            if (!bad) onTime(text === "" ? "" : date.toISOString());
          }}
        />
      )}
    </Field>
  );
}

function toLocalInput(value: string): string {
  const date = new Date(value);
  if (Number.isNaN(date.getTime())) return "";
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
