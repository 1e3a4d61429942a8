/**
 * String formats of JSON Schema as patterns.
 *
 * Each describes the usual spelling of its format, which may be narrower than the standard (IPv6
 * addresses are written out in full, times have a zone): what is generated always conforms.
 */

const hour = '([01][0-9]|2[0-3])';
const minute = '[0-5][0-9]';
const zone = `(Z|[+-]${hour}:${minute})`;
/** RFC 3339, without leap seconds. */
const time = `${hour}:${minute}:${minute}(\\.[0-9]{1,9})?${zone}`;

const day30 = '(0[1-9]|[12][0-9]|30)';
const yearDay = [
  `(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])`,
  `(0[469]|11)-${day30}`,
  `02-(0[1-9]|1[0-9]|2[0-8])`,
].join('|');
const fourth = '(0[48]|[2468][048]|[13579][26])';
const leapYear = `([0-9]{2}${fourth}|${fourth}00|0000)`;
const date = `([0-9]{4}-(${yearDay})|${leapYear}-02-29)`;

const byte = '(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])';
const label = '[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?';

/** Format name to the pattern of its content. */
export const formatPatterns: Readonly<Record<string, string>> = {
  date: `^${date}$`,
  time: `^${time}$`,
  'date-time': `^${date}T${time}$`,
  duration: '^P([0-9]{1,9}W|[0-9]{1,9}D(T[0-9]{1,9}H)?|T([0-9]{1,9}[HMS]|[0-9]{1,9}H[0-9]{1,9}M))$',
  uuid: '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$',
  email: `^[A-Za-z0-9_+-]+(\\.[A-Za-z0-9_+-]+)*@(${label}\\.)+[A-Za-z]{2,24}$`,
  hostname: `^${label}(\\.${label})*$`,
  ipv4: `^${byte}(\\.${byte}){3}$`,
  ipv6: '^[0-9a-fA-F]{1,4}(:[0-9a-fA-F]{1,4}){7}$',
  uri: "^[A-Za-z][A-Za-z0-9+.-]{1,20}://[A-Za-z0-9._~:/?#@!$&'()*+,;=-]+$",
};
