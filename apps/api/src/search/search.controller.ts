import { Body, Controller, HttpCode, Inject, Post } from '@nestjs/common';
import { searchRequestSchema, type SearchRequest, type SearchResponse } from '@rerank-fleet/core/contracts';
import { RequiresScope } from '../auth/scope.js';
import { Context, type RequestContext } from '../http/request-context.js';
import { ZodPipe } from '../http/zod-pipe.js';
import { SEARCH_SERVICE } from '../tokens.js';
import type { SearchService } from './search.service.js';

@Controller('v1/search')
export class SearchController {
  constructor(@Inject(SEARCH_SERVICE) private readonly service: SearchService) {}

  @Post()
  @HttpCode(200)
  @RequiresScope('search')
  search(@Body(new ZodPipe(searchRequestSchema)) request: SearchRequest, @Context() context: RequestContext): Promise<SearchResponse> {
    return this.service.search(request, context);
  }
}
