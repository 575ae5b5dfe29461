/**
 * A function that ends what others have begun. Its first call runs `releases` in their order; later calls do nothing.
 *
 * `const release = releaseOnce(nodes.hold(), tail.hold())`
 */
export function releaseOnce(...releases: readonly (() => void)[]): () => void {
  let isReleased = false;
  return () => {
    if (isReleased) return;
    isReleased = true;
    for (const release of releases) release();
  };
}
