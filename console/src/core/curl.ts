// The curl command that sends the same request. The credential is a shell variable, so
// a copied command holds no secret.

export interface CurlRequest {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: string | null;
  credential: "SLUICE_API_KEY" | "SLUICE_ADMIN_TOKEN" | null;
}

export function curlOf(request: CurlRequest): string {
  const parts = [`curl -sS -X ${request.method} ${quote(request.url)}`];
  if (request.credential) parts.push(`-H "Authorization: Bearer $${request.credential}"`);
  for (const [name, value] of Object.entries(request.headers)) parts.push(`-H ${quote(`${name}: ${value}`)}`);
  if (request.body !== null) parts.push(`--data-binary ${quote(request.body)}`);
  return parts.join(" \\\n  ");
}

/** One word of a POSIX shell. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
