import { z } from 'zod';
import { parseRedisUrl } from '../redis-address.js';

export const redisUrl = z.string().superRefine((url, context) => {
  try {
    parseRedisUrl(url);
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as RangeError).message });
  }
});
