import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import { RerankError } from '@rerank-fleet/core/errors';
import type { Logger } from 'pino';
import type { FleetSpeed } from './fleet-speed.js';
import type { JobRoomSettler } from './job-room-settler.js';

const SETTLE_MS = 600_000;

/** Settles the room of jobs at start and now and then, and looks at the fleet before its first call. Starts and stops with the application. */
export class AdmissionClock implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #settler: Pick<JobRoomSettler, 'settleAll'>;
  readonly #speed: Pick<FleetSpeed, 'look'>;
  readonly #logger: Logger;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;

  constructor(settler: Pick<JobRoomSettler, 'settleAll'>, speed: Pick<FleetSpeed, 'look'>, logger: Logger) {
    this.#settler = settler;
    this.#speed = speed;
    this.#logger = logger;
  }

  onApplicationBootstrap(): void {
    void this.#speed.look();
    this.#run();
    this.#timer = setInterval(() => this.#run(), SETTLE_MS).unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }

  #run(): void {
    this.#running ??= this.#settler
      .settleAll()
      .catch((error: unknown) => {
        // That Redis or the blob store is away is told elsewhere; the next time comes anyway.
        if (!(error instanceof RerankError))
          this.#logger.error({ err: error }, 'the room of batch jobs could not be settled; trying again');
      })
      .finally(() => (this.#running = undefined));
  }
}
