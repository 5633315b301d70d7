import type { FirstStageRequest } from '../../ports/index.js';

/** @param requestIdHeader by which the other side's logs name a request */
export function tracingHeaders(
  { requestId, traceparent }: Pick<FirstStageRequest, 'requestId' | 'traceparent'>,
  requestIdHeader: string,
): Readonly<Record<string, string>> {
  return {
    ...(requestId === undefined ? {} : { [requestIdHeader]: requestId.replaceAll(/[^\x20-\x7e]/g, '') }),
    ...(traceparent === undefined || !/^[0-9a-f-]+$/.test(traceparent) ? {} : { traceparent }),
  };
}
