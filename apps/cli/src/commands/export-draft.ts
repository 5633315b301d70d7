import { constants, open, readFile, rm, type FileHandle } from 'node:fs/promises';
import { isDeepStrictEqual, promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { z } from 'zod';
import { cannotWrite, renameDurably, writeDurably } from '../batch/run-state.js';
import { CliError } from '../exit-code.js';
import type { CorpusFileHead } from '../sources/corpus-file.js';

/** How far an export has come that did not reach its end. */
const draftStateSchema = z.object({
  v: z.literal(1),
  corpus: z.string(),
  /** Epoch seconds: another corpus of the name has others. */
  created_at: z.int(),
  settings: z.unknown(),
  /** `next` of the last page that is in the draft. */
  after: z.string(),
  /** Of the draft, that are known to be on the disk. */
  bytes: z.int(),
  documents: z.int(),
});

type DraftState = z.infer<typeof draftStateSchema>;

/** What is exported. */
export interface DraftSource {
  readonly head: CorpusFileHead;
  /** Epoch seconds. */
  readonly createdAt: number;
}

const packed = promisify(gzip);

/**
 * The file beside the one that an export is to become. It grows by whole pages, each durable before the state tells of it, so an export that was killed at any
 * moment goes on behind the last page of the state: what lies behind that in the draft is cut off. Of a packed file each page is a member of its own.
 */
export class ExportDraft {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #source: DraftSource;
  #bytes: number;
  documents: number;
  /** Where to go on; absent at the beginning. */
  after: string | undefined;

  private constructor(path: string, file: FileHandle, source: DraftSource, state?: DraftState) {
    this.#path = path;
    this.#file = file;
    this.#source = source;
    this.#bytes = state?.bytes ?? 0;
    this.documents = state?.documents ?? 0;
    this.after = state?.after;
  }

  /** @throws CliError */
  static async begin(path: string, source: DraftSource): Promise<ExportDraft> {
    await rm(stateOf(path), { force: true });
    const file = await open(draftOf(path), 'w').catch((error: unknown) => {
      throw cannotWrite(path, error);
    });
    const draft = new ExportDraft(path, file, source);
    await draft.#append(`${JSON.stringify(source.head)}\n`);
    return draft;
  }

  /** Undefined if there is nothing to go on with. @throws CliError for what was begun of another corpus, or before its settings changed */
  static async resume(path: string, source: DraftSource): Promise<ExportDraft | undefined> {
    const state = await readState(path);
    if (state === undefined) return undefined;
    const begunOf = otherSource(state, source);
    if (begunOf !== undefined) throw new CliError(`${draftOf(path)} was begun of ${begunOf}. Without --resume the export begins anew.`);
    const file = await open(draftOf(path), constants.O_WRONLY | constants.O_APPEND).catch(() => undefined);
    if (file === undefined) return undefined;
    if ((await file.stat()).size < state.bytes) {
      await file.close();
      throw new CliError(`${draftOf(path)} is shorter than it was. Without --resume the export begins anew.`);
    }
    await file.truncate(state.bytes);
    return new ExportDraft(path, file, source, state);
  }

  /** A page, as lines. @throws CliError */
  async add(text: string, documents: number, next: string | undefined): Promise<void> {
    await this.#append(text);
    this.documents += documents;
    this.after = next;
    if (next === undefined) return;
    const { head, createdAt } = this.#source;
    const about = { corpus: head.name, created_at: createdAt, settings: head.settings };
    const state: DraftState = { v: 1, ...about, after: next, bytes: this.#bytes, documents: this.documents };
    await writeDurably(stateOf(this.#path), JSON.stringify(state));
  }

  /** It gets its name. @throws CliError */
  async finish(): Promise<void> {
    await this.#file.close();
    await renameDurably(draftOf(this.#path), this.#path).catch((error: unknown) => {
      throw cannotWrite(this.#path, error);
    });
    await rm(stateOf(this.#path), { force: true });
  }

  /** Ends without an end. Resolves to whether there is something to go on with; if not, nothing is left. */
  async leave(mayGoOn: boolean): Promise<boolean> {
    await this.#file.close();
    if (mayGoOn && (await readState(this.#path).catch(() => undefined)) !== undefined) return true;
    await Promise.all([rm(draftOf(this.#path), { force: true }), rm(stateOf(this.#path), { force: true })]);
    return false;
  }

  async #append(text: string): Promise<void> {
    try {
      const bytes = this.#path.endsWith('.gz') ? await packed(text) : Buffer.from(text);
      await this.#file.writeFile(bytes);
      await this.#file.sync();
      this.#bytes += bytes.length;
    } catch (error) {
      throw cannotWrite(this.#path, error);
    }
  }
}

/** What the draft was begun of; undefined if it is what is exported now. */
function otherSource(state: DraftState, { head, createdAt }: DraftSource): string | undefined {
  if (state.corpus !== head.name) return `the corpus ${state.corpus}`;
  if (state.created_at !== createdAt) return 'an earlier corpus of this name';
  const settings: unknown = JSON.parse(JSON.stringify(head.settings));
  return isDeepStrictEqual(state.settings, settings) ? undefined : 'this corpus with other settings';
}

function draftOf(path: string): string {
  return `${path}.part`;
}

function stateOf(path: string): string {
  return `${path}.part.state`;
}

async function readState(path: string): Promise<DraftState | undefined> {
  try {
    return draftStateSchema.parse(JSON.parse(await readFile(stateOf(path), 'utf8')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new CliError(
      `${stateOf(path)} is no state of this version of \`rerank corpora export\`. Without --resume the export begins anew.`,
    );
  }
}
