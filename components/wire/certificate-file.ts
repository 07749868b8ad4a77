import { X509Certificate } from "node:crypto";
import { quote } from "../config/quote";

/** All certificates of a file in PEM, in order, or why they cannot be read. Text around the blocks is nobody's concern. */
export function readCertificates(text: string): X509Certificate[] | string {
  if (/^0[\u0080-\uFFFF]/.test(text))
    return "is in DER or PKCS #12, and PEM is wanted: openssl x509 -inform der -in FILE, or openssl pkcs12 -nokeys -in FILE, writes it";
  if (text.includes("\uFEFF"))
    return "begins with a byte order mark, which OpenSSL takes for a part of the first line: sed -i '1s/^\\xEF\\xBB\\xBF//' FILE takes it off";
  // OpenSSL, and nginx with it, is stricter than Node: upstream's example has two dashes too many.
  const line = text
    .split(/\r\n|\r|\n/)
    .find((one) => /^\s*-+(BEGIN|END)/.test(one) && !/^-----(BEGIN|END) CERTIFICATE-----\s*$/.test(one));
  if (line !== undefined)
    return `has a line that belongs to no certificate in PEM: ${/^-+(BEGIN|END) [A-Z0-9 ]+-+$/.test(line) ? line : quote(line)}`;
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length < (text.match(/-----BEGIN CERTIFICATE-----/g) ?? []).length)
    return "is cut short: a line -----END CERTIFICATE----- is missing";
  if (blocks.length === 0) return "holds no certificate in PEM (-----BEGIN CERTIFICATE-----)";
  const chain: X509Certificate[] = [];
  for (const block of blocks)
    try {
      chain.push(new X509Certificate(block));
    } catch {
      return `holds something that is not a certificate, or was altered: number ${chain.length + 1} in the file; openssl x509 -noout -text -in FILE says more`;
    }
  return chain;
}

/**
 * What goes on from a file: its certificates, and nothing of what stands around them.
 * @throws Error for a text that {@link readCertificates} does not take.
 */
export function certificatesAlone(text: string): string {
  const found = readCertificates(text);
  if (typeof found === "string") throw new Error(`the file ${found}`);
  return found.map(String).join("");
}

/** A certificate's name, of whatever parts, on one line. */
export const oneLine = (name: string): string => name.replaceAll("\n", ", ");
