/** Preloaded into a process: writes the packages of OpenTelemetry that it loads to the file after `?to=`, one a line. */
import { appendFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

const file = new URL(import.meta.url).searchParams.get('to');

registerHooks({
  load: (url, context, next) => {
    const [, name] = /node_modules\/(@opentelemetry\/[^/]+)\//.exec(url) ?? [];
    if (name !== undefined && file !== null) appendFileSync(file, `${name}\n`);
    return next(url, context);
  },
});
