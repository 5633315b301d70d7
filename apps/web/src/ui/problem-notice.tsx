import type { JSX } from 'preact';
import { useService } from '../app/service.js';
import { describeProblem } from './problem.js';

/** Says what went wrong and what can be done; nothing where nothing did. */
export function ProblemNotice({ error }: { error: unknown }): JSX.Element | null {
  const { askForKey } = useService();
  if (error === undefined) return null;
  const { kind, title, detail, faults, code, requestId } = describeProblem(error);
  return (
    <div class={`notice ${kind === 'scope' || kind === 'key' ? 'mild' : 'bad'}`} role="alert">
      <strong>{title}</strong>
      {detail !== '' && <p>{detail}</p>}
      {faults.length > 0 && (
        <ul>
          {faults.map((fault) => (
            <li key={fault.pointer}>
              <code>{fault.pointer === '' ? 'body' : fault.pointer}</code> {fault.detail}
            </li>
          ))}
        </ul>
      )}
      {(kind === 'key' || kind === 'scope') && (
        <button type="button" class="small" onClick={askForKey}>
          {kind === 'key' ? 'Enter a key' : 'Use another key'}
        </button>
      )}
      {kind === 'fault' && code !== undefined && (
        <p class="fine">
          <code>{code}</code>
          {requestId !== undefined && (
            <>
              {' '}
              · request <code>{requestId}</code>
            </>
          )}
        </p>
      )}
    </div>
  );
}
