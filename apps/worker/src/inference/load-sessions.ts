import { InferenceSession } from 'onnxruntime-node';
import { FeatureSession } from './feature-session.js';

/** Of a cut model on one thread. */
export interface LoadedSegments {
  /** By segment. */
  readonly sessions: readonly InferenceSession[];
  readonly features: FeatureSession;
}

/**
 * Loads all segments of a model, or none: where one cannot be loaded, those before it are released at once, as there may have been too little memory.
 *
 * @param width of the hidden state between them
 */
export async function loadSessions(
  paths: readonly string[],
  width: number,
  options: InferenceSession.SessionOptions,
): Promise<LoadedSegments> {
  const sessions: InferenceSession[] = [];
  try {
    // One after the other: loading takes twice the memory of what is loaded.
    for (const path of paths) sessions.push(await InferenceSession.create(path, options));
    return { sessions, features: await FeatureSession.load(width) };
  } catch (error) {
    for (const session of sessions) await session.release();
    throw error;
  }
}
