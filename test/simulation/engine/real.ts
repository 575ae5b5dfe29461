// What builtins.ts replaces, as it was before. To be imported first.

export const realSetImmediate = globalThis.setImmediate;
export const realDate = globalThis.Date;
export const realNow = performance.now.bind(performance);
