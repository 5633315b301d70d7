import { once } from 'node:events';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { IngestOutcome } from '@rerank-fleet/core/contracts';
import { RerankError } from '@rerank-fleet/core/errors';
import type { CorpusRef, StoredDocument } from '@rerank-fleet/core/domain';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { corpusRecord } from '../support/fleet-fixtures.js';
import { startTestApi, type TestApi } from './api-support.js';
import { runCli, startCli, type CliRun } from './cli-process.js';

const MANUALS: CorpusRef = { tenant: 'default', corpus: 'manuals' };

let api: TestApi;
let url: string;
let folder: string;

beforeEach(async () => {
  api = await startTestApi({ SYNC_TIMEOUT_MS: '2000' });
  url = await api.listen();
  folder = await mkdtemp(join(tmpdir(), 'rerank-corpora-'));
});
afterEach(async () => {
  await api.close();
  await rm(folder, { recursive: true });
});

const rerank = (args: readonly string[], input?: string | Uint8Array): Promise<CliRun> =>
  runCli(args, { env: { RERANK_URL: url }, ...(input === undefined ? {} : { input }) });
const documentsOf = (corpus: string): StoredDocument[] => [...(api.fleet.documents.documents.get(`default/${corpus}`)?.values() ?? [])];
const withoutSeq = (documents: readonly StoredDocument[]) => documents.map(({ seq: _, ...document }) => document);
const linesOf = (text: string): Record<string, unknown>[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
/** What the last PUT of a corpus asked for. */
const askedSettings = (): unknown => {
  const bodies = api.fleet.calls.map(({ body }) => body);
  return bodies.flatMap((body) => (body.kind === 'corpus' && body.change.op === 'put' ? [body.change.settings] : [])).at(-1);
};

/** A corpus with documents of all kinds. */
async function manuals(count = 3): Promise<void> {
  const record = corpusRecord(MANUALS);
  await api.fleet.documents.createCorpus({
    ...record,
    settings: { ...record.settings, fields: { year: 'integer' }, stages: [{ model: 'tiny-reranker' }] },
  });
  const kinds = [
    { text: 'plain' },
    { title: 'A title', text: 'lines\nand "quotes" \u2028 and ünïcode' },
    { text: 'with metadata', metadata: { year: 2_020, deep: { list: [1, null, 'x'] } } },
  ];
  await api.fleet.documents.putDocuments(
    MANUALS,
    Array.from({ length: count }, (_, at) => ({ id: `d/${at} ü`, seq: 1, ...kinds[at % 3]! })),
  );
}

describe('rerank corpora set', () => {
  it('changes settings of a corpus that is there, and leaves what is not named', async () => {
    await manuals();
    expect((await rerank(['corpora', 'set', 'manuals', '--max-tokens', '100', '--field', 'lang=keyword'])).status).toBe(0);
    expect(askedSettings()).toEqual({
      chunking: { mode: 'sentences', max_tokens: 100, overlap_tokens: 32 },
      fields: { lang: 'keyword' },
    });
    expect(await rerank(['corpora', 'set', 'none', '--no-stages'])).toMatchObject({ status: 1 });
    expect((await rerank(['corpora', 'set', 'manuals'])).status).toBe(2);
  });

  it('says which change needs a reindex, and by which route', async () => {
    await manuals();
    api.fleet.answer = () => {
      throw new RerankError(
        'reindex_required',
        'A change of chunking needs a new index: send it to POST /v1/admin/corpora/manuals/reindex.',
      );
    };
    const run = await rerank(['corpora', 'set', 'manuals', '--chunking', 'none']);
    expect(run.status).toBe(1);
    expect(run.stderr).toContain('\n  Here that is `rerank reindex start`');
    expect(run.stderr).toContain(
      'A change of chunking needs a new index: send it to POST /v1/admin/corpora/manuals/reindex. (reindex_required',
    );
  });
});

describe('rerank corpora create', () => {
  it('makes a corpus that is searched elsewhere, and shows it', async () => {
    const options = '{"index":"docs","fields":{"text":"body"}}';
    await rerank(['corpora', 'create', 'cluster', '--source', 'search', '--source-options', options]);
    expect(askedSettings()).toEqual({ source: { connection: 'search', options: JSON.parse(options) as object } });
    const record = (await api.fleet.documents.findCorpus({ tenant: 'default', corpus: 'cluster' }))!;
    const source = { connection: 'search', options: { index: 'docs' } };
    await api.fleet.documents.updateCorpus({ ...record, settings: { ...record.settings, source } });
    const { stdout } = await rerank(['corpora', 'show', 'cluster']);
    expect(stdout).toContain('source     search {"index":"docs"}');
    expect(stdout).not.toContain('documents');
    expect((await rerank(['corpora', 'create', 'c', '--source-options', '{}'])).status).toBe(2);
  });
});

describe('rerank corpora export', () => {
  it('writes settings, then documents, to stdout', async () => {
    await manuals();
    const run = await rerank(['corpora', 'export', 'manuals']);
    expect(run).toMatchObject({ status: 0, stderr: '3 documents of corpus manuals exported.\n' });
    const [head, ...documents] = linesOf(run.stdout);
    expect(head).toEqual({
      format: 'rerank-fleet/corpus',
      version: 1,
      name: 'manuals',
      settings: {
        embedding_model: 'tiny-embedder',
        chunking: { mode: 'sentences', max_tokens: 256, overlap_tokens: 32 },
        bm25: { k1: 1.2, b: 0.75, average_length: 100, language: 'english' },
        fields: { year: 'integer' },
        stages: [{ model: 'tiny-reranker' }],
      },
      documents: 3,
    });
    expect(documents).toEqual(withoutSeq(documentsOf('manuals')));
  });

  it('writes a file that is whole or not there, page by page, each document once', async () => {
    await manuals(2_500);
    const path = join(folder, 'manuals.jsonl.gz');
    const run = await rerank(['corpora', 'export', 'manuals', '-o', path, '--json']);
    expect(JSON.parse(run.stdout)).toEqual({ corpus: 'manuals', output: path, documents: 2_500 });
    expect(linesOf(gunzipSync(await readFile(path)).toString()).slice(1)).toEqual(withoutSeq(documentsOf('manuals')));
    const pages = api.log.filter(({ route }) => route === '/v1/corpora/:name/documents');
    expect(pages).toHaveLength(3);

    const scan = api.fleet.documents.scanDocuments.bind(api.fleet.documents);
    api.fleet.documents.scanDocuments = (ref, options) =>
      options?.after === undefined ? scan(ref, options) : Promise.reject(new RerankError('corpus_not_found', 'Deleted meanwhile.'));
    const cut = await rerank(['corpora', 'export', 'manuals', '-o', join(folder, 'cut.jsonl')]);
    expect(cut).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining('Deleted meanwhile.') as string });
    expect(await readdir(folder)).toEqual(['manuals.jsonl.gz']);
  });

  it('goes on after the store was away for a moment', async () => {
    await manuals(1_200);
    const scan = api.fleet.documents.scanDocuments.bind(api.fleet.documents);
    let faults = 4;
    api.fleet.documents.scanDocuments = (ref, options) =>
      options?.after !== undefined && faults-- > 0
        ? Promise.reject(new RerankError('candidate_store_unavailable', 'Away.'))
        : scan(ref, options);
    const run = await rerank(['corpora', 'export', 'manuals', '--quiet']);
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(linesOf(run.stdout)).toHaveLength(1_201);
  });

  describe('that was cut short', () => {
    const pages = () => api.log.filter(({ route }) => route === '/v1/corpora/:name/documents').length;
    /** The store answers so many pages, and then this. */
    function cutAfter(answered: number, then: () => Promise<never>): () => void {
      const scan = api.fleet.documents.scanDocuments.bind(api.fleet.documents);
      let asked = 0;
      const whole = api.fleet.documents.scanDocuments;
      // The API looks twice for its first page: at a few documents, then at the rest.
      api.fleet.documents.scanDocuments = (ref, options) => {
        asked += options?.limit === 16 ? 1 : 0;
        return asked > answered ? then() : scan(ref, options);
      };
      return () => (api.fleet.documents.scanDocuments = whole);
    }
    const refused = () => Promise.reject(new RerankError('invalid_request', 'Made up.'));
    const exportTo = (path: string, ...more: string[]) => rerank(['corpora', 'export', 'manuals', '-o', path, ...more]);
    const documentsIn = async (path: string) => {
      const bytes = await readFile(path);
      return linesOf((path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString()).slice(1);
    };

    it.each(['manuals.jsonl', 'manuals.jsonl.gz'])('goes on into %s with --resume, and reads no page twice', async (name) => {
      await manuals(3_500);
      const path = join(folder, name);
      const restore = cutAfter(2, refused);
      const cut = await exportTo(path);
      expect(cut).toMatchObject({ status: 1, stdout: '' });
      expect(cut.stderr).toContain(`warning: ${path} was not written; the same command with --resume goes on behind what was read.`);
      expect((await readdir(folder)).sort()).toEqual([`${name}.part`, `${name}.part.state`]);
      restore();
      const before = pages();
      const run = await exportTo(path, '--resume');
      expect(run).toMatchObject({ status: 0, stderr: 'Going on behind 2,000 documents.\n' });
      expect(run.stdout).toContain('3,500 documents of corpus manuals exported');
      expect(pages() - before).toBe(2);
      expect(await readdir(folder)).toEqual([name]);
      expect(await documentsIn(path)).toEqual(withoutSeq(documentsOf('manuals')));
    });

    it.each(['manuals.jsonl', 'manuals.jsonl.gz'])(
      'by a kill under a write leaves in %s what is cut off before it goes on',
      async (name) => {
        await manuals(2_500);
        const path = join(folder, name);
        const asked = Promise.withResolvers<boolean>();
        const restore = cutAfter(1, () => (asked.resolve(true), new Promise<never>(() => undefined)));
        const child = startCli(['corpora', 'export', 'manuals', '-o', path], { RERANK_URL: url });
        await asked.promise;
        // The next page is asked for when the one before is on the disk, with its place.
        child.kill('SIGKILL');
        await once(child, 'exit');
        restore();
        await appendFile(`${path}.part`, '{"id":"half a li');
        expect(await exportTo(path, '--resume')).toMatchObject({ status: 0, stderr: 'Going on behind 1,000 documents.\n' });
        expect(await documentsIn(path)).toEqual(withoutSeq(documentsOf('manuals')));
      },
    );

    it('begins anew without --resume, and with it where there is nothing to go on with', async () => {
      await manuals(1_500);
      const path = join(folder, 'manuals.jsonl');
      const restore = cutAfter(1, refused);
      await exportTo(path);
      restore();
      const anew = await exportTo(path);
      expect(anew).toMatchObject({ status: 0, stderr: '' });
      expect(await exportTo(path, '--resume')).toMatchObject({ status: 0, stderr: '' });
      expect(await documentsIn(path)).toEqual(withoutSeq(documentsOf('manuals')));
      expect(await readdir(folder)).toEqual(['manuals.jsonl']);
    });

    it('is not gone on with once the corpus was deleted, and made again as it was', async () => {
      await manuals(1_500);
      const path = join(folder, 'manuals.jsonl');
      const restore = cutAfter(1, refused);
      await exportTo(path);
      restore();
      const record = (await api.fleet.documents.findCorpus(MANUALS))!;
      await api.fleet.documents.deleteCorpus(record);
      await api.fleet.documents.createCorpus({ ...record, corpusId: 'another', createdAt: record.createdAt + 60_000 });
      const run = await exportTo(path, '--resume');
      expect(run.stderr).toContain('was begun of an earlier corpus of this name. Without --resume the export begins anew.');
      expect(run.status).toBe(1);
    });

    it('is not gone on with once the settings have changed, or for another corpus; nor to stdout', async () => {
      await manuals(1_500);
      const path = join(folder, 'manuals.jsonl');
      const restore = cutAfter(1, refused);
      await exportTo(path);
      restore();
      const record = (await api.fleet.documents.findCorpus(MANUALS))!;
      await api.fleet.documents.updateCorpus({ ...record, settings: { ...record.settings, fields: {} } });
      expect(await exportTo(path, '--resume')).toMatchObject({
        status: 1,
        stderr: expect.stringContaining('was begun of this corpus with other settings. Without --resume the export begins anew.') as string,
      });
      await api.fleet.documents.createCorpus(corpusRecord({ tenant: 'default', corpus: 'other' }));
      const other = await rerank(['corpora', 'export', 'other', '-o', path, '--resume']);
      expect(other.stderr).toContain('was begun of the corpus manuals.');
      expect((await rerank(['corpora', 'export', 'manuals', '--resume'])).status).toBe(2);
    });
  });

  it('names a file that cannot be written, and a corpus that there is not', async () => {
    await manuals();
    expect(await rerank(['corpora', 'export', 'manuals', '-o', join(folder, 'none/x.jsonl')])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('none/x.jsonl cannot be written: there is no such folder') as string,
    });
    expect((await rerank(['corpora', 'export', 'nothing'])).stderr).toContain('corpus_not_found');
    expect((await rerank(['corpora', 'export', 'manuals', '--json'])).status).toBe(2);
  });
});

