/** Has the browser save a file. */
export function saveFile(name: string, blob: Blob): void {
  const url = URL.createObjectURL(blob);
  Object.assign(document.createElement('a'), { href: url, download: name }).click();
  // The download has begun with the next task.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
