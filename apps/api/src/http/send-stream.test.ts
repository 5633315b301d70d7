import { once } from 'node:events';
import { Readable } from 'node:stream';
import fastify, { type FastifyReply, type HTTPMethods } from 'fastify';
import { describe, expect, it } from 'vitest';
import { sendStream, takesGzip } from './send-stream.js';

describe('sendStream', () => {
  /** A source as an open file is one: it holds something before anything is read of it. */
  async function answerTo(method: HTTPMethods, before: (reply: FastifyReply) => void = () => undefined): Promise<Readable> {
    const source = new Readable({ read: () => undefined });
    const ended = once(source, 'close');
    const instance = fastify();
    instance.route({
      method,
      url: '/',
      handler: (_request, reply) => {
        before(reply);
        sendStream(reply, source, { type: 'text/plain', idleMs: 60_000, onFault: () => undefined });
      },
    });
    await Promise.allSettled([instance.inject({ method: method as 'GET', url: '/' }), ended]);
    return source;
  }

  it('ends the source of an answer without a body', async () => {
    expect((await answerTo('HEAD')).destroyed).toBe(true);
  });

  it('ends the source where the client left before the answer began', async () => {
    expect((await answerTo('GET', (reply) => reply.raw.destroy())).destroyed).toBe(true);
  });
});

describe('takesGzip', () => {
  it.each(['gzip', 'br, gzip;q=0.5', 'GZIP', '*', 'x-gzip', 'deflate;q=1, *;q=0.1'])('packs for %j', (header) => {
    expect(takesGzip(header)).toBe(true);
  });

  it.each(['', 'identity', 'br', 'gzip;q=0', '*;q=0', 'gzip;q=0, *', 'gzip;q=nonsense'])('does not pack for %j', (header) => {
    expect(takesGzip(header)).toBe(false);
  });
});
