import type { CorpusRecord, CorpusVersion } from '../domain/index.js';
import { invariant } from '../errors/index.js';

/** The version that new requests pin and live writes go to. */
export function promotedVersion(corpus: CorpusRecord): CorpusVersion {
  const version = corpus.versions.find((candidate) => candidate.version === corpus.promotedVersion);
  invariant(version, 'A corpus promotes a version that it does not have.');
  return version;
}
