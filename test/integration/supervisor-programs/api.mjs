import { createServer } from 'node:http';
import { serve } from './program.mjs';

const server = createServer((request, response) => response.end('ok'));
server.once('error', (error) => {
  console.error(`port ${process.env.PORT} is taken (${error.code})`);
  process.exit(78);
});
server.listen(Number(process.env.PORT), '127.0.0.1', () => serve('api', { url: `http://127.0.0.1:${server.address().port}` }));
