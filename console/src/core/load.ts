// Loads data while a view is shown: loading, failed or loaded.

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiFailure, isAborted } from "./http.ts";

export interface Loaded<T> {
  data: T | null;
  error: ApiFailure | null;
  loading: boolean;
  reload: () => void;
}

/** Asks again when `inputs` change, at `reload`, and each `everyMs` while the page is seen. */
export function useLoad<T>(
  fetchIt: (signal: AbortSignal) => Promise<T>,
  inputs: readonly unknown[],
  everyMs = 0,
): Loaded<T> {
  const [state, setState] = useState<Omit<Loaded<T>, "reload">>({ data: null, error: null, loading: true });
  const [turn, setTurn] = useState(0);
  const known = useRef<readonly unknown[]>(inputs);
  useEffect(() => {
    const controller = new AbortController();
    const changed = known.current.some((input, index) => input !== inputs[index]);
    known.current = inputs;
    setState((old) => ({ data: changed ? null : old.data, error: changed ? null : old.error, loading: true }));
    fetchIt(controller.signal).then(
      (data) => {
        if (!controller.signal.aborted) setState({ data, error: null, loading: false });
      },
      (error: unknown) => {
        if (controller.signal.aborted || isAborted(error)) return;
        setState((old) => ({ data: old.data, error: asFailure(error), loading: false }));
      },
    );
    return () => controller.abort();
  }, [...inputs, turn]);
  const reload = useCallback(() => setTurn((old) => old + 1), []);
  useEffect(() => {
    if (everyMs <= 0) return;
    const timer = setInterval(() => {
      if (!document.hidden) reload();
    }, everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  useEffect(() => {
    addEventListener("sluice:reload", reload);
    return () => removeEventListener("sluice:reload", reload);
  }, []);
  return { ...state, reload };
}

export function asFailure(error: unknown): ApiFailure {
  if (error instanceof ApiFailure) return error;
  return new ApiFailure(0, "CONSOLE", error instanceof Error ? error.message : String(error), {}, null, null);
}

/** Runs one action at a time; tells whether it runs, and how it failed. */
export function useAction<A extends unknown[]>(
  act: (...args: A) => Promise<void>,
): { run: (...args: A) => Promise<void>; running: boolean; error: ApiFailure | null; clear: () => void } {
  const [running, setRunning] = useState(false);
  const [error, setError] = useState<ApiFailure | null>(null);
  const busy = useRef(false);
  const run = async (...args: A): Promise<void> => {
    if (busy.current) return;
    busy.current = true;
    setRunning(true);
    setError(null);
    try {
      await act(...args);
    } catch (failure) {
      setError(asFailure(failure));
    } finally {
      busy.current = false;
      setRunning(false);
    }
  };
  return { run, running, error, clear: () => setError(null) };
}
