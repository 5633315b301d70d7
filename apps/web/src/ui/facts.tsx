import type { ComponentChildren, JSX } from 'preact';

/** Names with their values; entries that are undefined are left out. */
export function Facts({ of }: { of: readonly (readonly [name: string, value: ComponentChildren] | undefined)[] }): JSX.Element {
  return (
    <dl>
      {of.map(
        (fact) =>
          fact !== undefined && (
            <div key={fact[0]}>
              <dt>{fact[0]}</dt>
              <dd>{fact[1]}</dd>
            </div>
          ),
      )}
    </dl>
  );
}
