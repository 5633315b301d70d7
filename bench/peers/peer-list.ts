import { fileURLToPath } from 'node:url';
import { modelFolders, pythonEnvironment, pythonScript, transformersJsFolder, type ModelFolders } from './environments.ts';
import { PeerProcess, type PeerCommand, type TextList } from './peer-process.ts';

interface PeerPlan {
  readonly name: string;
  /** What the worker's speed over the peer's, with its own batch, is meant to be. */
  readonly defaultGoal?: number;
  /** And with `effort: balanced`. */
  readonly effortGoal?: number;
  readonly command: () => Promise<Omit<PeerCommand, 'name'>>;
}

export interface StartedPeer {
  readonly process: PeerProcess;
  readonly defaultGoal: number | undefined;
  readonly effortGoal: number | undefined;
}

export interface StartedPeers {
  readonly peers: readonly StartedPeer[];
  /** Who cannot be measured here, and why. */
  readonly missing: readonly string[];
}

export interface PeerOptions {
  /** Environments are kept here. */
  readonly root: string;
  readonly model: { readonly onnxPath: string; readonly sha256: string };
  readonly lists: readonly TextList[];
  /** Part of the names of those to start. */
  readonly only: string;
}

function plans(root: string, model: PeerOptions['model']): PeerPlan[] {
  const python = (): Promise<string> => pythonEnvironment(root, 'requirements.txt');
  const folders = async (): Promise<ModelFolders> => modelFolders(root, await python(), model);
  const script = (name: string, ...args: readonly string[]): readonly string[] => [pythonScript(name), ...args];
  const sentenceTransformers = async (backend: 'onnx' | 'torch'): Promise<Omit<PeerCommand, 'name'>> => ({
    command: await python(),
    args: script('sentence_transformers_peer.py', backend, (await folders()).huggingFace),
  });
  return [
    { name: 'sentence-transformers, ONNX', defaultGoal: 2, effortGoal: 4, command: () => sentenceTransformers('onnx') },
    { name: 'sentence-transformers, torch fp32', command: () => sentenceTransformers('torch') },
    {
      name: 'FlashRank',
      defaultGoal: 3.5,
      effortGoal: 8,
      command: async () => ({ command: await python(), args: script('flashrank_peer.py', (await folders()).flashrank) }),
    },
    {
      name: 'fastembed',
      command: async () => ({ command: await python(), args: script('fastembed_peer.py', (await folders()).huggingFace) }),
    },
    {
      name: 'Infinity, ONNX',
      command: async () => ({
        command: await pythonEnvironment(root, 'requirements-infinity.txt'),
        args: script('infinity_peer.py', (await folders()).infinity),
      }),
    },
    {
      name: '@huggingface/transformers',
      command: async () => ({
        command: process.execPath,
        args: [
          fileURLToPath(new URL('./transformers-js.ts', import.meta.url)),
          await transformersJsFolder(root),
          (await folders()).huggingFace,
        ],
      }),
    },
  ];
}

/** Makes what the peers need and loads them, one after another. One that does not come up is named, and the others go on. */
export async function startPeers({ root, model, lists, only }: PeerOptions): Promise<StartedPeers> {
  const peers: StartedPeer[] = [];
  const missing: string[] = [];
  for (const { name, defaultGoal, effortGoal, command } of plans(root, model).filter((plan) => plan.name.includes(only))) {
    try {
      peers.push({ process: await PeerProcess.start({ name, ...(await command()) }, lists), defaultGoal, effortGoal });
    } catch (error) {
      missing.push(`${name}: ${String(error)}`);
    }
  }
  return { peers, missing };
}
