/**
 * Where files and batches of the OpenAI dialect lie in the blob store. The rows and results of a batch are those of a job (`batch-layout.ts`).
 *
 *     openai/files/{tenant}/{…}                  an entry a file, newest first: the file is there when it is
 *     openai/contents/{tenant}/{file}            what was uploaded
 *     openai/batches/{tenant}/{…}                written once, an entry a batch, newest first: what was asked for
 *     openai/unchecked/{tenant}/{batch}          its input is being checked, by whom, and when they were last heard of
 *     openai/ended/{tenant}/{batch}              written once: how a batch ended that never became a job
 *     openai/outputs/{tenant}/{batch}/{kind}…    of its output or error file: its size, and whether it was deleted
 */
export const FILES = 'openai/files';
export const CONTENTS = 'openai/contents';
export const BATCHES = 'openai/batches';
export const UNCHECKED = 'openai/unchecked';

export const filesFolder = (tenant: string): string => `${FILES}/${tenant}`;
export const fileKey = (tenant: string, file: string): string => `${filesFolder(tenant)}/${complement(file)}`;
export const contentKey = (tenant: string, file: string): string => `${CONTENTS}/${tenant}/${file}`;

export const batchesFolder = (tenant: string): string => `${BATCHES}/${tenant}`;
export const batchKey = (tenant: string, job: string): string => `${batchesFolder(tenant)}/${complement(job)}`;
export const uncheckedKey = (tenant: string, job: string): string => `${UNCHECKED}/${tenant}/${job}`;
export const endedKey = (tenant: string, job: string): string => `openai/ended/${tenant}/${job}`;

export type OutputKind = 'output' | 'error';
export const outputsFolder = (tenant: string, job: string): string => `openai/outputs/${tenant}/${job}`;
export const sizeKey = (tenant: string, job: string, kind: OutputKind): string => `${outputsFolder(tenant, job)}/${kind}.json`;
export const deletedKey = (tenant: string, job: string, kind: OutputKind): string => `${outputsFolder(tenant, job)}/${kind}.deleted`;

/** The id that an entry's key stands for. */
export const idOfKey = (key: string): string => complement(key.slice(key.lastIndexOf('/') + 1));

const DIGITS = 32;

/** Ids ascend with time; their complement descends, so that a listing begins with the newest. */
function complement(id: string): string {
  const prefix = id.slice(0, -DIGITS);
  return prefix + id.slice(-DIGITS).replace(/[0-9a-f]/g, (digit) => (15 - Number.parseInt(digit, 16)).toString(16));
}
