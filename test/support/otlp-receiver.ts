import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';

const valueSchema = z.object({
  stringValue: z.string().optional(),
  boolValue: z.boolean().optional(),
  intValue: z.union([z.number(), z.string()]).optional(),
  doubleValue: z.number().optional(),
});
const attributesSchema = z
  .array(z.object({ key: z.string(), value: valueSchema }))
  .default([])
  .transform((list) => Object.fromEntries(list.map(({ key, value }) => [key, Object.values(value)[0]])));
const nanosSchema = z.union([z.string(), z.number()]).transform((nanos) => Number(BigInt(nanos) / 1_000n) / 1_000);

/** As opentelemetry-proto 1.x has it: `ExportTraceServiceRequest`. */
const requestSchema = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({ attributes: attributesSchema }),
      scopeSpans: z.array(
        z.object({
          spans: z.array(
            z.object({
              traceId: z.string().regex(/^[0-9a-f]{32}$/),
              spanId: z.string().regex(/^[0-9a-f]{16}$/),
              parentSpanId: z.string().optional(),
              name: z.string(),
              kind: z.number(),
              startTimeUnixNano: nanosSchema,
              endTimeUnixNano: nanosSchema,
              attributes: attributesSchema,
              events: z.array(z.object({ name: z.string(), attributes: attributesSchema })).default([]),
              links: z.array(z.object({ traceId: z.string(), spanId: z.string() })).default([]),
              status: z.object({ code: z.number().optional(), message: z.string().optional() }).default({}),
            }),
          ),
        }),
      ),
    }),
  ),
});

type Sent = z.infer<typeof requestSchema>['resourceSpans'][number]['scopeSpans'][number]['spans'][number];

export interface ReceivedSpan extends Omit<Sent, 'startTimeUnixNano' | 'endTimeUnixNano'> {
  /** `service.name` of who sent it. */
  readonly service: unknown;
  /** Epoch milliseconds. */
  readonly start: number;
  readonly end: number;
}

/** Takes traces as OTLP JSON over HTTP, on a loopback port. */
export class OtlpReceiver {
  readonly spans: ReceivedSpan[] = [];
  /** Bodies as they came. */
  readonly bodies: string[] = [];
  readonly headers: Record<string, unknown>[] = [];
  readonly url: string;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** @param port 0 picks a free one */
  static async start(port = 0): Promise<OtlpReceiver> {
    const server = createServer();
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    const receiver = new OtlpReceiver(server);
    server.on('request', (request, response) => {
      void buffer(request).then((sent) => {
        receiver.headers.push({ path: request.url, ...request.headers });
        receiver.#take((request.headers['content-encoding'] === 'gzip' ? gunzipSync(sent) : sent).toString());
        response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
      });
    });
    return receiver;
  }

  /** Spans of one trace. */
  trace(traceId: string): readonly ReceivedSpan[] {
    return this.spans.filter((span) => span.traceId === traceId);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #take(body: string): void {
    this.bodies.push(body);
    for (const { resource, scopeSpans } of requestSchema.parse(JSON.parse(body)).resourceSpans)
      for (const { spans } of scopeSpans)
        for (const { startTimeUnixNano: start, endTimeUnixNano: end, ...span } of spans)
          this.spans.push({ ...span, start, end, service: resource.attributes['service.name'] });
  }
}
