/**
 * With what a monitoring system reads metrics: a secret that is made from the token, and good for nothing else. So
 * workers can check it that must not know the token, and a configuration file can hold it.
 *
 * @module
 */

/** The key of a token: 256 bits in hexadecimal. */
export async function metricsKeyOf(token: string): Promise<string> {
  const encoder = new TextEncoder();
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", encoder.encode(token), algorithm, false, ["sign"]);
  const signature = await crypto.subtle.sign("HMAC", key, encoder.encode("troupe metrics"));
  return Array.from(new Uint8Array(signature), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Whether a request bears a key, as `Authorization: Bearer`. Takes the same time wherever the first difference is. */
export function bearsKey(authorization: string | null, key: string): boolean {
  const given = /^Bearer (.*)$/i.exec(authorization ?? "")?.[1] ?? "";
  let difference = given.length ^ key.length;
  for (let index = 0; index < key.length; index++) {
    difference |= key.charCodeAt(index) ^ (given.charCodeAt(index) || 0);
  }
  return difference === 0;
}
