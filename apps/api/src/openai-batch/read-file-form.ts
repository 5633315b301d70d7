import { once } from 'node:events';
import { pipeline, Transform, type Readable, type TransformCallback } from 'node:stream';
import { Busboy, type BusboyHeaders } from '@fastify/busboy';
import { RerankError } from '@rerank-fleet/core/errors';
import { bodyBytes, type BodySource } from '../http/body-bytes.js';

export interface FileFormOptions<Written> {
  /** Of the whole body, also after unpacking. */
  readonly maxBytes: number;
  /** Keeps the file as it comes in. The stream fails if the form does. */
  readonly write: (content: Readable) => Promise<Written>;
}

export interface FileForm<Written> {
  readonly fields: Readonly<Record<string, string>>;
  readonly filename: string;
  readonly written: Written;
}

const MOST_FIELDS = 16;
const FIELD_BYTES = 4_096;
const HEADER_BYTES = 16_384;
const LONGEST_NAME = 255;
const DAMAGED = 'The multipart body is damaged, or was cut short.';

/**
 * Reads a form with one file named `file`, of which only a few chunks are in memory at any time; fields may come before it or after it. When it throws, `write` has
 * come to rest.
 *
 * @throws RerankError `invalid_request`, `payload_too_large`, `unsupported_media_type`; what `write` throws; what a broken connection throws
 */
export async function readFileForm<Written>(raw: BodySource, { maxBytes, write }: FileFormOptions<Written>): Promise<FileForm<Written>> {
  const form = openForm(raw);
  const fields: Record<string, string> = {};
  const fault = Promise.withResolvers<never>();
  // Whoever waits next is told.
  fault.promise.catch(() => undefined);
  const fail = (error: unknown): void => fault.reject(error);
  let file: { readonly filename: string; readonly content: Readable; readonly written: Promise<Written> } | undefined;
  form.on('error', (error) => fail(new RerankError('invalid_request', DAMAGED, { cause: error })));
  form.on('filesLimit', () => fail(refusal('/file', 'must be one file')));
  form.on('partsLimit', () => fail(new RerankError('invalid_request', `The form has more than ${MOST_FIELDS} fields.`)));
  form.on('field', (name, value, _nameCut, isCut) => {
    if (isCut) fail(refusal(`/${name}`, `must have at most ${FIELD_BYTES} bytes`));
    else if (name === 'file') fail(refusal('/file', 'must be a file, with a filename'));
    else fields[name] = value;
  });
  form.on('file', (name, stream, filename) => {
    const content = new NotGzip();
    pipeline(stream, content, () => undefined);
    if (name !== 'file') fail(refusal(`/${name}`, 'is a file of another name than "file"'));
    const written = write(content);
    written.catch(fail);
    file = { filename: nameOf(filename), content, written };
  });
  try {
    const advice = 'Send the lines in several files.';
    for await (const chunk of unless(fault.promise, bodyBytes(raw, { maxBytes, advice }))) {
      if (!form.write(chunk)) await Promise.race([once(form, 'drain'), fault.promise]);
    }
    const finished = once(form, 'finish');
    form.end();
    await Promise.race([finished, fault.promise]);
    if (file === undefined) throw refusal('/file', 'is required');
    return { fields, filename: file.filename, written: await Promise.race([file.written, fault.promise]) };
  } catch (error) {
    file?.content.destroy(error instanceof Error ? error : new Error(DAMAGED));
    await file?.written.catch(() => undefined);
    throw error;
  }
}

/** Chunks until there is a fault, whether or not another chunk ever comes. */
async function* unless<Chunk>(
  fault: Promise<never>,
  chunks: AsyncGenerator<Chunk, void, undefined>,
): AsyncGenerator<Chunk, void, undefined> {
  try {
    for (;;) {
      const next = chunks.next();
      next.catch(() => undefined);
      const { done, value } = await Promise.race([next, fault]);
      if (done === true) return;
      yield value;
    }
  } finally {
    // Behind the chunk that is awaited, if one is.
    chunks.return().catch(() => undefined);
  }
}

function openForm({ headers }: BodySource): InstanceType<typeof Busboy> {
  try {
    return new Busboy({
      headers: headers as BusboyHeaders,
      limits: { files: 1, fields: MOST_FIELDS, parts: MOST_FIELDS, fieldSize: FIELD_BYTES, headerSize: HEADER_BYTES },
    });
  } catch (error) {
    throw new RerankError('invalid_request', 'The Content-Type of a multipart body must name its boundary.', { cause: error });
  }
}

const refusal = (pointer: string, detail: string): RerankError =>
  new RerankError('invalid_request', `${pointer}: ${detail}.`, { errors: [{ pointer, detail }] });

function nameOf(filename: string | undefined): string {
  const name = (filename ?? '').toWellFormed().replaceAll('\0', '').slice(0, LONGEST_NAME).toWellFormed();
  return name === '' ? 'file' : name;
}

/** Lets everything through but a gzip file: its lines could not be read. */
class NotGzip extends Transform {
  #isFirst = true;

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const isGzip = this.#isFirst && chunk[0] === 0x1f && chunk[1] === 0x8b;
    this.#isFirst = false;
    if (isGzip) done(refusal('/file', 'is gzip; send it unpacked, or the whole request as gzip with the header "Content-Encoding: gzip"'));
    else done(null, chunk);
  }
}
