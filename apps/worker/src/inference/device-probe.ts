/** A program of its own: opens a session on the device named by its argument and ends with 0, or says why it cannot. */
import { InferenceSession } from 'onnxruntime-node';

/** A model that gives back its one number: no file is needed to ask for a device. */
const IDENTITY_MODEL = Buffer.from(
  'CAg6OwoQCgF4EgF5IghJZGVudGl0eRIFcHJvYmVaDwoBeBIKCggIARIECgIIAWIPCgF5EgoKCAgBEgQKAggBQgQKABAN',
  'base64',
);

const [, , device = 'cpu'] = process.argv;
try {
  await InferenceSession.create(IDENTITY_MODEL, { executionProviders: [device] });
  process.exit(0);
} catch (error) {
  process.stdout.write(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
