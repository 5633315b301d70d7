import { RerankApiError, RerankClient } from '@rerank-fleet/client';
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';

const STORED_KEY = 'rerank-fleet.key';

/** What the pages ask, and with which key. */
export interface Service {
  readonly client: RerankClient;
  /** Address of the API, without a slash at its end. */
  readonly url: string;
  readonly hasKey: boolean;
  /** Opens the place where a key is typed in. */
  readonly askForKey: () => void;
}

/** The folder that the page itself was loaded from, so that a proxy may put the service under any path. */
export const serviceUrl = (): string => new URL('.', document.baseURI).href.replace(/\/+$/, '');

/** The key lives as long as the tab, and in no file. */
export const storedKey = (): string | undefined => sessionStorage.getItem(STORED_KEY) ?? undefined;

export function storeKey(key: string | undefined): void {
  if (key === undefined) sessionStorage.removeItem(STORED_KEY);
  else sessionStorage.setItem(STORED_KEY, key);
}

const ServiceContext = createContext<Service | undefined>(undefined);
export const ServiceProvider = ServiceContext.Provider;

export function useService(): Service {
  const service = useContext(ServiceContext);
  if (service === undefined) throw new Error('A page was rendered without a service.');
  return service;
}

/** Whether the service wants a key that this is not. */
export async function needsKey(client: RerankClient, signal: AbortSignal): Promise<boolean> {
  try {
    await client.whoami({ signal });
    return false;
  } catch (error) {
    return error instanceof RerankApiError && error.code === 'unauthorized';
  }
}
