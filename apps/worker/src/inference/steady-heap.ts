import { setFlagsFromString } from 'node:v8';

/**
 * V8 lets a heap grow for speed: with pairs going through, the main thread and the text thread kept 350 MB of which 150 were in use.
 * A worker's time goes into the model, so it collects more often instead: a third less memory for .03 ms of CPU a pair (docs/decisions/0009-…). Both flags
 * are read whenever a heap would grow, so they hold from now on, for this thread and for those started later. Call it first.
 */
export function keepHeapSmall(): void {
  // The young generation stays at its first size.
  setFlagsFromString('--semi-space-growth-factor=1');
  // The old one grows by this part of what is in use before it is collected again.
  setFlagsFromString('--heap-growing-percent=40');
}
