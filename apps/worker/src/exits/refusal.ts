/** A model cannot be cut; the message, one sentence, says why. */
export class Refusal extends Error {}
