import { MemoryJobQueue } from '@rerank-fleet/core/adapters/memory/memory-job-queue';
import { describeJobQueue } from './describe-job-queue.js';

describeJobQueue('MemoryJobQueue', async () => ({ open: async () => new MemoryJobQueue(), close: async () => undefined }));
