import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { clientCodeOf, curlOf, pythonOf, type Asked } from './request-snippets.js';

const BODY = { query: "what's a 'quote' & $HOME `x` \\ \"?\" '''", documents: ["it's\nso", '\u00e4 🍎'] };
const asked = (more: Partial<Asked> = {}): Asked => ({ kind: 'rerank', url: 'http://127.0.0.1:8080', hasKey: false, body: BODY, ...more });

describe(curlOf, () => {
  it('survives the shell, whatever is in the texts', () => {
    const command = curlOf(asked()).replace(/^curl/, 'printf "%s\\0"');
    const { stdout } = spawnSync('sh', ['-c', command], { encoding: 'utf8', env: {} });
    const [, url, , type, , body] = stdout.split('\0');
    expect([url, type]).toEqual(['http://127.0.0.1:8080/v1/rerank', 'content-type: application/json']);
    expect(JSON.parse(body!)).toEqual(BODY);
  });

  it('takes the key from the environment', () => {
    const command = curlOf(asked({ hasKey: true })).replace(/^curl/, 'printf "%s\\0"');
    const { stdout } = spawnSync('sh', ['-c', command], { encoding: 'utf8', env: { RERANK_API_KEY: 'of the shell' } });
    expect(stdout.split('\0')).toContain('authorization: Bearer of the shell');
  });
});

describe(clientCodeOf, () => {
  it('is the call of the client with the same body', () => {
    const code = clientCodeOf(asked({ kind: 'search', hasKey: true }));
    expect(code).toContain("new RerankClient({ baseUrl: 'http://127.0.0.1:8080', apiKey: process.env.RERANK_API_KEY })");
    const body = /client\.search\((.*?)\);\nfor/s.exec(code)?.[1];
    expect(JSON.parse(body!)).toEqual(BODY);
  });
});

describe(pythonOf, () => {
  it('carries the body through Python’s own quotes', () => {
    const text = /r'''(.*?)'''\)/s.exec(pythonOf(asked()))?.[1];
    expect(JSON.parse(text!)).toEqual(BODY);
  });

  it('asks the environment for the key', () => {
    expect(pythonOf(asked({ hasKey: true }))).toContain('os.environ["RERANK_API_KEY"]');
    expect(pythonOf(asked())).not.toContain('os.environ');
  });
});
