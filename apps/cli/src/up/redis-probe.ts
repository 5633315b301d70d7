import { connect, createServer } from 'node:net';

export type RedisAnswer = 'ready' | 'loading' | 'refused-us' | 'silent';

const PROBE_TIMEOUT_MS = 1_000;

/** Sends the commands after AUTH, and gives back what came until the server closed, `until` matched, or a second went by. */
function converse(port: number, password: string, commands: string, until: RegExp): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    let received = '';
    const finish = (value: string | undefined): void => {
      socket.destroy();
      resolve(value);
    };
    socket.setEncoding('latin1').setTimeout(PROBE_TIMEOUT_MS, () => {
      finish(received);
    });
    socket.once('connect', () => socket.write(`AUTH ${password}\r\n${commands}\r\n`));
    socket.on('data', (chunk: string) => {
      received += chunk;
      if (until.test(received)) finish(received);
    });
    socket.once('error', () => {
      finish(undefined);
    });
    socket.once('close', () => {
      resolve(received);
    });
  });
}

/** Asks a Redis on a loopback port whether it knows the password and serves. */
export async function probeRedis(port: number, password: string): Promise<RedisAnswer> {
  const answer = await converse(port, password, 'PING', /(\+PONG|-LOADING|-NOAUTH|-ERR)[^\n]*\n/);
  if (answer?.startsWith('+OK') !== true) return answer === undefined || answer === '' ? 'silent' : 'refused-us';
  return answer.includes('+PONG') ? 'ready' : 'loading';
}

/** Tells it to save and end. */
export async function shutDownRedis(port: number, password: string): Promise<void> {
  await converse(port, password, 'SHUTDOWN', /-(ERR|NOAUTH|WRONGPASS)/);
}

export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => {
      resolve(false);
    });
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () =>
      server.close(() => {
        resolve(true);
      }),
    );
  });
}

export function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ host: '127.0.0.1', port: 0 }, () => {
      const address = server.address();
      server.close(() => {
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
  });
}
