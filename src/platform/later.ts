/** Makes something with the first call, and gives the same from then on; what failed is tried again. */
export function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make().catch((cause: unknown) => {
      made = undefined;
      throw cause;
    });
    return made;
  };
}

type Method = (...args: unknown[]) => unknown;

/** A provider with one method; who answers is loaded with the first question. */
export function later<Provider extends object>(
  method: keyof Provider & string,
  load: () => Promise<Provider>,
): Provider {
  const ask = async (...args: unknown[]) => {
    const provider = (await load()) as Readonly<Record<string, Method>>;
    return provider[method]!(...args);
  };
  return { [method]: ask } as Provider;
}
