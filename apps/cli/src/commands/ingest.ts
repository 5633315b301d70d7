import type { DocumentBody, IngestJobBody } from '@rerank-fleet/client';
import type { Command } from 'commander';
import { clientAction, type CommandContext } from '../client-command.js';
import { CliError, ExitCode, InterruptedError } from '../exit-code.js';
import { openSource } from '../sources/open-source.js';
import { OriginMap } from '../sources/origin-map.js';
import { describeOrigin, type DocumentSource } from '../sources/source-item.js';
import { createProgress, formatCount, plural, rateMeter, type Progress } from '../terminal/progress.js';
import { requireCorpus } from './corpus-argument.js';

interface IngestFlags {
  readonly corpus: string;
  readonly create: boolean;
  readonly wait: boolean;
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

export function registerIngestCommand(program: Command): void {
  const command = program
    .command('ingest')
    .description('store documents in a corpus')
    .argument('<source>', 'NDJSON file or JSON array (also .gz), a folder of .txt and .md files or of BEIR layout, or - for stdin')
    .requiredOption('-c, --corpus <name>', 'corpus to store them in; made when there is none of that name')
    .option('--no-create', 'fail when there is no such corpus')
    .option('--no-wait', 'end when the service has accepted the documents');
  clientAction(command, ingest);
}

async function ingest(context: CommandContext, path: string, flags: IngestFlags): Promise<void> {
  const source = await openSource(path);
  for (const remark of source.remarks) context.terminal.note(remark);
  await requireCorpus(context, flags.corpus, flags.create);
  const rejects = new Rejects();
  const origins = new OriginMap();
  const job = await transfer(context, { source, flags, rejects, origins });
  if (job === undefined) throw nothingToSend(source, rejects);
  for (const fault of job.errors) {
    const origin = origins.find(fault.line);
    rejects.add({ source: origin === undefined ? `row ${fault.line}` : describeOrigin(origin), detail: `${fault.detail} (${fault.code})` });
  }
  // The job names the first faults only; it counts them all.
  rejects.count += Math.max(0, job.request_counts.errored - job.errors.length);
  conclude(context, { job, rejects, waited: flags.wait });
}

interface Transfer {
  readonly source: DocumentSource;
  readonly flags: IngestFlags;
  readonly rejects: Rejects;
  readonly origins: OriginMap;
}

/** Sends what is valid, and waits for the job; undefined when nothing is valid. */
async function transfer(context: CommandContext, { source, flags, rejects, origins }: Transfer): Promise<IngestJobBody | undefined> {
  const { client, terminal, signal } = context;
  const documents = validDocuments(source, rejects, origins);
  const first = await documents.next();
  if (first.done === true) return undefined;
  const upload = createProgress('sending', terminal.stderr, terminal.quiet);
  const work = createProgress('indexing', terminal.stderr, terminal.quiet);
  let accepted: IngestJobBody | undefined;
  let rate = rateMeter();
  try {
    return await client.ingest(flags.corpus, startingWith(first.value, documents), {
      signal,
      wait: flags.wait,
      onUpload: (sent) => {
        upload.update(source.bytesRead(), source.totalBytes, `${plural(sent.documents, 'document')}, ${rate(sent.documents)}`);
      },
      onAccepted: (job) => {
        accepted = job;
        upload.stop();
        rate = rateMeter();
      },
      onProgress: (job) => showJob(work, job, rate),
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

function showJob(progress: Progress, job: IngestJobBody, rate: (count: number) => string): void {
  const { total, succeeded, errored } = job.request_counts;
  const done = succeeded + errored;
  progress.update(done, total, `${formatCount(done)} of ${plural(total, 'document')}, ${rate(done)}`);
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

function summaryOf(job: IngestJobBody, waited: boolean): string {
  const { succeeded } = job.request_counts;
  if (waited) return `${plural(succeeded, 'document')} stored in corpus ${job.corpus} (job ${job.id}).`;
  return `Job ${job.id} accepted; follow it with \`rerank status ${job.id}\`.`;
}

function describeRejects({ named, count }: Rejects): string {
  const rest = count - named.length;
  const lines = named.map(({ source, detail }) => `\n  ${source}: ${detail}`);
  return lines.join('') + (rest > 0 ? `\n  and ${formatCount(rest)} more` : '');
}
