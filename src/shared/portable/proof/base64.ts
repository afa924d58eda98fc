/** Base 64 (RFC 4648, section 4), and only as it is written: padded, without spaces, unused bits zero. */

export function toBase64(bytes: Uint8Array): string {
  let characters = '';
  for (const byte of bytes) characters += String.fromCharCode(byte);
  return btoa(characters);
}

/** The bytes, or undefined where the text is not what {@link toBase64} would give. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  const characters = decoded(text);
  if (characters === undefined || btoa(characters) !== text) return undefined;
  return Uint8Array.from(characters, (character) => character.charCodeAt(0));
}

function decoded(text: string): string | undefined {
  try {
    return atob(text);
  } catch {
    return undefined;
  }
}
