// A process of its own over a state directory: `node embedded-child.ts <role> <directory> <name> <count>`. Tells its parent of each
// write when it is durable.
import { openEmbeddedStores } from '@rerank-fleet/core/adapters/embedded/index';
import { indexed, passage, recordOf, versionOf } from './store-fixtures.ts';

const [role, directory, name, count] = process.argv.slice(2) as [string, string, string, string];
const version = versionOf('shared');
const { candidateStore, documentStore } = openEmbeddedStores({ directory });

/** The term that only the n-th document of this writer holds. */
function termOf(n: number): number {
  return Number(name) * 100_000 + n;
}

for (let n = 1; n <= Number(count); n += 1) {
  if (role === 'create') process.send!(await documentStore.createCorpus(recordOf(version)));
  if (role === 'rewrite')
    await candidateStore.writeDocuments(version, [indexed('same', n * 2 + Number(name), [passage(0, 0, { [termOf(n)]: 1 })])]);
  if (role === 'stamp') {
    const seq = n * 2 + Number(name);
    const known = await candidateStore.restampDocuments(version, [{ documentId: 'same', contentHash: 'made-up', seq }]);
    const passages = [passage(0, 0, { 7: 1 }), passage(1, 1, { 7: 1 })];
    if (n % 10 === 0) await candidateStore.deleteDocuments(version, ['same'], seq);
    else if (!known.has('same')) await candidateStore.writeDocuments(version, [indexed('same', seq, passages)]);
  }
  if (role === 'write') {
    const passages = [passage(0, n, { [termOf(n)]: 1 }), passage(1, n, { [termOf(n)]: 1 }), passage(2, n, { [termOf(n)]: 1 })];
    await candidateStore.writeDocuments(version, [indexed(`${name}-${String(n)}`, n, passages)]);
    process.send!(termOf(n));
  }
}
await Promise.all([candidateStore.close(), documentStore.close()]);
process.disconnect();
