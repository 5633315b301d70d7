import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';

/** Pages without TLS have no clipboard of the modern kind. */
async function copy(text: string): Promise<void> {
  if (isSecureContext) return navigator.clipboard.writeText(text);
  const area = Object.assign(document.createElement('textarea'), { value: text });
  document.body.append(area);
  area.select();
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- there is no other way on such a page
  document.execCommand('copy');
  area.remove();
}

export function CopyButton({ text }: { text: string }): JSX.Element {
  const [said, setSaid] = useState('Copy');
  useEffect(() => {
    if (said === 'Copy') return undefined;
    const timer = setTimeout(() => setSaid('Copy'), 1_500);
    return () => clearTimeout(timer);
  }, [said]);
  return (
    <button
      type="button"
      class="small"
      onClick={() =>
        void copy(text).then(
          () => setSaid('Copied'),
          () => setSaid('Not allowed'),
        )
      }
    >
      <span aria-live="polite">{said}</span>
    </button>
  );
}
