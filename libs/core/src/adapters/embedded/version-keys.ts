import type { CorpusVersion } from '../../domain/index.js';
import { RerankError } from '../../errors/index.js';
import type { EmbeddedDatabase } from './embedded-database.js';

const FIND = 'SELECT key FROM versions WHERE tenant = ? AND corpus = ? AND corpus_id = ? AND version = ?';

export function findVersionKey(database: EmbeddedDatabase, { tenant, corpus, corpusId, version }: CorpusVersion): number | undefined {
  return database.statement(FIND).get(tenant, corpus, corpusId, version)?.['key'] as number | undefined;
}

/** @throws RerankError `corpus_not_found` */
export function versionKey(database: EmbeddedDatabase, version: CorpusVersion): number {
  const key = findVersionKey(database, version);
  if (key === undefined) throw new RerankError('corpus_not_found', 'This version of the corpus is not there. It was deleted or replaced.');
  return key;
}
