// Signing in: a customer's key, or the operators' token. It is tried first, and
// then kept in this tab only.

import { useState } from "preact/hooks";
import { tryCredential } from "../core/api.ts";
import { ApiFailure } from "../core/http.ts";
import { useAction } from "../core/load.ts";
import { type About, session } from "../core/session.ts";
import { Button, Failure, Notice } from "../parts/basics.tsx";
import { Field } from "../parts/fields.tsx";
import { Logo } from "../parts/icons.tsx";
import { texts } from "../texts.ts";

export function SignIn({ about }: { about: About }) {
  const [credential, setCredential] = useState("");
  const [shown, setShown] = useState(false);
  const [wrong, setWrong] = useState<string | null>(null);
  const t = texts.signIn;
  const isOperator = about.audience === "operators";
  const { run, running, error } = useAction(async () => {
    setWrong(null);
    const text = credential.trim();
    if (text === "") return setWrong(t.empty);
    // A header cannot hold it, so it cannot be a credential.
    if (!/^[\x21-\x7e]+$/.test(text)) return setWrong(t.odd);
    try {
      await tryCredential(about.audience, text);
    } catch (failure) {
      if (failure instanceof ApiFailure && failure.status === 401) return setWrong(isOperator ? t.wrongToken : t.wrongKey);
      // The key is right, but may not read subscriptions.
      if (!(failure instanceof ApiFailure && failure.status === 403 && failure.code !== "CUSTOMER_SUSPENDED")) throw failure;
    }
    session.signIn(text);
  });
  return (
    <main class="alone">
      <div class="sign-in">
        <Logo />
        <h1>{t.title}</h1>
        <p class="muted">{isOperator ? t.aboutOperators : t.aboutCustomers}</p>
        {session.endedBecause && <Notice tone="wait">{session.endedBecause}</Notice>}
        <form
          class="stack"
          onSubmit={(event) => {
            event.preventDefault();
            void run();
          }}
        >
          <Field label={isOperator ? t.token : t.key} error={wrong} hint={isOperator ? t.tokenHint : t.keyHint}>
            {(attributes) => (
              <input
                {...attributes}
                class="mono"
                type={shown ? "text" : "password"}
                autocomplete="off"
                spellcheck={false}
                autofocus
                value={credential}
                onInput={(event) => setCredential(event.currentTarget.value)}
              />
            )}
          </Field>
          <label class="inline">
            <input type="checkbox" checked={shown} onChange={(event) => setShown(event.currentTarget.checked)} /> {t.show}
          </label>
          <Failure error={error} />
          <Button look="primary" type="submit" busy={running}>
            {t.go}
          </Button>
        </form>
        <p class="fine">{t.kept}</p>
      </div>
    </main>
  );
}
