import type { Stage } from '@rerank-fleet/core/domain';
import { InvalidArgumentError } from 'commander';

export function parsePositiveInt(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('It must be a whole number, 1 or more.');
  return Number(text);
}

export function parseNonNegativeInt(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It must be a whole number, 0 or more.');
  return Number(text);
}

export function parseNumber(text: string): number {
  if (text.trim() === '' || !Number.isFinite(Number(text))) throw new InvalidArgumentError('It must be a number.');
  return Number(text);
}

/** `model:keep`, or a model alone; a name may hold colons itself. May be repeated. */
export function collectStage(text: string, previous: readonly Stage[] = []): readonly Stage[] {
  const { model, keep } = /^(?<model>.+?)(?::(?<keep>\d+))?$/s.exec(text)?.groups ?? {};
  if (model === undefined) throw new InvalidArgumentError('It must be model:keep, or a model alone.');
  return [...previous, { model, ...(keep === undefined ? {} : { keep: parsePositiveInt(keep) }) }];
}

export function parseJsonObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new InvalidArgumentError('It must be JSON.');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new InvalidArgumentError('It must be a JSON object.');
  return value as Record<string, unknown>;
}

/** Only what was given: absent flags leave the service's defaults in force. */
export function given<Values extends object>(values: Values): { [Name in keyof Values]: Exclude<Values[Name], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}
