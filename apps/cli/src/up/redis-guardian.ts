/**
 * Ends Redis when the supervisor is gone, where the system has no parent-death signal. Started by the supervisor with a channel to it:
 * the channel closes when the supervisor ends, however it ends.
 */
const redisPid = Number(process.argv[2]);

process.on('SIGINT', () => undefined);
process.on('disconnect', () => {
  try {
    process.kill(redisPid, 'SIGTERM');
  } catch {
    // Redis has ended before.
  }
  process.exit(0);
});
