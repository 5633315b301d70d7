import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TcpLink } from './tcp-link.ts';

let server: Server;
let link: TcpLink;
let accepted: Socket[];
const clients: Socket[] = [];

beforeEach(async () => {
  accepted = [];
  // Answers what it gets, as Redis would.
  server = createServer((socket) => {
    accepted.push(socket);
    socket.on('data', (chunk: Buffer) => socket.write(chunk)).on('error', () => undefined);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  link = await TcpLink.start(() => port);
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await link.stop();
  server.close();
});

interface Client {
  readonly socket: Socket;
  /** All that came. */
  text(): string;
  readonly closed: Promise<unknown>;
}

async function open(): Promise<Client> {
  const socket = connect(link.port, '127.0.0.1').setEncoding('utf8');
  clients.push(socket);
  let text = '';
  socket.on('data', (chunk: string) => (text += chunk)).on('error', () => undefined);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  await Promise.race([once(socket, 'connect').catch(() => undefined), closed]);
  return { socket, text: () => text, closed };
}

const expectHeard = (client: Client, text: string): Promise<void> => expect.poll(client.text, { interval: 5 }).toBe(text);

describe('TcpLink', () => {
  it('carries both ways, in order, also from slow to quick', async () => {
    const client = await open();
    link.enter({ kind: 'slow', latencyMs: 80 });
    client.socket.write('a');
    await sleep(10);
    link.enter({ kind: 'open' });
    client.socket.write('b');
    await expectHeard(client, 'ab');
  });

  it('delays every packet while it is slow', async () => {
    const client = await open();
    client.socket.write('a');
    await expectHeard(client, 'a');
    link.enter({ kind: 'slow', latencyMs: 60 });
    const startedAt = performance.now();
    client.socket.write('b');
    await expectHeard(client, 'ab');
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(120);
  });

  it('resets all lines when it is cut, and lets nobody in until it is open', async () => {
    const client = await open();
    link.enter({ kind: 'cut' });
    await client.closed;
    await (
      await open()
    ).closed;
    link.enter({ kind: 'open' });
    const later = await open();
    later.socket.write('c');
    await expectHeard(later, 'c');
  });

  it('keeps everything back in a black hole, connections as well, and loses nothing', async () => {
    const client = await open();
    client.socket.write('a');
    await expectHeard(client, 'a');
    link.enter({ kind: 'blackhole' });
    client.socket.write('b');
    const late = await open();
    late.socket.write('x');
    await sleep(50);
    expect([client.text(), late.text(), accepted.length]).toEqual(['a', '', 1]);
    link.enter({ kind: 'open' });
    await expectHeard(client, 'ab');
    await expectHeard(late, 'x');
  });

  it('brings what is late after what new lines brought, also what a line sent that was closed since', async () => {
    const [staying, leaving] = [await open(), await open()];
    for (const client of [staying, leaving]) {
      client.socket.write('a');
      await expectHeard(client, 'a');
    }
    const heard: string[] = [];
    for (const socket of accepted) socket.on('data', (chunk: Buffer) => heard.push(chunk.toString()));
    link.enter({ kind: 'late' });
    staying.socket.write('b');
    leaving.socket.end('c');
    leaving.socket.destroySoon();
    const fresh = await open();
    fresh.socket.write('d');
    await expectHeard(fresh, 'd');
    expect([staying.text(), heard]).toEqual(['a', []]);
    link.enter({ kind: 'open' });
    await expectHeard(staying, 'ab');
    await expect.poll(() => heard.toSorted(), { interval: 5 }).toEqual(['b', 'c']);
  });

  it('leaves a half-open line silent, answers what is sent on it later by a reset, and serves new lines', async () => {
    const [talking, silent] = [await open(), await open()];
    for (const client of [talking, silent]) {
      client.socket.write('a');
      await expectHeard(client, 'a');
    }
    const gone = accepted.map((socket) => new Promise((resolve) => socket.once('close', resolve)));
    link.enter({ kind: 'half-open' });
    await Promise.all(gone);
    talking.socket.write('b');
    const fresh = await open();
    fresh.socket.write('c');
    await expectHeard(fresh, 'c');
    link.enter({ kind: 'open' });
    expect(talking.text()).toBe('a');
    talking.socket.write('d');
    await talking.closed;
    expect(silent.socket.destroyed).toBe(false);
  });
});
