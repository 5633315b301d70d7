import type { JSX } from 'preact';
import { useService } from '../app/service.js';
import { describeProblem, NOT_ALLOWED, type Problem } from './problem.js';

/** Says what went wrong and what can be done; nothing where nothing did. */
export function ProblemNotice({ error }: { error: unknown }): JSX.Element | null {
  return error === undefined ? null : <Notice {...describeProblem(error)} />;
}

/** Stands where something would be that the key does not allow; the service need not be asked for it. */
export function ScopeNotice({ scope }: { scope: string }): JSX.Element {
  return <Notice kind="scope" title={NOT_ALLOWED} detail={`This API key lacks the scope "${scope}".`} faults={[]} />;
}

function Notice({ kind, title, detail, faults, code, requestId }: Problem): JSX.Element {
  const { askForKey } = useService();
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
