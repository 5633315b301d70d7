/**
 * Preloaded into a process: notes which modules its main thread loads, which long texts are normalized or segmented there, and the longest time for which
 * its loop stood still. Writes all that to the file MAIN_THREAD_REPORT when the process ends.
 */
import { writeFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { isMainThread } from 'node:worker_threads';

/** Longer than any query may be. */
const LONG = 40_000;

if (isMainThread) {
  const report = { modules: [], longTexts: [], longestGapMs: 0 };
  registerHooks({
    load(url, context, next) {
      report.modules.push(url);
      return next(url, context);
    },
  });
  watch(String.prototype, 'normalize', (text) => text);
  watch(String.prototype, 'toLowerCase', (text) => text);
  watch(Intl.Segmenter.prototype, 'segment', (_, text) => text);
  let last = performance.now();
  setInterval(() => {
    const now = performance.now();
    report.longestGapMs = Math.max(report.longestGapMs, now - last);
    last = now;
  }, 1).unref();
  // A worker tells its supervisor when it is ready: what came before was its start.
  const send = process.send;
  process.send = (...given) => {
    report.longestGapMs = 0;
    return send.apply(process, given);
  };
  process.once('exit', () => writeFileSync(process.env.MAIN_THREAD_REPORT, JSON.stringify(report)));

  function watch(prototype, method, textOf) {
    const original = prototype[method];
    prototype[method] = function (...given) {
      const text = String(textOf(this, ...given));
      if (text.length > LONG) report.longTexts.push(`${method} of ${text.length}`);
      return original.apply(this, given);
    };
  }
}
