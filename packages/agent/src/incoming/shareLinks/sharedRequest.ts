// What a share link means for a request. Whoever follows one carries its key in the query at first and in a cookie from then on; requests with a live key get a `baggage` entry, by
// which filters of that session know them. Texts only: it reads and writes no bytes of a head.

export const SHARE_NAME = "mirrord-session";

/** A request as far as share links look at it. Values are in the order of the head. */
export interface SharedInput {
  /** Target of the request line, as it is. */
  readonly target: string;
  readonly cookies: readonly string[];
  /** Values of `baggage` that are visible ASCII. */
  readonly baggage: readonly string[];
}

export type ShareVerdict =
  /** Goes on with another target or baggage, null where it stays; the response gets one more `set-cookie`, if any. */
  | { readonly kind: "shared"; readonly target: string | null; readonly baggage: string | null; readonly setCookie: string | null }
  /** The link's session is over: the request goes nowhere, its answer is a page that leads on to a target without the key. */
  | { readonly kind: "ended"; readonly continueTo: string };

/** Takes the cookie away again. */
export const CLEARING_COOKIE = `${SHARE_NAME}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0`;

/** Null: share links do not concern the request. */
export function shareVerdict(input: SharedInput, isLive: (key: string) => boolean): ShareVerdict | null {
  const { key, target } = takeKey(input.target);
  if (key !== null) {
    if (!isLive(key)) return { kind: "ended", continueTo: target };
    const setCookie = `${SHARE_NAME}=${key}; Path=/; HttpOnly; SameSite=Lax`;
    return { kind: "shared", target, baggage: baggageWith(input.baggage, key), setCookie };
  }
  const cookie = keyOfCookies(input.cookies);
  if (cookie === null) return null;
  if (!isLive(cookie)) return { kind: "shared", target: null, baggage: null, setCookie: CLEARING_COOKIE };
  const baggage = baggageWith(input.baggage, cookie);
  return baggage === null ? null : { kind: "shared", target: null, baggage, setCookie: null };
}

/** The first key of the query that is not empty, and the target without any. Without a key the target is as it was. */
function takeKey(target: string): { readonly key: string | null; readonly target: string } {
  const start = target.indexOf("?");
  const none = { key: null, target };
  if (start < 0) return none;
  const parameters = target.slice(start + 1).split("&");
  const keys = parameters.filter(isKey).map((parameter) => parameter.slice(SHARE_NAME.length + 1));
  const key = keys.find((one) => one !== "");
  if (key === undefined) return none;
  const rest = parameters.filter((parameter) => !isKey(parameter)).join("&");
  const before = withPath(target.slice(0, start));
  return { key, target: rest === "" ? before : `${before}?${rest}` };
}

function isKey(parameter: string): boolean {
  return parameter === SHARE_NAME || parameter.startsWith(`${SHARE_NAME}=`);
}

/** An empty path is `/`. */
function withPath(target: string): string {
  return target === "" || /^[a-z][a-z0-9+.-]*:\/\/[^/]*$/i.test(target) ? `${target}/` : target;
}

function keyOfCookies(cookies: readonly string[]): string | null {
  for (const cookie of cookies.flatMap((value) => value.split(";"))) {
    const pair = cookie.trim();
    if (pair.startsWith(`${SHARE_NAME}=`) && pair.length > SHARE_NAME.length + 1) return pair.slice(SHARE_NAME.length + 1);
  }
  return null;
}

/** All baggage in one value with the key's entry; null when it is there already. */
function baggageWith(values: readonly string[], key: string): string | null {
  const entry = `${SHARE_NAME}=${key}`;
  const isThere = values.some((value) => value.split(",").some((one) => one.trim() === entry));
  return isThere ? null : [...values, entry].join(",");
}
