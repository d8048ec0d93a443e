/**
 * The sender's local part without what changes from message to message, so that the next message of the same sender is known to
 * a greylist. It names nobody: replies never go there. Sees untrusted text; the work is linear in its length.
 *
 *     prvs=2857ab12cd=joe                     joe                   BATV (draft-levine-smtp-batv), also Barracuda's btv1==
 *     SRS0=HHH=TT=a.example=joe               srs0=a.example=joe    SRS: the hash and the day go
 *     SRS1=HHH=f.example==HHH=TT=a.example=j  srs1=a.example=j
 *     list-bounces+user=example.org           list-bounces          what stands behind a plus
 *     list-return-1234-user=example.org       list-return-#-user=example.org
 *     bounce-mc.us1_23.45-user=example.org    bounce-#              all that follows where the first word says "bounce"
 *     0102018f1c2d3e4f-1a2b3c4d-5e6f-000000   #                     tokens and numbers
 *     joe2, 4711                              joe2, 4711            short numbers in a name, and a name that is one number
 */
export function senderKey(local: string): string {
  const own = withoutRewriting(local.toLowerCase());
  const plus = own.indexOf('+');
  const base = plus > 0 ? own.slice(0, plus) : own;
  // A number and nothing else is somebody's name (a telephone number): were it replaced, all of them would be one sender.
  if (/^[0-9]+$/.test(base)) return base;
  const bounce = BOUNCE_WORD.exec(base);
  if (bounce !== null && /[0-9=]/.test(base.slice(bounce[0].length))) return `${bounce[0]}#`;
  const isOnePiece = /^[^._=\-/~:#!]+$/.test(base);
  const masked = base.replace(PIECE, (piece) => maskedPiece(piece, isOnePiece));
  return masked.replace(/#(?:[^\p{L}0-9#]#)+/gu, '#');
}

const BOUNCE_WORD = /^(?:bounces?|bo|verp|notice-(?:return|reply))[._=-]/;
const PIECE = /[\p{L}0-9]+/gu;
// What no person has in a name: so many characters with so many changes between letters and digits.
const TOKEN_LENGTH = 8;
const TOKEN_CHANGES = 3;
// A part of a UUID: `5e6f`.
const SHORT_HEX = /^(?=[a-f]*[0-9])[0-9a-f]{4,}$/;

function maskedPiece(piece: string, isOnePiece: boolean): string {
  if (/^[0-9]+$/.test(piece) || (!isOnePiece && SHORT_HEX.test(piece))) return '#';
  if (piece.length >= TOKEN_LENGTH && changes(piece) >= TOKEN_CHANGES) return '#';
  return piece.replace(/[0-9]{3,}/g, '#');
}

function changes(piece: string): number {
  let n = 0;
  for (let i = 1; i < piece.length; i++) if (isDigit(piece, i) !== isDigit(piece, i - 1)) n += 1;
  return n;
}

const isDigit = (text: string, at: number): boolean => {
  const c = text.charCodeAt(at);
  return c >= 0x30 && c <= 0x39;
};

// A digit for the key, three for the day, six of hash; SparkPost and Barracuda have forms of their own.
const BATV = /^(?:prvs=[0-9]{4}[0-9a-f]{6}=|btv1==[0-9a-z]{1,32}==|msprvs1=[0-9a-z_-]{1,64}=)(?=.)/s;
// An older draft put the tag behind.
const BATV_BEHIND = /[=/][0-9]{4}[0-9a-f]{6}$/;

/** Without the tags of BATV, and SRS (http://www.libsrs2.org/srs/srs.pdf) without hash and day. */
function withoutRewriting(local: string): string {
  const tag = BATV.exec(local);
  if (tag !== null) return local.slice(tag[0].length);
  if (local.startsWith('prvs=') && BATV_BEHIND.test(local)) return local.slice(5, -11);
  const srs = /^srs([01])[=+-]/.exec(local);
  if (srs === null) return local;
  const parts = local.slice(srs[0].length).split('=');
  // hash, day, domain, local; a forwarder of a forwarder puts its own hash, the first one's domain and an empty part before.
  const from = srs[1] === '0' ? 2 : parts[2] === '' ? 5 : 4;
  const [domain, ...rest] = parts.slice(from);
  return domain === undefined || rest.length === 0 ? local : `srs${srs[1] ?? ''}=${domain}=${rest.join('=')}`;
}
