import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { isIPv6, type LookupFunction } from 'node:net';

export interface WebhookPost {
  readonly url: URL;
  /** Where to connect; the URL's name is not resolved again. */
  readonly addresses: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly signal: AbortSignal;
}

export interface WebhookAnswer {
  readonly status: number;
  readonly location: string | undefined;
  readonly retryAfter: string | undefined;
}

/** What an answer says beyond its head is read this far, so that a receiver sees no broken connection, and dropped. */
const BODY_BYTES_READ = 8_192;
const BODY_MS_READ = 1_000;

// Agents of our own: Node's global ones may go through a proxy of the environment, which would connect where we cannot check.
const AGENTS = { 'http:': new HttpAgent({ keepAlive: false }), 'https:': new HttpsAgent({ keepAlive: false }) };

/** One POST, to one of the addresses given and to no other; follows no redirect. Rejects when there is no answer. */
export function postOnce({ url, addresses, headers, body, signal }: WebhookPost): Promise<WebhookAnswer> {
  const isTls = url.protocol === 'https:';
  const { promise, resolve, reject } = Promise.withResolvers<WebhookAnswer>();
  const request = (isTls ? httpsRequest : httpRequest)(url, {
    method: 'POST',
    agent: isTls ? AGENTS['https:'] : AGENTS['http:'],
    lookup: pinned(addresses),
    headers: { ...headers, 'Content-Length': body.byteLength, Connection: 'close' },
    signal,
  });
  let answer: WebhookAnswer | undefined;
  request.on('response', (response) => {
    const received = answerOf(response);
    answer = received;
    dropBody(response, () => resolve(received));
  });
  // Without a listener the connection is closed, and nothing tells of it: neither an answer nor a fault.
  request.on('upgrade', (response, socket) => {
    socket.destroy();
    resolve(answerOf(response));
  });
  request.on('error', (error) => {
    if (answer === undefined) reject(error);
    else resolve(answer);
  });
  request.end(body);
  return promise;
}

function answerOf({ statusCode = 0, headers }: IncomingMessage): WebhookAnswer {
  return { status: statusCode, location: headers.location, retryAfter: headers['retry-after'] };
}

/** Node asks it in place of a name server. An address in the URL itself is connected to without asking. */
function pinned(addresses: readonly string[]): LookupFunction {
  const entries = addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }));
  return (_host, { all }, callback) => {
    const [first] = entries;
    if (first === undefined) callback(Object.assign(new Error('no address'), { code: 'ENOTFOUND' }), '');
    else if (all === true) callback(null, entries);
    else callback(null, first.address, first.family);
  };
}

function dropBody(response: IncomingMessage, done: () => void): void {
  let bytes = 0;
  const giveUp = setTimeout(() => response.destroy(), BODY_MS_READ);
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.byteLength;
    if (bytes > BODY_BYTES_READ) response.destroy();
  });
  // The answer is known: how its body ends changes nothing.
  response.on('error', () => undefined);
  response.on('close', () => {
    clearTimeout(giveUp);
    done();
  });
}
