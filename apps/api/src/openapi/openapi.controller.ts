import { Controller, Get } from '@nestjs/common';
import { openApiDocument, type OpenApiDocument } from './openapi-document.js';

@Controller('openapi.json')
export class OpenApiController {
  readonly #document = openApiDocument();

  @Get()
  document(): OpenApiDocument {
    return this.#document;
  }
}
