import { Controller, Get, Inject } from '@nestjs/common';
import type { Config } from '@rerank-fleet/core/config';
import type { TeiInfo } from '@rerank-fleet/core/contracts';
import type { ModelsService } from '../models/models.service.js';
import { CONFIG, MODELS_SERVICE } from '../tokens.js';
import { CompatibleRoute } from './compatible-route.js';
import { describeInfo } from './tei-mapping.js';

/** What clients of Text Embeddings Inference ask a server before they use it. */
@Controller('info')
export class TeiInfoController {
  constructor(
    @Inject(MODELS_SERVICE) private readonly models: ModelsService,
    @Inject(CONFIG) private readonly config: Pick<Config, 'http'>,
  ) {}

  @Get()
  @CompatibleRoute('tei')
  async info(): Promise<TeiInfo> {
    return describeInfo(await this.models.list(), this.config.http.maxDocuments);
  }
}
