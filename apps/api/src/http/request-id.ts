import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** Long enough for every tracing system, short enough for a log line, and nothing that a header or a log could trip over. */
const WELL_FORMED = /^[A-Za-z0-9][A-Za-z0-9._~+/=-]{0,127}$/;

/** The caller's own `X-Request-Id` where it is well formed, else a new one. */
export function requestIdOf(request: Pick<IncomingMessage, 'headers'>): string {
  const sent = request.headers['x-request-id'];
  return typeof sent === 'string' && WELL_FORMED.test(sent) ? sent : randomUUID();
}
