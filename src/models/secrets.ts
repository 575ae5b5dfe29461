import type { DatamodelField } from './datamodel.ts';
import type { ModelNode } from './graph.ts';

const secretWords: ReadonlySet<string> = new Set(
  'pass pwd pw hash hashes hashed encrypted ciphertext digest salt salts otp totp pin pins cvv cvc mnemonic jwt'.split(' '),
);
const secretParts =
  /passw(or)?d|passphrase|passcode|passkey|secret|token|credential|(api|private|access|signing|encryption|session|auth|master)keys?|(recovery|backup|reset|verification|auth)codes?/;
/** Last words of what describes a secret rather than being one: `tokenType`. */
const describingWords: ReadonlySet<string> = new Set(['type', 'kind', 'status', 'algorithm']);
/** Columns that hold what the name of their model says: `ApiKey.key`. */
const contentWords: ReadonlySet<string> = new Set(['key', 'keys', 'code', 'codes', 'value', 'values', 'data', 'raw']);
/** What is secret as a number too. */
const secretNumbers = /^(otp|totp|pins?|cvv|cvc)$/;
const secretNumberParts = /(passcode|(recovery|backup|reset|verification|auth)codes?)$/;

/**
 * Whether a column's name, type and model say that it is nobody's business: `passwordHash`, `reset_token`, `ApiKey.key`.
 *
 * A secret is a text, Bytes or Json, or a number where it is a code to type in (`pin`). A foreign key is as secret as the column that it points to.
 */
export function isSecretColumn(node: ModelNode, field: DatamodelField): boolean {
  if (field.isReadOnly) return isSecretReference(node, field, new Set());
  if (field.kind !== 'scalar') return false;
  const words = wordsOf(field.name);
  const joined = words.join('');
  switch (field.type) {
    case 'Int':
    case 'BigInt':
      return secretNumbers.test(words.at(-1) ?? '') || secretNumberParts.test(joined);
    case 'String':
    case 'Bytes':
    case 'Json':
      return isSecretName(field.name) || (words.length === 1 && contentWords.has(joined) && secretParts.test(wordsOf(node.name).join('')));
    default:
      return false;
  }
}

/** Whether a name alone says so, for a column that holds text. */
export function isSecretName(name: string): boolean {
  const words = wordsOf(name);
  if (describingWords.has(words.at(-1) ?? '')) return false;
  return words.some(word => secretWords.has(word)) || secretParts.test(words.join(''));
}

function isSecretReference({ relations }: ModelNode, field: DatamodelField, seen: Set<DatamodelField>): boolean {
  seen.add(field);
  return [...relations.values()].some(({ from, to, target }) => {
    const other = target.fields.get(to[from.indexOf(field.name)] ?? '');
    if (other === undefined || seen.has(other)) return false;
    return other.isReadOnly ? isSecretReference(target, other, seen) : isSecretColumn(target, other);
  });
}

function wordsOf(name: string): string[] {
  return name
    .replaceAll(/([a-z\d])([A-Z])/g, '$1 $2')
    .replaceAll(/([A-Z]+)([A-Z][a-z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z]+/)
    .filter(word => word !== '');
}
