import { describe, expect, it } from 'vitest';
import { formatLogLine } from './log-line.js';

describe('formatLogLine', () => {
  it('shows time of day, message and fields of a structured line', () => {
    const line = JSON.stringify({ level: 30, time: '2026-11-21T07:51:48.144Z', process: 'api', ms: 3, models: ['a'], message: 'done' });
    expect(formatLogLine(line)).toBe('07:51:48 done ms=3 models=["a"]');
  });

  it('shows a level that is not info', () => {
    expect(formatLogLine('{"level":50,"time":"2026-11-21T07:51:48.144Z","message":"broke","code":"x"}')).toBe(
      '07:51:48 ERROR broke code=x',
    );
  });

  it.each(['plain words', '{ no JSON', '{"some":"object"}', ''])('leaves %j as it is', (line) => {
    expect(formatLogLine(line)).toBe(line);
  });
});
