import { z } from 'zod';
import { Secret } from '../secret.js';
import { field, flag } from './field.js';

/** Names of the OpenTelemetry specification. */
const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;

export type TracesSampler = (typeof SAMPLERS)[number];

const receiver = z.url({ protocol: /^https?$/, error: 'must be a URL that begins with http:// or https://' });

/** `name=value` pairs with commas between them, values percent-encoded (W3C Baggage, as the specification has it). */
const headers = z
  .string()
  .transform((text, context) => {
    const pairs = text
      .split(',')
      .map((pair) => pair.trim())
      .filter((pair) => pair !== '');
    return Object.fromEntries(
      pairs.map((pair) => {
        const at = pair.indexOf('=');
        const name = pair.slice(0, at).trim().toLowerCase();
        const value = decoded(pair.slice(at + 1).trim());
        if (at < 1 || value === undefined || !/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name) || !/^[\t\x20-\x7e]*$/.test(value))
          context.addIssue({ code: 'custom', message: 'must be name=value pairs with commas between them, values percent-encoded' });
        return [name, new Secret(value ?? '')] as const;
      }),
    );
  })
  .default({});

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

export const tracing = {
  endpoint: field({
    env: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    description:
      'Receiver of traces, such as http://127.0.0.1:4318: OTLP JSON over HTTP (not the gRPC port 4317); /v1/traces is put behind it. Neither this nor the next set: nothing is traced.',
    schema: receiver.optional(),
  }),
  tracesEndpoint: field({
    env: 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
    description: 'The same, taken as it is, with its path.',
    schema: receiver.optional(),
  }),
  headers: field({
    env: 'OTEL_EXPORTER_OTLP_HEADERS',
    secret: true,
    description: 'Headers sent along, such as keys of the receiver: name=value,name=value, values percent-encoded.',
    schema: headers,
  }),
  serviceName: field({
    env: 'OTEL_SERVICE_NAME',
    description: 'Name in traces. Not set: `rerank-fleet-api`, `rerank-fleet-worker`.',
    schema: z.string().optional(),
  }),
  sampler: field({
    env: 'OTEL_TRACES_SAMPLER',
    description: `Which traces are recorded: ${SAMPLERS.map((name) => `\`${name}\``).join(', ')}. Those with \`parentbased\` follow what the caller decided.`,
    schema: z.enum(SAMPLERS).default('parentbased_always_on'),
  }),
  samplerRatio: field({
    env: 'OTEL_TRACES_SAMPLER_ARG',
    description: 'Share of traces, 0 to 1, for the samplers with `traceidratio`.',
    schema: z
      .string()
      .regex(/^(0(\.\d+)?|1(\.0+)?)$/, 'must be a number from 0 to 1')
      .transform(Number)
      .default(1),
  }),
  disabled: field({
    env: 'OTEL_SDK_DISABLED',
    description: 'Traces nothing, whatever else is set.',
    schema: flag.default(false),
  }),
} as const;
