// Reads server-sent events (WHATWG HTML, 9.2) from chunks of text. Pure.

/** A longer line ends the stream with an error. */
const LINE_MAX = 16 << 20;

/** One block. `data` is undefined if the block only moves the position. */
export interface Message {
  id: string | undefined;
  data: string | undefined;
}

/** Takes chunks, and returns the complete messages. */
export class Parser {
  #rest = "";
  #data: string[] = [];
  #id: string | undefined;

  feed(chunk: string): Message[] {
    const lines = (this.#rest + chunk).split("\n");
    this.#rest = lines.pop() ?? "";
    if (this.#rest.length > LINE_MAX) throw new RangeError(`a line of the stream is longer than ${LINE_MAX}`);
    return lines.flatMap((line) => this.#line(line.replace(/\r$/, "")) ?? []);
  }

  #line(line: string): Message | undefined {
    if (line === "") {
      const message = { id: this.#id, data: this.#data.length > 0 ? this.#data.join("\n") : undefined };
      this.#data = [];
      this.#id = undefined;
      return message.id === undefined && message.data === undefined ? undefined : message;
    }
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") this.#data.push(value);
    else if (name === "id" && !value.includes("\0")) this.#id = value;
    return undefined;
  }
}
