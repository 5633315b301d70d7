import { describe, expect, it } from 'vitest';
import { formatTraceparent, parseTraceparent } from './traceparent.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';

describe(parseTraceparent, () => {
  it.each(['00', '01'])('reads what it is formatted to, with the flag %s', (flags) => {
    const text = `00-${TRACE}-${SPAN}-${flags}`;
    const context = parseTraceparent(text)!;
    expect(context).toEqual({ traceId: TRACE, spanId: SPAN, traceFlags: Number(flags), isRemote: true });
    expect(formatTraceparent(context)).toBe(text);
  });

  it('reads a later version as far as this one goes, and passes on the one flag that it knows', () => {
    const context = parseTraceparent(`cc-${TRACE}-${SPAN}-ff-what-the-future-holds`)!;
    expect(formatTraceparent(context)).toBe(`00-${TRACE}-${SPAN}-01`);
  });

  it.each([
    ['nothing', undefined],
    ['no trace context', 'hello'],
    ['a version that cannot be', `ff-${TRACE}-${SPAN}-01`],
    ['more than the version has', `00-${TRACE}-${SPAN}-01-more`],
    ['capitals', `00-${TRACE.toUpperCase()}-${SPAN}-01`],
    ['a trace of zeroes', `00-${'0'.repeat(32)}-${SPAN}-01`],
    ['a span of zeroes', `00-${TRACE}-${'0'.repeat(16)}-01`],
    ['another header behind it', `00-${TRACE}-${SPAN}-01\r\nx: y`],
  ])('takes %s for none', (_, text) => {
    expect(parseTraceparent(text)).toBeUndefined();
  });
});
