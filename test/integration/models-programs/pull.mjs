/** Pulls the test's model in a process of its own, to be raced with and killed. */
import { pullModel } from '@rerank-fleet/core/models';

process.send('begun');
await pullModel('tiny-reranker', JSON.parse(process.argv[2]));
process.disconnect();
