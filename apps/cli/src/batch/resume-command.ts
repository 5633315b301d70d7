/** What to type to go on with a run, as it can be pasted. */
export function resumeCommand(path: string): string {
  return `\`rerank batch --resume -o ${/^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`}\``;
}
