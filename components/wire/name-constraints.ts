/** An element of DER: the byte that says what it is, and what is in it. */
interface Element {
  readonly tag: number;
  readonly content: Buffer;
}

/** Tags of RFC 5280: which subtrees, in NameConstraints, and a DNS name in GeneralName. */
const tags = { permitted: 0xa0, excluded: 0xa1, dnsName: 0x82 } as const;

/**
 * Those of a certificate's DNS names that an authority may not sign for (RFC 5280, 4.2.1.10).
 * @param extension the value of the authority's extension NameConstraints, in DER.
 */
export function constrainedNames(extension: Buffer, names: readonly string[]): string[] {
  const [sequence] = elements(extension);
  const subtrees = sequence ? elements(sequence.content) : [];
  const basesOf = (kind: number): string[] =>
    subtrees
      .filter(({ tag }) => tag === kind)
      .flatMap(({ content }) => elements(content))
      .flatMap(({ content }) => elements(content).slice(0, 1))
      .filter(({ tag }) => tag === tags.dnsName)
      .map(({ content }) => content.toString("latin1").toLowerCase());
  const [permitted, excluded] = [basesOf(tags.permitted), basesOf(tags.excluded)];
  return names.filter((name) => {
    const lies = (base: string): boolean => isWithin(name.toLowerCase(), base);
    return excluded.some(lies) || (permitted.length > 0 && !permitted.some(lies));
  });
}

/** Whether a name is a base, or below it; an empty one stands for all names. */
const isWithin = (name: string, base: string): boolean =>
  base === "" || name === base || name.endsWith(base.startsWith(".") ? base : `.${base}`);

/** The elements of DER one after the other; what is cut short is left out. */
function elements(bytes: Buffer): Element[] {
  const found: Element[] = [];
  for (let at = 0; at + 1 < bytes.length; ) {
    const [tag, first] = [bytes.readUInt8(at), bytes.readUInt8(at + 1)];
    // 0x80 and more: as many bytes of length follow (X.690, 8.1.3.5).
    const more = first & 0x80 ? first & 0x7f : 0;
    const start = at + 2 + more;
    if (more > 4 || start > bytes.length) break;
    const end = start + (more ? bytes.readUIntBE(at + 2, more) : first);
    if (end > bytes.length) break;
    found.push({ tag, content: bytes.subarray(start, end) });
    at = end;
  }
  return found;
}
