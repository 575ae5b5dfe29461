import { isObject } from '../../client/wire.ts';
import type { JsonObject } from '../../protocol/definitions.ts';
import { Code } from './parts.tsx';
import { jsonIn, textOf } from './results.ts';

/** What happens with the URI of a resource that the user wants to see. */
export type OpenResource = (uri: string) => void;

/** The content blocks of a result or of a message. */
export function ContentView({ blocks, onOpen }: { blocks: readonly JsonObject[]; onOpen?: OpenResource | undefined }) {
  if (blocks.length === 0) return <p class="faint">No content.</p>;
  return (
    <div class="blocks">
      {blocks.map((block, index) => (
        <Block key={index} block={block} onOpen={onOpen} />
      ))}
    </div>
  );
}

function Block({ block, onOpen }: { block: JsonObject; onOpen: OpenResource | undefined }) {
  const { type, text, data, mimeType, uri, name, title, description, resource } = block;
  const media = `data:${String(mimeType)};base64,${String(data)}`;
  switch (type) {
    case 'text':
      return <TextBlock text={String(text)} label="Text" />;
    case 'image':
      return <img class="media" src={media} alt={`Result of the type ${String(mimeType)}`} />;
    case 'audio':
      // biome-ignore lint/a11y/useMediaCaption: the server sends no captions
      return <audio class="media" controls src={media} aria-label={`Result of the type ${String(mimeType)}`} />;
    case 'resource_link':
      return (
        <div class="link-card">
          <p class="link-title">{String(title ?? name ?? uri)}</p>
          {typeof description === 'string' && <p class="field-about">{description}</p>}
          <code class="uri">{String(uri)}</code>
          {onOpen !== undefined && typeof uri === 'string' && (
            <button type="button" class="button button-small" onClick={() => onOpen(uri)}>
              Read this resource
            </button>
          )}
        </div>
      );
    case 'resource':
      return <ContentsView contents={isObject(resource) ? resource : {}} />;
    default:
      return <Code label="Content" text={JSON.stringify(block, undefined, 2)} />;
  }
}

/** The contents of a resource: text, an image, or bytes to save. */
export function ContentsView({ contents }: { contents: JsonObject }) {
  const { uri, mimeType, text, blob } = contents;
  const type = typeof mimeType === 'string' ? mimeType : 'application/octet-stream';
  const media = `data:${type};base64,${String(blob)}`;
  return (
    <figure class="contents">
      <figcaption>
        <code class="uri">{String(uri)}</code> <span class="faint">{type}</span>
      </figcaption>
      {typeof text === 'string' ? (
        <TextBlock text={text} label={`Text of ${String(uri)}`} />
      ) : type.startsWith('image/') ? (
        <img class="media" src={media} alt={`Contents of ${String(uri)}`} />
      ) : (
        <a class="button button-small" href={media} download={String(uri).split('/').at(-1) ?? 'resource'}>
          Save {bytesOf(blob === undefined ? '' : textOf(blob))}
        </a>
      )}
    </figure>
  );
}

function TextBlock({ text, label }: { text: string; label: string }) {
  const json = jsonIn(text);
  return <Code label={label} text={json === undefined ? text : JSON.stringify(json, undefined, 2)} wraps={json === undefined} />;
}

function bytesOf(base64: string): string {
  const bytes = Math.floor((base64.replace(/=+$/u, '').length * 3) / 4);
  return bytes < 1024 ? `${bytes} bytes` : `${Math.round(bytes / 1024)} kB`;
}
