import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import type { FastifyInstance } from 'fastify';
import { fleetQueues } from './admin/fleet-queues.js';
import { installQueueBoard } from './admin/queue-board.js';
import { BodiesInHand } from './admission/bodies-in-hand.js';
import { AppModule, type AppParts } from './app.module.js';
import { ApiKeyRing } from './auth/api-key-ring.js';
import { StoredKeys } from './auth/stored-keys.js';
import { createFastifyAdapter, installHttpEdge } from './http/http-edge.js';
import { NestLogger } from './http/nest-logger.js';
import { createApiMetrics, meterDispatcher, meterRequests, type ApiMetrics } from './metrics/api-metrics.js';
import { openApiDocument } from './openapi/openapi-document.js';
import { installWeb } from './web/install-web.js';

/** The application, ready to listen or to be injected into. The caller closes it, then the adapters. */
export async function createApp(
  { adapters, ...parts }: AppParts,
  metrics: ApiMetrics = createApiMetrics(),
): Promise<NestFastifyApplication> {
  const { http, auth, admission, operators, web } = parts.config;
  const bodies = new BodiesInHand(admission.maxBodiesInHandBytes, (bytes) => metrics.instruments.bodiesInHand.set(bytes));
  const { now, apiKeys, fleet, boardQueue } = adapters;
  const onFault = (error: unknown): void => parts.logger.warn({ err: error }, 'API keys could not be looked up; those known hold.');
  const storedKeys = await StoredKeys.open({
    store: apiKeys,
    now,
    onFault,
    onUnreadable: (ids) => parts.logger.error({ keys: ids }, 'API keys cannot be read, and open nothing: delete them, and make others.'),
  });
  const ring = new ApiKeyRing(auth.keys, storedKeys);
  const edge = { http, ring, logger: parts.logger, bodies };
  const adapter = createFastifyAdapter(edge);
  const instance = adapter.getInstance<FastifyInstance>();
  instance.addHook('onClose', async () => storedKeys.close());
  installHttpEdge(instance, edge);
  meterRequests(instance, metrics);
  const queueNames = async (): Promise<string[]> => (await fleetQueues(fleet)).map(({ name }) => name);
  await installQueueBoard(instance, { mode: operators.queueBoard, ring, boardQueue, queueNames });
  installWeb(instance, web);
  const metered: AppParts = { ...parts, adapters: { ...adapters, dispatcher: meterDispatcher(adapters.dispatcher, metrics) } };
  // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- Nest declares its options as a class, and takes literals
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.of(metered, { ring, storedKeys }), adapter, {
    bodyParser: false,
    logger: new NestLogger(parts.logger),
    abortOnError: false,
  });
  // The page is served from the package, with nothing from other hosts; the document itself has a route of its own.
  SwaggerModule.setup('docs', app, openApiDocument() as OpenAPIObject, { raw: false, customSiteTitle: 'rerank-fleet API' });
  await app.init();
  await adapter.getInstance().ready();
  return app;
}
