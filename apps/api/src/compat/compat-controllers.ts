import { CohereController } from './cohere.controller.js';
import { RootRerankController } from './root-rerank.controller.js';
import { TeiInfoController } from './tei-info.controller.js';
import { VoyageController } from './voyage.controller.js';

/** The routes of other services. */
export const COMPAT_CONTROLLERS = [CohereController, RootRerankController, TeiInfoController, VoyageController];
