import { parse } from 'yaml';
import { z } from 'zod';

const dependencySchema = z.strictObject({ condition: z.enum(['service_healthy', 'service_completed_successfully']) });
const durationSchema = z.string().regex(/^\d+s$/);

/** As much of the compose specification as our file uses; anything else in it is a mistake until it is written here. */
export const serviceSchema = z.strictObject({
  profiles: z.array(z.enum(['gpu', 'observability'])).optional(),
  build: z.strictObject({ context: z.literal('.'), dockerfile: z.string(), target: z.string() }).optional(),
  image: z.string(),
  user: z.string().optional(),
  restart: z.enum(['unless-stopped', 'no']),
  read_only: z.literal(true),
  command: z.array(z.string()).optional(),
  ports: z.array(z.string()).optional(),
  environment: z.record(z.string(), z.string()).optional(),
  volumes: z.array(z.string()),
  tmpfs: z.array(z.string()).optional(),
  depends_on: z.record(z.string(), dependencySchema).optional(),
  deploy: z
    .strictObject({
      resources: z.strictObject({
        reservations: z.strictObject({
          devices: z.array(z.strictObject({ driver: z.literal('nvidia'), count: z.literal(1), capabilities: z.tuple([z.literal('gpu')]) })),
        }),
      }),
    })
    .optional(),
  cap_drop: z.tuple([z.literal('ALL')]),
  security_opt: z.tuple([z.literal('no-new-privileges:true')]),
  logging: z.strictObject({ driver: z.literal('json-file'), options: z.record(z.string(), z.string()) }),
  stop_grace_period: durationSchema.optional(),
  healthcheck: z
    .strictObject({
      test: z.tuple([z.literal('CMD')], z.string()),
      interval: durationSchema,
      timeout: durationSchema,
      retries: z.int().positive(),
      start_period: durationSchema.optional(),
    })
    .optional(),
});

export const composeSchema = z.strictObject({
  name: z.literal('rerank-fleet'),
  services: z.record(z.string(), serviceSchema),
  volumes: z.record(z.string(), z.null()),
});

export type ComposeFile = z.infer<typeof composeSchema>;
export type ComposeService = z.infer<typeof serviceSchema>;

/** Without the anchors that begin with `x-`, merged as compose merges them. */
export function parseCompose(text: string): unknown {
  const all = parse(text, { merge: true }) as Record<string, unknown>;
  return Object.fromEntries(Object.entries(all).filter(([name]) => !name.startsWith('x-')));
}
