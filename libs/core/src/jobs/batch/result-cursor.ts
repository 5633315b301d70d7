import { createHash } from 'node:crypto';
import { RerankError } from '../../errors/index.js';
import { PartRanges } from './part-ranges.js';

export const RESULT_ORDERS = ['completion', 'submission'] as const;
export type ResultOrder = (typeof RESULT_ORDERS)[number];

/** In order of completion: what was read. Part 0 are the lines of rejected rows, part n + 1 those of slice n. */
export interface CompletionPosition {
  readonly order: 'completion';
  /** Parts that were read to their end. */
  readonly read: PartRanges;
  /** The part of which some lines were read, and how many. */
  readonly current?: { readonly part: number; readonly lines: number };
}

/** In order of submission: the row that was read last; 0 before the first. */
export interface SubmissionPosition {
  readonly order: 'submission';
  readonly row: number;
}

export type ResultPosition = CompletionPosition | SubmissionPosition;

/** A job as far as a cursor can be held against it. */
export interface CursorJob {
  readonly id: string;
  /** Lines of each part: what is read to its end counts as such. */
  readonly partLines: readonly number[];
}

const KINDS = { completion: 1, submission: 2 } as const satisfies Record<ResultOrder, number>;
const TAG_BYTES = 3;
const CURSOR = /^([A-Za-z0-9_-]{1,16384})\.(\d{1,10})$/;

/** What all lines of a part have in common. */
type CursorPlace = { readonly order: 'completion'; readonly read: PartRanges; readonly part: number } | { readonly order: 'submission' };

/**
 * Cursors are `{base64url}.{number}`: the order, a tag of the job and the parts that were read as variable-length integers, which all lines of a part share;
 * then the line inside the part, or the row.
 */
export function cursorHead(job: string, place: CursorPlace): string {
  const numbers = place.order === 'submission' ? [] : [place.part, ...place.read.toGaps()];
  const bytes = Buffer.concat([Buffer.from([KINDS[place.order]]), tagOf(job), Buffer.from(numbers.flatMap(varint))]);
  return `${bytes.toString('base64url')}.`;
}

/** The beginning, before any line. */
export function startOf(order: ResultOrder): ResultPosition {
  return order === 'submission' ? { order, row: 0 } : { order, read: new PartRanges() };
}

/** @throws RerankError `invalid_request` for what is no cursor, and for one of another job or order */
export function positionAt(cursor: string, order: ResultOrder, job: CursorJob): ResultPosition {
  const [, head = '', tail = ''] = CURSOR.exec(cursor) ?? [];
  const bytes = Buffer.from(head, 'base64url');
  if (bytes.length <= TAG_BYTES || bytes.toString('base64url') !== head) throw refusal('is not a cursor');
  const kind = RESULT_ORDERS.find((each) => KINDS[each] === bytes[0]);
  if (kind === undefined) throw refusal('is not a cursor');
  if (!bytes.subarray(1, 1 + TAG_BYTES).equals(tagOf(job.id))) throw refusal('is of another job');
  if (kind !== order) throw refusal(`was given for order=${kind}`);
  const numbers = varints(bytes.subarray(1 + TAG_BYTES));
  const count = Number(tail);
  if (kind === 'completion') return completionPosition(numbers, count, job.partLines);
  if (numbers.length > 0) throw refusal('is not a cursor');
  return { order: kind, row: count };
}

function completionPosition([part, ...gaps]: readonly number[], lines: number, partLines: readonly number[]): CompletionPosition {
  // After the first range gaps and lengths are at least 1, or it would not be the cursor that was given out.
  const isProper = gaps.length % 2 === 0 && gaps.every((gap, position) => gap > 0 || position === 0);
  const read = PartRanges.ofGaps(gaps);
  const inPart = part === undefined ? undefined : partLines[part];
  if (
    !isProper ||
    part === undefined ||
    inPart === undefined ||
    read.end > partLines.length ||
    read.has(part) ||
    lines > inPart ||
    lines < 1
  )
    throw refusal('is not a cursor of this job');
  if (lines < inPart) return { order: 'completion', read, current: { part, lines } };
  read.add(part);
  return { order: 'completion', read };
}

function refusal(detail: string): RerankError {
  return new RerankError('invalid_request', `/after: ${detail}.`, { errors: [{ pointer: '/after', detail }] });
}

function tagOf(job: string): Buffer {
  return createHash('sha256').update(job).digest().subarray(0, TAG_BYTES);
}

/** LEB128, as protocol buffers write unsigned integers. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest & 127) | 128);
    rest = Math.floor(rest / 128);
  }
  return [...bytes, rest];
}

/** Numbers up to 2³¹. */
function varints(bytes: Buffer): number[] {
  const numbers: number[] = [];
  let value = 0;
  let scale = 1;
  for (const byte of bytes) {
    value += (byte & 127) * scale;
    if (value > 0x7fffffff) throw refusal('is not a cursor');
    scale *= 128;
    if (byte < 128) {
      numbers.push(value);
      value = 0;
      scale = 1;
    }
  }
  if (scale !== 1) throw refusal('is not a cursor');
  return numbers;
}
