import { AsyncLocalStorage } from 'node:async_hooks';
import type { WorkSpan } from './work-span.js';

/** What log lines of one piece of work have in common. */
export type WorkFields = Readonly<Record<string, string | number>>;

/** The work that the code at hand is done for. */
export interface WorkFrame {
  readonly fields: WorkFields;
  /** Absent where nothing is traced, or not this work. */
  readonly span?: WorkSpan;
  /** W3C trace context to pass on, also where nothing is recorded here. */
  readonly traceparent?: string;
}

const frames = new AsyncLocalStorage<WorkFrame | undefined>();

export function frameNow(): WorkFrame | undefined {
  return frames.getStore();
}

/** Runs work in a frame of its own making, or in none: what it logs and traces is of that frame, whoever called. */
export function inFrame<T>(frame: WorkFrame | undefined, work: () => T): T {
  return frames.run(frame, work);
}

/** Runs work whose log lines have these fields besides those around it. */
export function inWork<T>(fields: WorkFields, work: () => T): T {
  const around = frameNow();
  return inFrame({ ...around, fields: { ...around?.fields, ...fields } }, work);
}

/** The span of the work at hand, if it is recorded. */
export function spanNow(): WorkSpan | undefined {
  return frameNow()?.span;
}

/** What to pass on to whoever does a part of this work. */
export function traceparentNow(): string | undefined {
  return frameNow()?.traceparent;
}
