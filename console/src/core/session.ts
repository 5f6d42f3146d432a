// The session. The credential is in the tab's session storage and goes into the
// Authorization header of requests, never into a URL.

import { useEffect, useState } from "preact/hooks";

export type Audience = "customers" | "operators";

/** The server's description of itself, before anyone is signed in. */
export interface About {
  audience: Audience;
  version: string;
  environment: string;
  /** Whether the routes of `sluice demo` are beside the API. */
  demo?: boolean;
}

const CREDENTIAL = "sluice.credential";

type Listener = () => void;

class SignedIn {
  private readonly listeners = new Set<Listener>();
  /** Why the last session ended, for the sign-in page. */
  endedBecause: string | null = null;

  get credential(): string | null {
    return sessionStorage.getItem(CREDENTIAL);
  }

  signIn(credential: string): void {
    sessionStorage.setItem(CREDENTIAL, credential);
    this.endedBecause = null;
    this.tell();
  }

  signOut(because: string | null): void {
    sessionStorage.clear();
    this.endedBecause = because;
    this.tell();
  }

  subscribe(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private tell(): void {
    for (const listener of this.listeners) listener();
  }
}

export const session = new SignedIn();

/** The credential, or null; the component is drawn again when it changes. */
export function useCredential(): string | null {
  const [credential, set] = useState(session.credential);
  useEffect(() => session.subscribe(() => set(session.credential)), []);
  return credential;
}
