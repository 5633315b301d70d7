/**
 * Where batch jobs lie in the blob store. A job is there when its `job.json` is, and has ended when its `done.json` is; all that Redis knows of it can be
 * told again from these.
 *
 *     uploads/{tenant}/{upload}/requests.ndjson   the good rows: {"row":n,"request":…} a line
 *                               slices.json       where each slice of them begins and ends
 *                               rejected.ndjson   result lines of the bad rows
 *     jobs/{tenant}/{job}/job.json                written once: what was asked for, and which upload holds the rows
 *                         results/{slice}.ndjson  written once: a header line, then result lines
 *                         cancel.json             somebody cancelled it
 *                         done.json               written once: how it ended
 *                         webhook.json            how far its webhook has come
 *     job-index/{tenant}/{…}                      an entry a job, newest first
 *     ingest-index/{tenant}/{…}                   the same of ingest jobs
 *     open-jobs/{tenant}/{job}                    an entry a job that has not ended
 *     idempotency/{tenant}/{sha256 of the key}    which job the key stands for
 */
export const uploadFolder = (tenant: string, upload: string): string => `uploads/${tenant}/${upload}`;
export const requestsKey = (folder: string): string => `${folder}/requests.ndjson`;
export const slicesKey = (folder: string): string => `${folder}/slices.json`;
export const rejectedKey = (folder: string): string => `${folder}/rejected.ndjson`;

export const jobFolder = (tenant: string, id: string): string => `jobs/${tenant}/${id}`;
export const recordKey = (tenant: string, id: string): string => `${jobFolder(tenant, id)}/job.json`;
export const cancelKey = (tenant: string, id: string): string => `${jobFolder(tenant, id)}/cancel.json`;
export const doneKey = (tenant: string, id: string): string => `${jobFolder(tenant, id)}/done.json`;
export const webhookKey = (tenant: string, id: string): string => `${jobFolder(tenant, id)}/webhook.json`;
export const resultsFolder = (tenant: string, id: string): string => `${jobFolder(tenant, id)}/results`;
/** Digits enough for keys to ascend with the slices. */
export const resultKey = (tenant: string, id: string, slice: number): string =>
  `${resultsFolder(tenant, id)}/${String(slice).padStart(8, '0')}.ndjson`;

export const OPEN_JOBS = 'open-jobs';
export const openKey = (tenant: string, id: string): string => `${OPEN_JOBS}/${tenant}/${id}`;

export const indexFolder = (tenant: string): string => `job-index/${tenant}`;
/** Ids ascend with time; their complement descends, so that a listing begins with the newest. */
export const indexKey = (tenant: string, id: string): string => `${indexFolder(tenant)}/${complement(id)}`;
export const jobOfIndexKey = (key: string): string => complement(key.slice(key.lastIndexOf('/') + 1));

export const idempotencyKey = (tenant: string, keySha256: string): string => `idempotency/${tenant}/${keySha256}`;

const PREFIX = 'job_';

/** The same for ingest jobs. */
export const INGEST_INDEX = 'ingest-index';
export const ingestIndexKey = (tenant: string, id: string): string => `${INGEST_INDEX}/${tenant}/${complement(id)}`;

function complement(id: string): string {
  return PREFIX + id.slice(PREFIX.length).replace(/[0-9a-f]/g, (digit) => (15 - Number.parseInt(digit, 16)).toString(16));
}
