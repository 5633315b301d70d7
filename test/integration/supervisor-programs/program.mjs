/** What the API and the worker of these tests share: they keep the contract with their supervisor, and tell what they live through in a file. */
import { appendFileSync } from 'node:fs';

const { FAKE_EVENTS, FAKE_DRAIN_MS = '0', FAKE_IGNORE_TERM, OPS_PORT } = process.env;

export function tell(event) {
  appendFileSync(FAKE_EVENTS, `${event}\n`);
}

export function serve(name, ready) {
  tell(`${name} started ${process.pid}`);
  if (OPS_PORT !== undefined) tell(`${name} has ops port ${OPS_PORT}`);
  process.on('disconnect', () => {
    tell(`${name} orphaned`);
    process.exit(0);
  });
  process.on('SIGTERM', () => {
    tell(`${name} draining`);
    if (FAKE_IGNORE_TERM === name) return;
    setTimeout(() => {
      tell(`${name} drained`);
      process.exit(0);
    }, Number(FAKE_DRAIN_MS));
  });
  process.on('SIGINT', () => tell(`${name} saw Ctrl-C`));
  console.log(`${name} speaks`);
  process.send({ type: 'ready', ...ready });
  setInterval(() => undefined, 60_000);
}
