import { RerankError } from '../../errors/index.js';

/** Primary result codes of SQLite, https://www.sqlite.org/rescode.html */
const BUSY = 5;
const LOCKED = 6;
const READONLY = 8;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;
/** The shared-memory file could not grow: the disk is full, though SQLite files it under I/O errors. */
const IOERR_SHMSIZE = 4874;

const FULL_DETAIL =
  'The disk that holds the state directory is full, or the store is at its configured size. Free space or raise the limit, then try again.';

const DETAILS: Readonly<Record<number, string>> = {
  [BUSY]: 'Another process holds the write lock of the embedded store. Try again.',
  [LOCKED]: 'Another process holds the write lock of the embedded store. Try again.',
  [READONLY]: 'The embedded store cannot be written. Check the permissions of the state directory.',
  [IOERR]: 'Reading or writing the embedded store failed. Check the disk that holds the state directory.',
  [CORRUPT]: 'The file embedded.sqlite in the state directory is damaged. Restore a copy, or move the file away and ingest again.',
  [CANTOPEN]: 'The embedded store cannot be opened. Check that the state directory is there and its permissions.',
  [NOTADB]: 'The file embedded.sqlite in the state directory is damaged. Restore a copy, or move the file away and ingest again.',
};

function sqliteCode(error: Error): number | undefined {
  return 'errcode' in error && typeof error.errcode === 'number' ? error.errcode : undefined;
}

/** Turns a fault of SQLite or of the file system into an error of the catalogue; any other error comes back as it is. */
export function toStoreError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof RerankError) return error;
  const code = sqliteCode(error);
  if (code !== undefined) {
    if ((code & 0xff) === FULL || code === IOERR_SHMSIZE) return new RerankError('storage_full', FULL_DETAIL, { cause: error });
    return new RerankError('candidate_store_unavailable', DETAILS[code & 0xff] ?? 'The embedded store failed.', { cause: error });
  }
  if (!('code' in error) || !('syscall' in error)) return error;
  if (error.code === 'ENOSPC' || error.code === 'EDQUOT') return new RerankError('storage_full', FULL_DETAIL, { cause: error });
  return new RerankError('candidate_store_unavailable', DETAILS[CANTOPEN]!, { cause: error });
}

export function isBusy(error: unknown): boolean {
  return error instanceof Error && ((sqliteCode(error) ?? 0) & 0xff) === BUSY;
}
