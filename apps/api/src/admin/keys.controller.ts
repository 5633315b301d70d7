import { Body, Controller, Delete, Get, Header, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { createKeyRequestSchema, type ApiKeyListBody, type CreatedKeyBody, type CreateKeyRequest } from '@rerank-fleet/core/contracts';
import type { Logger } from 'pino';
import { RequiresScope } from '../auth/scope.js';
import { Context, type RequestContext } from '../http/request-context.js';
import { ZodPipe } from '../http/zod-pipe.js';
import { KEYS_SERVICE, LOGGER } from '../tokens.js';
import type { KeysService } from './keys.service.js';

@Controller('v1/admin/keys')
export class KeysController {
  constructor(
    @Inject(KEYS_SERVICE) private readonly keys: KeysService,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  @Get()
  @RequiresScope('operator')
  list(): Promise<ApiKeyListBody> {
    return this.keys.list();
  }

  @Post()
  @HttpCode(201)
  @Header('cache-control', 'no-store')
  @RequiresScope('operator')
  async create(
    @Body(new ZodPipe(createKeyRequestSchema)) request: CreateKeyRequest,
    @Context() { requestId, tenant }: RequestContext,
  ): Promise<CreatedKeyBody> {
    const key = await this.keys.create(request);
    this.logger.warn({ request_id: requestId, tenant, key: key.id, of: key.tenant, scopes: key.scopes }, 'an operator has made an API key');
    return key;
  }

  @Delete(':id')
  @HttpCode(204)
  @RequiresScope('operator')
  async remove(@Param('id') id: string, @Context() { requestId, tenant }: RequestContext): Promise<void> {
    await this.keys.remove(id);
    this.logger.warn({ request_id: requestId, tenant, key: id }, 'an operator has removed an API key');
  }
}
