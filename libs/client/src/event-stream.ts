/** An event of a `text/event-stream`. */
export interface ServerEvent {
  /** Of the last event that had one. */
  readonly id: string | undefined;
  readonly type: string;
  readonly data: string;
}

/** Events of a stream of lines, as the HTML standard parses them (section 9.2.6). One that was cut off is none. */
export async function* serverEvents(lines: AsyncIterable<string>): AsyncGenerator<ServerEvent, void, undefined> {
  let id: string | undefined;
  let type = '';
  let data: string[] = [];
  for await (const line of lines) {
    if (line === '') {
      if (data.length > 0) yield { id, type: type === '' ? 'message' : type, data: data.join('\n') };
      type = '';
      data = [];
      continue;
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'id' && !value.includes('\0')) id = value;
    else if (field === 'event') type = value;
    else if (field === 'data') data.push(value);
  }
}
