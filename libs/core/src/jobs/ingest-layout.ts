// Where the blobs of an upload lie.

export const jobFolder = (tenant: string, id: string): string => `ingests/${tenant}/${id}`;
export const jobKey = (tenant: string, id: string): string => `${jobFolder(tenant, id)}/job.json`;
export const doneKey = (tenant: string, id: string): string => `${jobFolder(tenant, id)}/done.json`;
export const sliceKey = (tenant: string, id: string, slice: number): string => `${jobFolder(tenant, id)}/slices/${slice}.ndjson`;
export const resultKey = (tenant: string, id: string, slice: number): string => `${jobFolder(tenant, id)}/results/${slice}.json`;
export const resultFolder = (tenant: string, id: string): string => `${jobFolder(tenant, id)}/results`;
/** Marks of those who are about to end the job. */
export const endingFolder = (tenant: string, id: string): string => `${jobFolder(tenant, id)}/ending`;
