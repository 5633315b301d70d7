import { randomBytes } from 'node:crypto';

const JOB_ID = /^job_[0-9a-f]{32}$/;
const REINDEX_ID = /^rx_[0-9a-f]{32}$/;
const TIME_DIGITS = 12;

/** Begins with the time, as a UUID of version 7 does: ids ascend, and a folder's age can be told from its name. */
export function newJobId(epochMs: number): string {
  return `job_${timedDigits(epochMs)}`;
}

/** Of the same scheme. */
export function newReindexId(epochMs: number): string {
  return `rx_${timedDigits(epochMs)}`;
}

export function isReindexId(text: string): boolean {
  return REINDEX_ID.test(text);
}

export function isJobId(text: string): boolean {
  return JOB_ID.test(text);
}

/** Epoch milliseconds at which the id was made. */
export function timeOfJobId(id: string): number {
  return Number.parseInt(id.slice('job_'.length, 'job_'.length + TIME_DIGITS), 16);
}

function timedDigits(epochMs: number): string {
  return `${epochMs.toString(16).padStart(TIME_DIGITS, '0')}${randomBytes(10).toString('hex')}`;
}
