/** A program of its own: rewrites a graph as its parent says over IPC, answers with what came of it, and ends. What it takes of memory goes with it. */
import { buildGraph, type GraphJob } from './build-graph.js';

/** No process outlives its supervisor. */
process.on('disconnect', () => process.exit(0));

process.once('message', (job: GraphJob) => {
  buildGraph(job).then(
    (record) => process.send?.(record, () => process.exit(0)),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exit(1);
    },
  );
});
