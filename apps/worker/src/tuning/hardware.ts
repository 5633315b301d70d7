import { readdir, readFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import type { Device } from './engine-shape.js';

/** What a measurement is true of, besides the model and the runtime. */
export interface Hardware {
  readonly device: Device;
  /** CPU model, and that of the GPU where the driver tells it. */
  readonly name: string;
  /** Cores that this process may use. */
  readonly cores: number;
}

const NVIDIA = '/proc/driver/nvidia/gpus';

export async function describeHardware(device: Device): Promise<Hardware> {
  const cpu = cpus()[0]?.model.trim() ?? 'unknown CPU';
  const gpus = device === 'cpu' ? [] : await nvidiaModels();
  return { device, name: [cpu, ...gpus].join(', '), cores: availableParallelism() };
}

async function nvidiaModels(): Promise<string[]> {
  const cards = await readdir(NVIDIA).catch(() => []);
  const pages = await Promise.all(cards.map((card) => readFile(join(NVIDIA, card, 'information'), 'utf8').catch(() => '')));
  return pages.flatMap((page) => /^Model:\s*(.+)$/m.exec(page)?.[1] ?? []);
}
