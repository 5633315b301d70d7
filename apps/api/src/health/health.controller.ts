import { Controller, Get, Inject, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { HEALTH_SERVICE } from '../tokens.js';
import type { HealthBody, HealthService } from './health.service.js';

@Controller('health')
export class HealthController {
  constructor(@Inject(HEALTH_SERVICE) private readonly health: HealthService) {}

  @Get('live')
  live(): HealthBody {
    return this.health.live();
  }

  @Get('ready')
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<HealthBody> {
    const body = await this.health.ready();
    void reply.status(body.status === 'ok' ? 200 : 503);
    return body;
  }
}
