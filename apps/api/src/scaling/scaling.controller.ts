import { Controller, Get, Inject, Query } from '@nestjs/common';
import { scalingQuerySchema, type ScalingBody } from '@rerank-fleet/core/contracts';
import type { z } from 'zod';
import { RequiresScope } from '../auth/scope.js';
import { ZodPipe } from '../http/zod-pipe.js';
import { SCALING_SERVICE } from '../tokens.js';
import type { ScalingService } from './scaling.service.js';

/** For an autoscaler that comes with a key; `OPS_PORT` has the same without one. */
@Controller('v1/scaling')
export class ScalingController {
  constructor(@Inject(SCALING_SERVICE) private readonly scaling: ScalingService) {}

  @Get()
  @RequiresScope('operator')
  read(@Query(new ZodPipe(scalingQuerySchema)) { pool }: z.output<typeof scalingQuerySchema>): Promise<ScalingBody> {
    return this.scaling.read(pool);
  }
}