describe('rerank corpora import', () => {
  it('makes the same corpus again, under another name, also from stdin', async () => {
    await manuals();
    const { stdout: exported } = await rerank(['corpora', 'export', 'manuals']);
    const run = await rerank(['corpora', 'import', '-', '--as', 'copy'], exported);
    expect(run).toMatchObject({ status: 0, stdout: expect.stringMatching(/^3 documents stored in corpus copy/) as string });
    expect(askedSettings()).toEqual(linesOf(exported)[0]!['settings']);
    expect(withoutSeq(documentsOf('copy'))).toEqual(withoutSeq(documentsOf('manuals')));
  });

  it('goes on where there is the corpus with the same settings, and refuses one with others', async () => {
    await manuals();
    const path = join(folder, 'manuals.jsonl');
    await rerank(['corpora', 'export', 'manuals', '-o', path]);
    expect((await rerank(['corpora', 'import', path])).status).toBe(0);
    const record = (await api.fleet.documents.findCorpus(MANUALS))!;
    await api.fleet.documents.updateCorpus({ ...record, settings: { ...record.settings, fields: {} } });
    const refused = await rerank(['corpora', 'import', path]);
    expect(refused).toMatchObject({
      status: 1,
      stderr: 'error: There is a corpus manuals already, with other settings. --as makes one of another name.\n',
    });
  });

  it('takes another embedder, and no cascade, where it is told to', async () => {
    await manuals();
    const { stdout } = await rerank(['corpora', 'export', 'manuals']);
    await rerank(['corpora', 'import', '-', '--as', 'copy', '--embedding-model', 'org/tiny-embedder', '--no-stages'], stdout);
    expect(askedSettings()).toMatchObject({ embedding_model: 'org/tiny-embedder' });
    expect(askedSettings()).not.toHaveProperty('stages');
  });

  it('says that a file was cut short', async () => {
    await manuals();
    const { stdout } = await rerank(['corpora', 'export', 'manuals']);
    const short = stdout.split('\n').slice(0, 2).join('\n');
    const run = await rerank(['corpora', 'import', '-', '--as', 'copy'], short);
    expect(run.stderr).toContain('warning: stdin holds 1 document, and 3 were there when its export began. Was it cut short?');
    const head = { ...linesOf(stdout)[0]!, documents: 0 };
    expect(await rerank(['corpora', 'import', '-', '--as', 'empty', '--json'], JSON.stringify(head))).toMatchObject({
      status: 0,
      stdout: '{\n  "corpus": "empty",\n  "documents": 0\n}\n',
    });
  });

  it.each([
    ['{"id":"a","text":"x"}\n', 'is no exported corpus'],
    ['', 'is no exported corpus'],
    ['{"format":"rerank-fleet/corpus","version":2}\n', 'has version 2 of the format'],
    ['{"format":"rerank-fleet/corpus","version":1,"name":"A B","settings":{},"documents":0}\n', 'stdin:1: name'],
    ['{"format":"rerank-fleet/corpus","version":1,"name":"a","settings":{"colour":1},"documents":0}\n', 'stdin:1: settings'],
  ])('refuses %j', async (text, message) => {
    const run = await rerank(['corpora', 'import', '-'], text);
    expect(run).toMatchObject({ status: 1, stdout: '' });
    expect(run.stderr).toContain(message);
    expect(api.fleet.calls).toEqual([]);
  });
});

