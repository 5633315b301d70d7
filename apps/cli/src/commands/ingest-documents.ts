import type { DocumentBody, IngestJobBody } from '@rerank-fleet/client';
import type { CommandContext } from '../client-command.js';
import { CliError, ExitCode, InterruptedError } from '../exit-code.js';
import { OriginMap } from '../sources/origin-map.js';
import { describeOrigin, type DocumentSource } from '../sources/source-item.js';
import { formatDuration } from '../terminal/duration.js';
import { createProgress, formatCount, plural, rateMeter, type Progress } from '../terminal/progress.js';

export interface IngestParameters {
  readonly source: DocumentSource;
  readonly corpus: string;
  /** Until the job has ended, not only until it is accepted. */
  readonly wait: boolean;
  /** A source without any row is no fault. @defaultValue false */
  readonly mayBeEmpty?: boolean;
}

/** A document that is not stored, and where it stands. */
interface Rejected {
  readonly source: string;
  readonly detail: string;
}

/** Rejected documents that are named; the rest is counted. */
const NAMED_REJECTS = 10;

/** Collects what was rejected: here before the upload, and by the service. */
class Rejects {
  readonly named: Rejected[] = [];
  count = 0;

  add(rejected: Rejected): void {
    this.count += 1;
    if (this.named.length < NAMED_REJECTS) this.named.push(rejected);
  }
}

/**
 * Sends the documents of a source, and says what became of them. Resolves with how many rows the source had, or undefined for an empty one.
 *
 * @throws CliError where nothing is valid, and with the job; InterruptedError
 */
export async function ingestDocuments(
  context: CommandContext,
  parameters: IngestParameters,
): Promise<{ readonly rows: number } | undefined> {
  const { source, wait, mayBeEmpty = false } = parameters;
  const rejects = new Rejects();
  const origins = new OriginMap();
  const job = await transfer(context, parameters, { rejects, origins });
  const rows = origins.rows + rejects.count;
  if (job === undefined && mayBeEmpty && rows === 0) return undefined;
  if (job === undefined) throw nothingToSend(source, rejects);
  for (const fault of job.errors) {
    const origin = origins.find(fault.line);
    rejects.add({ source: origin === undefined ? `row ${fault.line}` : describeOrigin(origin), detail: `${fault.detail} (${fault.code})` });
  }
  // The job names the first faults only; it counts them all.
  rejects.count += Math.max(0, job.request_counts.errored - job.errors.length);
  conclude(context, { job, rejects, waited: wait });
  return { rows };
}

interface Notes {
  readonly rejects: Rejects;
  readonly origins: OriginMap;
}

/** Sends what is valid, and waits for the job; undefined when nothing is valid. */
async function transfer(
  context: CommandContext,
  { source, corpus, wait }: IngestParameters,
  { rejects, origins }: Notes,
): Promise<IngestJobBody | undefined> {
  const { client, terminal, signal } = context;
  const documents = validDocuments(source, rejects, origins);
  const first = await documents.next();
  if (first.done === true) return undefined;
  const upload = createProgress('sending', terminal.stderr, terminal.quiet);
  const work = createProgress('indexing', terminal.stderr, terminal.quiet);
  const rate = rateMeter();
  let accepted: IngestJobBody | undefined;
  try {
    return await client.ingest(corpus, startingWith(first.value, documents), {
      signal,
      wait,
      onUpload: (sent) => {
        upload.update(source.bytesRead(), source.totalBytes, `${plural(sent.documents, 'document')}, ${rate(sent.documents)}`);
      },
      onAccepted: (job) => {
        accepted = job;
        upload.stop();
      },
      onProgress: (job) => showJob(work, job),
    });
  } catch (error) {
    throw signal.aborted ? interrupted(accepted) : error;
  } finally {
    upload.stop();
    work.stop();
  }
}

async function* validDocuments(source: DocumentSource, rejects: Rejects, origins: OriginMap): AsyncGenerator<DocumentBody, undefined> {
  for await (const item of source.items()) {
    if (item.document === undefined) {
      rejects.add({ source: describeOrigin(item.origin), detail: item.fault });
    } else {
      origins.add(item.origin);
      yield item.document;
    }
  }
  return undefined;
}

async function* startingWith(first: DocumentBody, rest: AsyncGenerator<DocumentBody, undefined>): AsyncGenerator<DocumentBody> {
  yield first;
  yield* rest;
}

function showJob(bar: Progress, { request_counts: counts, progress, unchanged = 0 }: IngestJobBody): void {
  const done = counts.total - counts.processing;
  const parts = [
    `${formatCount(done)} of ${plural(counts.total, 'document')}`,
    ...(progress === undefined ? [] : [`${formatCount(progress.documents_per_s)} documents/s`, `${formatDuration(progress.eta_s)} left`]),
    ...(unchanged === 0 ? [] : [`${formatCount(unchanged)} unchanged`]),
    ...(counts.errored === 0 ? [] : [`${formatCount(counts.errored)} errored`]),
  ];
  bar.update(done, counts.total, parts.join(', '));
}

function interrupted(job: IngestJobBody | undefined): InterruptedError {
  return new InterruptedError(
    job === undefined
      ? 'Interrupted before everything was sent: the service has made no job of it, and nothing was stored.'
      : `Interrupted. The service has all documents and goes on with job ${job.id}; follow it with \`rerank status ${job.id}\`.`,
  );
}

function nothingToSend(source: DocumentSource, rejects: Rejects): CliError {
  const why = rejects.count === 0 ? 'is empty' : `holds no valid document${describeRejects(rejects)}`;
  return new CliError(`${source.name} ${why}`, ExitCode.nothingFoundOrPartial);
}

function conclude({ terminal, exitWith }: CommandContext, end: { job: IngestJobBody; rejects: Rejects; waited: boolean }): void {
  const { job, rejects, waited } = end;
  terminal.result({ job, rejected_count: rejects.count, rejected: rejects.named }, () => summaryOf(job, waited));
  if (rejects.count > 0) {
    terminal.warn(`${plural(rejects.count, 'document was', 'documents were')} not stored:${describeRejects(rejects)}`);
    exitWith(ExitCode.nothingFoundOrPartial);
  }
  if (job.status === 'failed')
    throw new CliError(`Job ${job.id} failed: not all documents are stored. What is there stays; ingesting again is safe.`);
}

function summaryOf({ id, corpus, request_counts: counts, unchanged = 0 }: IngestJobBody, waited: boolean): string {
  if (!waited) return `Job ${id} accepted; follow it with \`rerank status ${id}\`.`;
  const same = unchanged === 0 ? '' : `, ${formatCount(unchanged)} of them unchanged`;
  return `${plural(counts.succeeded, 'document')} stored in corpus ${corpus}${same} (job ${id}).`;
}

function describeRejects({ named, count }: Rejects): string {
  const rest = count - named.length;
  const lines = named.map(({ source, detail }) => `\n  ${source}: ${detail}`);
  return lines.join('') + (rest > 0 ? `\n  and ${formatCount(rest)} more` : '');
}
