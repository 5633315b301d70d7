/**
 * Lines of UTF-8 bytes without their ends, which are LF or CRLF. A last one without an end was cut off.
 *
 * @throws what `cutOff` gives then
 */
export async function* wholeLines(chunks: AsyncIterable<Uint8Array>, cutOff?: () => Error): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  // Joined once a line is whole: a long line may come in many chunks.
  let parts: string[] = [];
  for await (const chunk of chunks) {
    const pieces = decoder.decode(chunk, { stream: true }).split('\n');
    for (let at = 0; at < pieces.length - 1; at += 1) {
      parts.push(pieces[at]!);
      const line = parts.length === 1 ? parts[0]! : parts.join('');
      parts = [];
      yield line.endsWith('\r') ? line.slice(0, -1) : line;
    }
    const rest = pieces.at(-1)!;
    if (rest !== '') parts.push(rest);
  }
  if (parts.length > 0 && cutOff !== undefined) throw cutOff();
}
