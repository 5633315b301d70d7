import type { Readable } from 'node:stream';
import picocolors from 'picocolors';
import { formatLogLine } from './log-line.js';
import type { StackOutput } from './stack-options.js';

const TAIL_LINES = 20;
const NAME_WIDTH = 8;
const { createColors } = picocolors;

/** The output of one process: every line with the process' name before it. */
export interface PrefixedLog {
  line(text: string): void;
  /** Shows a stream, line by line; `onLine` instead of `line` where it is given. */
  follow(stream: Readable, onLine?: (text: string) => void): void;
  /** The last lines, oldest first. */
  tail(): readonly string[];
}

const palette = (enabled: boolean) => {
  const colors = createColors(enabled);
  return [colors.cyan, colors.magenta, colors.yellow, colors.green, colors.blue];
};

/** One log a process, each with a colour of its own on a terminal. */
export function createLogs(output: StackOutput): (name: string) => PrefixedLog {
  const colours = palette(output.isTTY === true);
  let count = 0;
  return (name) => {
    const colour = colours[count % colours.length] ?? String;
    count += 1;
    const prefix = colour(`${name.padEnd(NAME_WIDTH)} | `);
    const kept: string[] = [];
    const line = (raw: string): void => {
      const text = formatLogLine(raw);
      kept.push(text);
      if (kept.length > TAIL_LINES) kept.shift();
      output.write(`${prefix}${text}\n`);
    };
    return { line, tail: () => [...kept], follow: (stream, onLine = line) => followLines(stream, onLine) };
  };
}

function followLines(stream: Readable, line: (text: string) => void): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split(/\r?\n/);
    rest = lines.pop() ?? '';
    lines.forEach(line);
  });
  stream.on('end', () => {
    if (rest !== '') line(rest);
  });
  // A broken pipe of a child that died says nothing that its exit does not.
  stream.on('error', () => undefined);
}
