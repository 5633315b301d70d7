import { z } from 'zod';

export const ingestQuerySchema = z.strictObject({
  wait: z
    .enum(['true', 'false'])
    .default('false')
    .transform((text) => text === 'true')
    .meta({ description: 'Answer when the job is done (200), or with the job as it stands when the time is over (202).' }),
});
