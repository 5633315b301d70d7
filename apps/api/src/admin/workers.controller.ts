import { Controller, Get, Inject } from '@nestjs/common';
import type { WorkerListBody } from '@rerank-fleet/core/contracts';
import { RequiresScope } from '../auth/scope.js';
import { WORKERS_SERVICE } from '../tokens.js';
import type { WorkersService } from './workers.service.js';

@Controller('v1/admin/workers')
export class WorkersController {
  constructor(@Inject(WORKERS_SERVICE) private readonly workers: WorkersService) {}

  @Get()
  @RequiresScope('operator')
  list(): Promise<WorkerListBody> {
    return this.workers.list();
  }
}
