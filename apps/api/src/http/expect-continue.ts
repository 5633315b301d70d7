import type { ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';

/** Requests whose client waits for a word before it sends the body, and the responses that give it. */
const HELD = new WeakMap<object, ServerResponse>();

/**
 * A client that sends `Expect: 100-continue` is told to send its body when somebody comes to read it, so that a request that is refused before (a key, a tenant's limits,
 * a length) never has it sent. Node would tell it at once. Such an answer ends its connection: whether the body comes after all, nobody knows.
 */
export function holdExpectedBodies(instance: FastifyInstance): void {
  const { server } = instance;
  server.on('checkContinue', (request: object, response: ServerResponse) => {
    HELD.set(request, response);
    server.emit('request', request, response);
  });
  instance.addHook('onSend', async ({ raw }, reply) => {
    if (HELD.has(raw)) void reply.header('connection', 'close');
  });
}

/** Whoever is about to read a body calls it. */
export function letBodyCome(raw: object): void {
  const response = HELD.get(raw);
  if (response === undefined) return;
  HELD.delete(raw);
  if (!response.headersSent) response.writeContinue();
}
