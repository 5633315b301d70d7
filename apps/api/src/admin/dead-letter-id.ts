/** Where a dead letter lies. */
export interface DeadLetterPlace {
  readonly queue: string;
  readonly taskId: string;
}

/** Names of queues hold no dot. */
export const deadLetterId = ({ queue, taskId }: DeadLetterPlace): string => `${queue}.${taskId}`;

/** Undefined for what is no id of a dead letter. */
export function placeOfDeadLetter(id: string): DeadLetterPlace | undefined {
  const { queue, taskId } = /^(?<queue>[^.]+)\.(?<taskId>.+)$/.exec(id)?.groups ?? {};
  return queue === undefined || taskId === undefined ? undefined : { queue, taskId };
}
