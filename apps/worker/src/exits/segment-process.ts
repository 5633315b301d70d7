/** A program of its own: cuts a model as its parent says over IPC, answers with the segments, and ends. What it takes of memory goes with it. */
import { openSegments, type SegmentJob } from './segment-cache.js';

/** No process outlives its supervisor. */
process.on('disconnect', () => process.exit(0));

process.once('message', (job: SegmentJob) => {
  openSegments(job).then(
    (segments) => process.send?.(segments, () => process.exit(0)),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exit(1);
    },
  );
});
