import { Controller, Get, Inject } from '@nestjs/common';
import type { ModelListBody } from '@rerank-fleet/core/contracts';
import { RequiresScope } from '../auth/scope.js';
import { MODELS_SERVICE } from '../tokens.js';
import type { ModelsService } from './models.service.js';

@Controller('v1/models')
export class ModelsController {
  constructor(@Inject(MODELS_SERVICE) private readonly models: ModelsService) {}

  @Get()
  @RequiresScope(['search', 'operator'])
  list(): Promise<ModelListBody> {
    return this.models.list();
  }
}
