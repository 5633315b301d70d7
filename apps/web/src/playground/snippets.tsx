import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { CopyButton } from '../ui/copy-button.js';
import { clientCodeOf, curlOf, pythonOf, type Asked } from './request-snippets.js';

const FORMS = [
  { name: 'curl', write: curlOf },
  { name: 'TypeScript', write: clientCodeOf },
  { name: 'Python', write: pythonOf },
] as const;

/** The request of the form, ready to be taken elsewhere. */
export function Snippets({ asked }: { asked: Asked }): JSX.Element {
  const [chosen, setChosen] = useState(0);
  const text = FORMS[chosen]!.write(asked);
  return (
    <details class="snippets">
      <summary>This request as code</summary>
      <div class="row">
        <div class="segments" role="group" aria-label="Language">
          {FORMS.map(({ name }, index) => (
            <button key={name} type="button" aria-pressed={index === chosen} onClick={() => setChosen(index)}>
              {name}
            </button>
          ))}
        </div>
        <span class="spring" />
        <CopyButton text={text} />
      </div>
      <pre tabIndex={0}>{text}</pre>
    </details>
  );
}
