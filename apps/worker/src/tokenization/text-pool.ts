import { InvariantError } from '@rerank-fleet/core/errors';
import type { Passage, SparseVector } from '@rerank-fleet/core/domain';
import { passagesOf } from '@rerank-fleet/core/retrieval';
import type { EncodedPairs, EncodedSequences, EncodePairsRequest, SequenceEncoder, TextWorkOptions } from '../pipeline/sequence-encoder.js';
import type { IndexingRules, PackedPassages, TextAnswer, TextDocument, TextModel, TextWork } from './text-messages.js';
import { ThreadCrew, type ServedTimes } from './thread-crew.js';

/** For tokens of texts seen lately, of all threads together. */
const CACHE_BYTES = 32 * 2 ** 20;
/** Characters and documents given to a thread at once, so that the documents of an upload are shared among threads. */
const TURN_CHARACTERS = 65_536;
const TURN_DOCUMENTS = 256;

/** Told of each piece of work. It must not throw. */
export interface TextObserver {
  /** @returns what is told when a thread has done it, if anything */
  asked(work: { readonly kind: TextWork['kind']; readonly texts: number }): ((times: ServedTimes) => void) | undefined;
}

export interface TextPoolOptions {
  readonly models: readonly TextModel[];
  readonly threads: number;
  readonly onThreadDeath?: (detail: string) => void;
  readonly observer?: TextObserver;
  /** A thread with work that is silent for longer hangs, and is ended. @defaultValue 30,000 */
  readonly silentMs?: number;
  /** What a thread runs; tests have it die. */
  readonly program?: URL;
}

/** A document as it enters an index, but for the dense vectors. */
export interface CutDocument {
  readonly passages: readonly Passage[];
  /** Of each passage. */
  readonly bm25: readonly SparseVector[];
}

/** Text threads: whatever looks at the characters of a user's text does it there, off the main thread, whose loop renews the locks of tasks. */
export class TextPool implements SequenceEncoder {
  readonly #crew: ThreadCrew;
  readonly #observer: TextObserver | undefined;

  private constructor(crew: ThreadCrew, observer: TextObserver | undefined) {
    this.#crew = crew;
    this.#observer = observer;
  }

  /** @throws Error of the thread if a tokenizer cannot be loaded */
  static async start({ models, threads, onThreadDeath, program, observer, silentMs }: TextPoolOptions): Promise<TextPool> {
    return new TextPool(
      await ThreadCrew.start({
        data: { models, cacheBytes: Math.floor(CACHE_BYTES / threads) },
        threads,
        program: program ?? new URL('./text-thread.js', import.meta.url),
        onDeath: onThreadDeath ?? (() => undefined),
        silentMs,
      }),
      observer,
    );
  }

  async encodePairs(model: string, request: EncodePairsRequest, options: TextWorkOptions = {}): Promise<EncodedPairs> {
    // The stages of a cascade ask of one query, one after the other: the thread that had it remembers its tokens and those of its passages.
    const answer = await this.#ask({ kind: 'pairs', model, request }, { ...options, affinity: request.query });
    if (!('pairs' in answer)) throw anotherQuestion();
    return answer.pairs;
  }

  async encodeTexts(model: string, texts: readonly string[], prefix: string, options: TextWorkOptions = {}): Promise<EncodedSequences> {
    const answer = await this.#ask({ kind: 'texts', model, texts, prefix }, options);
    if (!('sequences' in answer)) throw anotherQuestion();
    return answer.sequences;
  }

  async countTokens(model: string, texts: readonly string[], options: TextWorkOptions = {}): Promise<Int32Array> {
    const answer = await this.#ask({ kind: 'count', model, texts }, options);
    if (!('counts' in answer)) throw anotherQuestion();
    return answer.counts;
  }

  /** Cuts documents into passages as `chunkText` does, with the tokens of `model`, and encodes them as `Bm25Encoder` does. */
  async cutDocuments(
    model: string,
    documents: readonly TextDocument[],
    { chunking, bm25 }: IndexingRules,
    options: TextWorkOptions = {},
  ): Promise<CutDocument[]> {
    const cut = async (group: readonly TextDocument[]): Promise<CutDocument[]> => {
      const texts = group.map(({ title, text }) => ({ title, text }));
      const answer = await this.#ask({ kind: 'documents', model, documents: texts, rules: { chunking, bm25 } }, options);
      if (!('passages' in answer)) throw anotherQuestion();
      return unpacked(group, answer.passages);
    };
    return (await Promise.all(Array.from(inTurns(documents), cut))).flat();
  }

  async close(): Promise<void> {
    await this.#crew.close();
  }

  #ask(
    work: TextWork,
    { priority = 'sync', signal, affinity = '' }: TextWorkOptions & { readonly affinity?: string },
  ): Promise<TextAnswer> {
    const onServed = this.#observer?.asked({ kind: work.kind, texts: textsOf(work) });
    return this.#crew.call(work, { priority, signal, affinity, onServed });
  }
}

function textsOf(work: TextWork): number {
  if (work.kind === 'pairs') return work.request.passages.length;
  return work.kind === 'documents' ? work.documents.length : work.texts.length;
}

function* inTurns(documents: readonly TextDocument[]): Generator<readonly TextDocument[]> {
  let [first, characters] = [0, 0];
  for (const [position, { text }] of documents.entries()) {
    if (position > first && (characters + text.length > TURN_CHARACTERS || position - first >= TURN_DOCUMENTS)) {
      yield documents.slice(first, position);
      [first, characters] = [position, 0];
    }
    characters += text.length;
  }
  if (first < documents.length) yield documents.slice(first);
}

/** Passages as slices of the texts that this thread has, vectors as views of the buffers that came. */
function unpacked(documents: readonly TextDocument[], { counts, spans, terms, indices, values }: PackedPassages): CutDocument[] {
  let [passage, offset] = [0, 0];
  return documents.map(({ text }, position) => {
    const first = passage;
    passage += counts[position]!;
    const cuts = Array.from({ length: counts[position]! }, (_, index) => {
      const [from, to, start, end] = spans.subarray(4 * (first + index)) as unknown as [number, number, number, number];
      return { from, to, start, end };
    });
    const bm25 = Array.from(terms.subarray(first, passage), (length) => {
      const start = offset;
      offset += length;
      return { indices: indices.subarray(start, offset), values: values.subarray(start, offset) };
    });
    return { passages: passagesOf(text, cuts), bm25 };
  });
}

function anotherQuestion(): InvariantError {
  return new InvariantError('The text thread answered another question.');
}
