import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip, createZstdCompress } from 'node:zlib';
import { buildah } from './buildah.ts';

/** Bytes of layers: as tar archives, and as a registry stores and a node pulls them. */
export interface LayerSizes {
  readonly tar: number;
  readonly gzip: number;
  readonly zstd: number;
}

interface Layer extends LayerSizes {
  /** Of the archive as it is. */
  readonly digest: string;
}

const EMPTY: LayerSizes = { tar: 0, gzip: 0, zstd: 0 };
const sum = (layers: readonly LayerSizes[]): LayerSizes =>
  layers.reduce((all, { tar, gzip, zstd }) => ({ tar: all.tar + tar, gzip: all.gzip + gzip, zstd: all.zstd + zstd }), EMPTY);

async function lengthThrough(file: string, compressor: NodeJS.ReadWriteStream): Promise<number> {
  let length = 0;
  const count = new Writable({
    write(chunk: Buffer, _encoding, done) {
      length += chunk.length;
      done();
    },
  });
  await pipeline(createReadStream(file), compressor, count);
  return length;
}

/** Measures each layer once, however many images have it. */
export class ImageSizes {
  private readonly known = new Map<string, Layer>();

  private async layersOf(image: string): Promise<readonly Layer[]> {
    const folder = await mkdtemp(join(tmpdir(), 'rerank-image-'));
    try {
      await buildah(['push', '--quiet', '--disable-compression', image, `dir:${folder}`]);
      const manifest = JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8')) as {
        readonly layers: readonly { readonly digest: string; readonly size: number }[];
      };
      const layers: Layer[] = [];
      for (const { digest, size } of manifest.layers) {
        const file = join(folder, digest.replace('sha256:', ''));
        const layer = this.known.get(digest) ?? {
          digest,
          tar: size,
          gzip: await lengthThrough(file, createGzip()),
          zstd: await lengthThrough(file, createZstdCompress()),
        };
        this.known.set(digest, layer);
        layers.push(layer);
      }
      return layers;
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  /** What an image is, and what of it lies over its base. @throws if it does not start with the base's layers. */
  async over(image: string, base: string): Promise<{ readonly added: LayerSizes; readonly whole: LayerSizes }> {
    const below = await this.layersOf(base);
    const layers = await this.layersOf(image);
    if (below.some(({ digest }, index) => layers[index]?.digest !== digest))
      throw new Error(`${image} does not start with the layers of ${base}.`);
    return { added: sum(layers.slice(below.length)), whole: sum(layers) };
  }
}
