// @vitest-environment happy-dom
import { RerankApiError } from '@rerank-fleet/client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { doing, mount, settled, type Mounted } from '../../test/mount.js';
import { useAction } from './use-action.js';
import { useCall, type CallPlan } from './use-call.js';

interface Asked {
  readonly name: string;
  readonly signal: AbortSignal;
  readonly answer: (value: string) => void;
  readonly fail: (error: Error) => void;
}

let page: Mounted;
const asked: Asked[] = [];
const ask = (name: string, signal: AbortSignal): Promise<string> =>
  new Promise((answer, fail) => asked.push({ name, signal, answer, fail }));

function Shown({ name, plan }: { name: string; plan: CallPlan }) {
  const { value, error, loading } = useCall((signal) => ask(name, signal), [name], plan);
  return <p>{[value ?? 'nothing', error instanceof Error ? error.message : 'fine', loading ? 'loading' : 'still'].join(' ')}</p>;
}
const show = (name: string, plan: CallPlan = {}): void => page.show(<Shown name={name} plan={plan} />);
const later = (ms: number): Promise<void> => settled(() => void vi.advanceTimersByTime(ms));

beforeEach(() => {
  asked.length = 0;
  page = mount();
});
afterEach(() => {
  vi.useRealTimers();
  page.leave();
});

describe(useCall, () => {
  it('never shows an answer to what is not asked any more', async () => {
    show('a');
    show('b');
    expect(asked.map(({ name, signal }) => [name, signal.aborted])).toEqual([
      ['a', true],
      ['b', false],
    ]);
    await settled(() => asked[1]!.answer('of b'));
    await settled(() => asked[0]!.answer('of a'));
    expect(page.root.textContent).toBe('of b fine still');
  });

  it('asks again after each answer, keeps what it knew, and says when that fails', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    show('a', { everyMs: 1_000 });
    await later(5_000);
    expect(asked).toHaveLength(1);
    await settled(() => asked[0]!.answer('one'));
    await later(1_000);
    expect(asked).toHaveLength(2);
    expect(page.root.textContent).toBe('one fine loading');
    await settled(() => asked[1]!.fail(new Error('away')));
    expect(page.root.textContent).toBe('one away still');
    await later(1_000);
    await settled(() => asked[2]!.answer('two'));
    expect(page.root.textContent).toBe('two fine still');
  });

  it('does not ask again what the key may not have', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    show('a', { everyMs: 1_000 });
    await settled(() => asked[0]!.fail(new RerankApiError({ code: 'forbidden', status: 403, detail: 'No.' })));
    await later(60_000);
    expect(asked).toHaveLength(1);
  });

  it('ends its call when the page is left', () => {
    show('a');
    page.leave();
    expect(asked[0]!.signal.aborted).toBe(true);
  });
});

describe(useAction, () => {
  function Button() {
    const action = useAction(async (signal, name: string) => {
      await ask(name, signal);
    });
    return (
      <button type="button" onClick={() => action.run('go')} onDblClick={action.stop}>
        {action.busy ? 'busy' : action.error instanceof Error ? action.error.message : 'idle'}
      </button>
    );
  }
  const click = (kind = 'click'): void =>
    doing(() => void page.root.querySelector('button')!.dispatchEvent(new MouseEvent(kind, { bubbles: true })));

  it('is busy until it is done, and tells what went wrong', async () => {
    page.show(<Button />);
    click();
    expect(page.root.textContent).toBe('busy');
    await settled(() => asked[0]!.fail(new Error('refused')));
    expect(page.root.textContent).toBe('refused');
    click();
    await settled(() => asked[1]!.answer(''));
    expect(page.root.textContent).toBe('idle');
  });

  it('forgets a call that was stopped', async () => {
    page.show(<Button />);
    click();
    click('dblclick');
    expect([page.root.textContent, asked[0]!.signal.aborted]).toEqual(['idle', true]);
    await settled(() => asked[0]!.fail(new Error('late')));
    expect(page.root.textContent).toBe('idle');
  });
});