describe('rerank ingest', () => {
  it('reads a folder in BEIR layout: titles alone too, and neither queries nor judgements', async () => {
    const rows = [
      { _id: '1', title: 'Frost', text: 'Cover the roots.', metadata: { url: 'u' } },
      { _id: '2', title: 'A title alone', text: '' },
      { _id: '3', title: '', text: '' },
    ];
    await writeFile(join(folder, 'corpus.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    await writeFile(join(folder, 'queries.jsonl'), '{"_id":"q1","text":"frost"}\n');
    await mkdir(join(folder, 'qrels'));
    await writeFile(join(folder, 'qrels/test.tsv'), 'query-id\tcorpus-id\tscore\nq1\t1\t1\n');
    const run = await rerank(['ingest', folder, '-c', 'beir']);
    expect(run.status).toBe(3);
    expect(run.stderr).toContain('corpus.jsonl:3: text: must not be empty');
    expect(withoutSeq(documentsOf('beir'))).toEqual([
      { id: '1', title: 'Frost', text: 'Cover the roots.', metadata: { url: 'u' } },
      { id: '2', text: 'A title alone' },
    ]);
  });

  it('tells speed, time left and unchanged documents while it runs, and unchanged ones at the end', async () => {
    await manuals();
    api.fleet.ingestsAtOnce = false;
    const rows = Array.from({ length: 600 }, (_, row) => `${JSON.stringify({ id: `${row}`, text: `text ${row}` })}\n`).join('');
    const accepted = await rerank(['ingest', '-', '-c', 'manuals', '--no-wait', '--json'], rows);
    const { job } = JSON.parse(accepted.stdout) as { job: { id: string } };
    const record = (await api.fleet.jobs.record('default', job.id))!;
    const outcome: IngestOutcome = { kind: 'ingest', succeeded: 256, unchanged: 200, errors: [] };
    await api.fleet.jobs.finishSlice(record, 0, outcome);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await api.fleet.jobs.finishSlice(record, 1, outcome);
    expect((await rerank(['jobs', 'show', job.id])).stdout).toMatch(
      /512 of 600 stored, 400 of them unchanged, 0 not, [\d,]+ documents\/s, \d+ s left/,
    );
    await api.fleet.jobs.finishSlice(record, 2, { ...outcome, succeeded: 88, unchanged: 0 });
    const done = await rerank(['status', job.id]);
    expect(done).toMatchObject({
      status: 0,
      stdout: `${job.id}: ingest into manuals, completed: 600 of 600 stored, 400 of them unchanged, 0 not\n`,
    });
  });
});
