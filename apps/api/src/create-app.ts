import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import type { FastifyInstance } from 'fastify';
import { BodiesInHand } from './admission/bodies-in-hand.js';
import { AppModule, type AppParts } from './app.module.js';
import { ApiKeyRing } from './auth/api-key-ring.js';
import { createFastifyAdapter, installHttpEdge } from './http/http-edge.js';
import { NestLogger } from './http/nest-logger.js';
import { createApiMetrics, meterDispatcher, meterRequests, type ApiMetrics } from './metrics/api-metrics.js';
import { openApiDocument } from './openapi/openapi-document.js';

/** The application, ready to listen or to be injected into. The caller closes it, then the adapters. */
export async function createApp(
  { adapters, ...parts }: AppParts,
  metrics: ApiMetrics = createApiMetrics(),
): Promise<NestFastifyApplication> {
  const { http, auth, admission } = parts.config;
  const bodies = new BodiesInHand(admission.maxBodiesInHandBytes, (bytes) => metrics.instruments.bodiesInHand.set(bytes));
  const edge = { http, ring: new ApiKeyRing(auth.keys), logger: parts.logger, bodies };
  const adapter = createFastifyAdapter(edge);
  installHttpEdge(adapter.getInstance<FastifyInstance>(), edge);
  meterRequests(adapter.getInstance<FastifyInstance>(), metrics);
  const metered: AppParts = { ...parts, adapters: { ...adapters, dispatcher: meterDispatcher(adapters.dispatcher, metrics) } };
  // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- Nest declares its options as a class, and takes literals
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.of(metered), adapter, {
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
