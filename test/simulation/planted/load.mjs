// The loader hook that changes a file of the source.
let bug;

export function initialize(data) {
  bug = data;
}

export async function load(url, context, nextLoad) {
  const loaded = await nextLoad(url, context);
  if (!url.split('?')[0].endsWith(`/${bug.file}`)) return loaded;
  const source = String(loaded.source);
  if (source.split(bug.find).length !== 2) throw new Error(`${bug.file} does not have the text of the planted bug once: ${bug.find}`);
  return { ...loaded, source: source.replace(bug.find, () => bug.replace) };
}
